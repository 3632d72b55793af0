//! Who calls, and remembers what became of each call.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::Client;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::pair::API;

const CALLERS: u32 = 20;

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Calls a second, all callers together.
    pub(crate) rate: u32,
    /// So many calls of a caller have the same path.
    pub(crate) alike: u64,
    /// Bytes that each path has more than it needs, so that events are longer.
    pub(crate) padding: usize,
}

/// Callers at work.
pub(crate) struct Callers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Ledger>>,
}

/// What became of the calls, by their paths.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) calls: HashMap<String, Asked>,
    /// Answered by something else than 200; the first few in words.
    pub(crate) failed: u64,
    pub(crate) words: Vec<String>,
}

/// The calls of one path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// The client has the whole answer.
    pub(crate) served: u64,
    /// The connection broke, or could not be made: nobody knows how far the call got.
    pub(crate) unsure: u64,
    /// When the last answer was there.
    pub(crate) last: Option<Instant>,
}

impl Callers {
    /// Calls until it is ended.
    pub(crate) fn start(gateway: SocketAddr, manner: Manner) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..CALLERS)
            .map(|caller| tokio::spawn(call(Client::new(gateway), caller, manner, stop.clone())))
            .collect();
        Self { stop, tasks }
    }

    /// Ends the calls and adds up.
    pub(crate) async fn end(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Ledger::default();
        for task in self.tasks {
            let ledger = task.await.expect("a caller that ended");
            // A caller's paths are its own.
            sum.calls.extend(ledger.calls);
            sum.failed += ledger.failed;
            sum.words.extend(ledger.words);
        }
        sum
    }
}

impl Ledger {
    /// How many calls were served, and of how many nobody knows.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let add = |(served, unsure), asked: &Asked| (served + asked.served, unsure + asked.unsure);
        self.calls.values().fold((0, 0), add)
    }
}

async fn call(mut client: Client, caller: u32, manner: Manner, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger::default();
    let mut beat = tokio::time::interval(Duration::from_secs(1) * CALLERS / manner.rate);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let padding = "x".repeat(manner.padding);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
        let path = format!("/{API}/1.0.0/{caller}-{}-{padding}", number / manner.alike);
        number += 1;
        let answer = client.try_call("GET", &path, &[], Bytes::new()).await;
        let asked = ledger.calls.entry(path).or_default();
        match answer {
            Ok(answer) if answer.status == 200 => {
                asked.served += 1;
                asked.last = Some(Instant::now());
            }
            Ok(answer) => {
                ledger.failed += 1;
                if ledger.words.len() < 3 {
                    ledger.words.push(answer.verdict());
                }
            }
            Err(_) => asked.unsure += 1,
        }
    }
    ledger
}
