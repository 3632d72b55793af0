//! Steady calls at a given pace, and what became of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::client::{Answer, Client};

/// Calls that go on until they are ended.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Tally>>,
}

/// What became of the calls.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls that were answered with 200.
    pub good: u64,
    /// Calls that were not answered, or with another status, or whose answer was wrong; the first
    /// few in words.
    pub failed: u64,
    pub failures: Vec<String>,
}

impl Load {
    /// `rate` calls per second over 20 connections. `judge` says what is wrong with an answer.
    pub fn start(
        gateway: SocketAddr,
        token: &str,
        target: &str,
        rate: u32,
        judge: fn(&Answer) -> Option<String>,
    ) -> Self {
        const CONNECTIONS: u32 = 20;
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Duration::from_secs(1) * CONNECTIONS / rate;
        let callers = (0..CONNECTIONS)
            .map(|_| {
                let client = Client::new(gateway).with_token(token);
                tokio::spawn(call(client, target.to_owned(), pace, stop.clone(), judge))
            })
            .collect();
        Self { stop, callers }
    }

    /// Ends the calls and adds up.
    pub async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for caller in self.callers {
            let tally = caller.await.expect("a caller that ended");
            sum.good += tally.good;
            sum.failed += tally.failed;
            sum.failures.extend(tally.failures);
        }
        sum
    }
}

async fn call(
    mut client: Client,
    target: String,
    pace: Duration,
    stop: Arc<AtomicBool>,
    judge: fn(&Answer) -> Option<String>,
) -> Tally {
    let mut tally = Tally::default();
    let mut beat = tokio::time::interval(pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
        let problem = match client.try_call("GET", &target, &[], Bytes::new()).await {
            Ok(answer) if answer.status == 200 => judge(&answer),
            Ok(answer) => Some(answer.verdict()),
            Err(error) => Some(format!("{error:#}")),
        };
        match problem {
            None => tally.good += 1,
            Some(problem) => {
                tally.failed += 1;
                if tally.failures.len() < 3 {
                    tally.failures.push(problem);
                }
            }
        }
    }
    tally
}
