//! Do floods of different values, long words, wrong clocks and nonsense cost anybody else anything?

use std::time::{Duration, SystemTime};

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use turnpike_proto::usage::v1::collector_client::CollectorClient;
use turnpike_proto::usage::v1::{CollectRequest, Event};

use crate::callers::{Callers, Manner};
use crate::pair::{Ground, PATIENCE, Pair};
use crate::stored;
use crate::verdict::Verdict;

/// Events of one batch, as many as are allowed.
const BATCH: u32 = 10_000;
/// The collector's memory in MB: what waits for a flush, what is checked at a time, and questions have a
/// bound each; a million remembered paths or megabyte-long words would pass all of them.
const MOST: f64 = 1_400.0;

/// A source of its own beside the gateway.
struct Bomber {
    source: &'static str,
    sequence: u64,
}

impl Bomber {
    /// Sends batches by one call; all are acknowledged, or the status says why one was not.
    async fn send(&mut self, pair: &Pair, batches: Vec<Vec<Event>>) -> Result<(), Status> {
        let (sender, taken) = tokio::sync::mpsc::channel(4);
        let (source, first) = (self.source, self.sequence + 1);
        let last = self.sequence + batches.len() as u64;
        tokio::spawn(async move {
            for (sequence, events) in (first..).zip(batches) {
                let (source, epoch) = (source.to_owned(), "bomb".to_owned());
                let request = CollectRequest { source, epoch, sequence, events, dropped: 0 };
                if sender.send(request).await.is_err() {
                    return;
                }
            }
        });
        let mut client = CollectorClient::new(pair.channel("gateway"));
        let mut answers = client.collect(ReceiverStream::new(taken)).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            self.sequence = answer.sequence;
        }
        assert_eq!(self.sequence, last, "the stream ended early");
        Ok(())
    }
}

fn event(path: String) -> Event {
    Event {
        at_us: now_us(),
        api: "bombed".to_owned(),
        api_version: "1.0.0".to_owned(),
        path,
        status: 200,
        total_us: 1000,
        client_ip: vec![203, 0, 113, 7],
        ..Event::default()
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("a time")
}

/// While a gateway serves its callers, `bomb` goes off; then every call of the gateway is stored once and
/// the collector's memory has a bound.
#[track_caller]
fn check(bomb: impl AsyncFnOnce(&Pair)) {
    crate::alone(async {
        let mut pair = Pair::start(Ground::default()).await;
        let since = SystemTime::now() - Duration::from_secs(1);
        let callers = Callers::start(pair.http(), Manner { rate: 100, alike: 1, padding: 0 });
        bomb(&pair).await;
        let ledger = callers.end().await;
        assert_eq!((ledger.failed, ledger.sums().1), (0, 0), "{:?}", ledger.words);
        pair.delivered(PATIENCE).await;
        pair.stop_gateway();
        let verdict = Verdict::of(&ledger, &stored::by_path(&pair, since).await);
        let memory = pair.collector_memory();
        println!(
            "{} calls served, {} stored; the collector's memory: {} MB, at most {} MB",
            verdict.served, verdict.stored, memory.0, memory.1
        );
        assert!(verdict.doubled.is_empty(), "stored too often: {:?}", verdict.doubled);
        assert_eq!(verdict.lost(), 0);
        assert!(memory.1 < MOST, "{} MB", memory.1);
    });
}

#[test]
fn a_flood_of_different_paths_users_and_addresses_is_stored_in_bounded_memory() {
    check(async |pair| {
        let paths = crate::setting("PATHS", 60_000);
        let mut bomber = Bomber { source: "bomber", sequence: 0 };
        let begun = std::time::Instant::now();
        for first in (0..paths).step_by(BATCH as usize) {
            let events = (first..paths.min(first + BATCH)).map(|n| Event {
                user: format!("user-{n}"),
                consumer_key: format!("key-{n}"),
                application: format!("application-{n}"),
                user_agent: format!("agent/{n}"),
                host: format!("host-{n}"),
                client_ip: n.to_be_bytes().to_vec(),
                ..event(format!("/bombed/{n}"))
            });
            bomber.send(pair, vec![events.collect()]).await.expect("an acknowledgement");
        }
        println!("{paths} different paths in {:?}", begun.elapsed());
        let ask = async |by: &str, limit| {
            let now = SystemTime::now();
            let time = now - Duration::from_mins(50)..now + Duration::from_secs(1);
            stored::counted(pair, ("bombed", by), time, limit).await
        };
        let refused = ask("path", 0).await.expect_err("more groups than an answer may have");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        println!("too many groups: {}", refused.message());
        match ask("path", 10).await {
            Ok(answer) => assert_eq!((answer.groups.len(), answer.more), (10, true)),
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
        }
        let all = ask("api", 0).await.expect("an answer");
        assert_eq!(all.groups[0].measures, [f64::from(paths)]);
    });
}

#[test]
fn a_flood_of_small_batches_is_stored_in_bounded_memory() {
    check(async |pair| {
        let mut bomber = Bomber { source: "bomber", sequence: 0 };
        let before = pair.collector_memory().0;
        for round in 0..10 {
            let batches = (0..600).map(|n| vec![event(format!("/{round}/{n}"))]).collect();
            bomber.send(pair, batches).await.expect("an acknowledgement");
        }
        let after = pair.collector_memory().0;
        println!("6000 batches of one event: from {before} MB to {after} MB");
        assert!(after - before < 100.0, "from {before} MB to {after} MB");
    });
}

#[test]
fn long_words_are_cut_and_wrong_clocks_are_left_out_one_by_one() {
    check(async |pair| {
        let mut bomber = Bomber { source: "bomber", sequence: 0 };
        let long = "x".repeat(1 << 20);
        for _ in 0..8 {
            let agent = |n| Event { user_agent: long.clone(), ..event(format!("/long/{n}")) };
            bomber.send(pair, vec![(0..3).map(agent).collect()]).await.expect("stored");
        }
        let year = 365 * 24 * 3600 * 1_000_000;
        let wrong = [i64::MIN, 0, now_us() - 3 * year, now_us() + 3 * year, i64::MAX];
        let events = wrong.map(|at_us| Event { at_us, ..event("/wrong".to_owned()) });
        let with_good = events.into_iter().chain([event("/good".to_owned())]).collect();
        bomber.send(pair, vec![with_good]).await.expect("stored");
        let of = async |name: &str| pair.of_collector(name).await;
        assert_eq!(of("turnpike_collector_fields_cut_total").await, 24);
        let refused = "turnpike_collector_events_refused_total";
        assert_eq!(of(&format!("{refused}{{reason=\"too_old\"}}")).await, 3);
        assert_eq!(of(&format!("{refused}{{reason=\"in_the_future\"}}")).await, 2);
    });
}

#[test]
fn nonsense_ends_its_own_stream_and_nobody_elses() {
    check(async |pair| {
        let too_many = vec![(0..=BATCH).map(|n| event(n.to_string())).collect()];
        let too_long = vec![vec![event("x".repeat(5 << 20))]];
        for (source, batches) in [("bomber", too_many), ("bomber", too_long), ("", vec![vec![]])] {
            let mut bomber = Bomber { source, sequence: 0 };
            let refused = bomber.send(pair, batches).await.expect_err("a refusal");
            println!("refused: {refused}");
        }
        let malformed = pair.of_collector("turnpike_collector_batches_malformed_total").await;
        assert!(malformed >= 2, "{malformed} were counted");
        let mut good = Bomber { source: "bomber", sequence: 0 };
        good.send(pair, vec![vec![event("/good".to_owned())]]).await.expect("stored");
    });
}
