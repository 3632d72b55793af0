//! What is lost when the gateway, the collector, or both are killed at any moment?
//!
//! An event is in the gateway's memory for some milliseconds after its call, then in a file. A kill of
//! the gateway takes along what is in memory; a kill of the collector takes nothing.

use std::time::{Duration, Instant, SystemTime};

use crate::callers::{Callers, Manner};
use crate::pair::{Ground, PATIENCE, Pair};
use crate::stored;
use crate::verdict::Verdict;

/// What was answered longer before a kill is in a file, also on a machine that does other things.
const WINDOW: Duration = Duration::from_secs(1);

/// Who is killed, one after the other, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Gateway,
    Collector,
    Both,
}

/// Draws moments; the same ones for the same beginning.
struct Draw(u64);

impl Draw {
    fn begin() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let seed = crate::setting("SEED", now.subsec_nanos() | 1);
        println!("TURNPIKE_COUNTED_SEED={seed} draws these moments again");
        Self(u64::from(seed) << 20 | 1)
    }

    /// Up to so long.
    fn below(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = u32::try_from(self.0 >> 40).unwrap_or(u32::MAX) % 1000;
        most * share / 1000
    }
}

/// Kills `victims` in turn, each `kills` times, under load. Says when gateways were killed and what is
/// stored of what was served.
async fn killed(victims: &[Victim], kills: u32, rate: u32) -> (Vec<Instant>, Verdict) {
    let mut pair = Pair::start(Ground::default()).await;
    let mut draw = Draw::begin();
    let since = SystemTime::now() - Duration::from_secs(1);
    let callers = Callers::start(pair.http(), Manner { rate, alike: 1, padding: 0 });
    let mut moments = Vec::new();
    for victim in victims.iter().cycle().take(victims.len() * kills as usize) {
        tokio::time::sleep(Duration::from_millis(300) + draw.below(Duration::from_secs(1))).await;
        if *victim != Victim::Collector {
            moments.push(Instant::now());
            pair.kill_gateway();
        }
        if *victim == Victim::Both {
            tokio::time::sleep(draw.below(Duration::from_millis(20))).await;
        }
        if *victim != Victim::Gateway {
            pair.kill_collector();
            tokio::time::sleep(draw.below(Duration::from_millis(500))).await;
            pair.start_collector().await;
        }
        if *victim != Victim::Collector {
            pair.start_gateway().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ledger = callers.end().await;
    assert_eq!(ledger.failed, 0, "{:?}", ledger.words);
    pair.delivered(PATIENCE).await;
    pair.stop_gateway();
    let verdict = Verdict::of(&ledger, &stored::by_path(&pair, since).await);
    (moments, verdict)
}

/// What `victims` may cost; a lost call was answered right before a gateway was killed.
#[track_caller]
fn check(victims: &'static [Victim]) {
    crate::alone(async {
        let (kills, rate) = (crate::setting("KILLS", 3), crate::setting("RATE", 400));
        let (moments, verdict) = killed(victims, kills, rate).await;
        let Verdict { served, unsure, stored, doubled, .. } = &verdict;
        let (lost, longest) = (verdict.lost(), verdict.longest_before(&moments));
        println!(
            "{kills} x {victims:?}: {served} calls served, {unsure} broken off, {stored} stored, \
             {lost} lost, of which the first was answered {longest:?} before a kill of the gateway"
        );
        assert!(doubled.is_empty(), "stored too often: {doubled:?}");
        assert!(*served > 100, "only {served} calls were served");
        let longest = longest.unwrap_or_else(|| panic!("lost long after every kill: {verdict:?}"));
        assert!(longest < WINDOW, "lost {longest:?} before a kill");
    });
}

#[test]
fn a_killed_collector_loses_nothing_and_counts_nothing_twice() {
    check(&[Victim::Collector]);
}

#[test]
fn a_killed_gateway_loses_no_more_than_its_last_moment() {
    check(&[Victim::Gateway, Victim::Both]);
}
