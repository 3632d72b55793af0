//! Who calls the gateways all the time, and judges every answer.
//!
//! An answer names the change that it comes from twice: in a field that the API sets and in the quota of
//! the tier. Two numbers in one answer would be two revisions; a number below one that the same gateway has
//! shown before would be a step back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{Answer, Client};
use tokio::task::JoinHandle;

use crate::writer::QUOTA;

const CALL: &str = "/orders/1.0.0/items/7";
/// Callers of each gateway.
const CALLERS: u64 = 4;

/// Callers at work.
pub(crate) struct Callers {
    stop: Arc<AtomicBool>,
    gateways: Vec<Arc<Gateway>>,
    tasks: Vec<JoinHandle<Tally>>,
}

/// What is known of one gateway.
#[derive(Debug, Default)]
struct Gateway {
    newest: AtomicU64,
    /// The store goes back to an earlier time, and so may answers.
    goes_back: AtomicBool,
}

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) good: u64,
    /// Not answered, or not with 200.
    pub(crate) failed: u64,
    /// Of two revisions.
    pub(crate) mixed: u64,
    /// Older than an answer before.
    pub(crate) back: u64,
    pub(crate) slowest: Duration,
    /// The first few of each kind in words.
    pub(crate) words: Vec<String>,
    /// How many answers came from each change, over all gateways.
    pub(crate) seen: BTreeMap<u64, u64>,
}

impl Callers {
    /// `rate` calls per second at each gateway.
    pub(crate) fn start(gateways: &[SocketAddr], token: &str, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let known: Vec<Arc<Gateway>> = gateways.iter().map(|_| Arc::default()).collect();
        let pace = Duration::from_secs(1) * u32::try_from(CALLERS).unwrap_or(1) / rate;
        let mut tasks = Vec::new();
        for (address, known) in gateways.iter().zip(&known) {
            for _ in 0..CALLERS {
                let client = Client::new(*address).with_token(token);
                tasks.push(tokio::spawn(call(client, known.clone(), pace, stop.clone())));
            }
        }
        Self { stop, gateways: known, tasks }
    }

    /// From now on answers may come from an earlier time, or no longer.
    pub(crate) fn may_go_back(&self, may: bool) {
        for gateway in &self.gateways {
            gateway.goes_back.store(may, Ordering::SeqCst);
            gateway.newest.store(0, Ordering::SeqCst);
        }
    }

    /// Ends the calls and adds up.
    pub(crate) async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for task in self.tasks {
            let tally = task.await.expect("a caller that ended");
            sum.good += tally.good;
            sum.failed += tally.failed;
            sum.mixed += tally.mixed;
            sum.back += tally.back;
            sum.slowest = sum.slowest.max(tally.slowest);
            sum.words.extend(tally.words);
            for (change, count) in tally.seen {
                *sum.seen.entry(change).or_default() += count;
            }
        }
        sum
    }
}

async fn call(
    mut client: Client,
    gateway: Arc<Gateway>,
    pace: Duration,
    stop: Arc<AtomicBool>,
) -> Tally {
    let mut tally = Tally::default();
    let mut beat = tokio::time::interval(pace);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
        let (floor, begun) = (gateway.newest.load(Ordering::SeqCst), Instant::now());
        let lenient = gateway.goes_back.load(Ordering::SeqCst);
        let answer = client.try_call("GET", CALL, &[], Bytes::new()).await;
        tally.slowest = tally.slowest.max(begun.elapsed());
        let change = match answer {
            Ok(answer) if answer.status == 200 => match changes(&answer) {
                (Some(one), Some(other)) if one == other => one,
                two => {
                    tally.mixed += 1;
                    tally.say(format!("of two revisions: {two:?}"));
                    continue;
                }
            },
            Ok(answer) => {
                tally.failed += 1;
                tally.say(answer.verdict());
                continue;
            }
            Err(error) => {
                tally.failed += 1;
                tally.say(format!("{error:#}"));
                continue;
            }
        };
        *tally.seen.entry(change).or_default() += 1;
        if lenient || gateway.goes_back.load(Ordering::SeqCst) {
            tally.good += 1;
            continue;
        }
        gateway.newest.fetch_max(change, Ordering::SeqCst);
        if change < floor {
            tally.back += 1;
            tally.say(format!("change {change} after {floor}"));
        } else {
            tally.good += 1;
        }
    }
    tally
}

impl Tally {
    fn say(&mut self, words: String) {
        if self.words.len() < 3 {
            self.words.push(words);
        }
    }
}

/// The change that the API names, and the one that the quota names.
fn changes(answer: &Answer) -> (Option<u64>, Option<u64>) {
    let policy = answer.header("ratelimit-policy");
    let mut quotas = policy.split(";q=").skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    (answer.header("x-change").parse().ok(), quotas.find_map(|q| q.checked_sub(QUOTA)))
}
