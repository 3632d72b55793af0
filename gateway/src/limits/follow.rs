//! How does the gateway count together with others by its control plane?
//!
//! One task for the process: it takes what workers ask, as much as has gathered in one message, and hands
//! the answers out. While the control plane is away every question fails at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::Host;
use tokio::sync::{mpsc, oneshot, watch};
use turnpike_proto::config::v1::ShareState;
use turnpike_proto::config::v1::share_request::Message;
use turnpike_proto::config::v1::share_response::Message as Answer;

use super::ask::{Ask, Question};
use super::leases::Leases;
use super::parts::Parts;
use super::states::states;
use crate::counters::Journal;
use crate::rpc::limits::{Handle, Heard};
use crate::snapshot::State;

/// Questions in one message.
const AT_ONCE: usize = 4_096;
/// How often it is looked after what changes by time alone; after leases as often as they say.
const LOOK: Duration = Duration::from_millis(250);
/// How long the end may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Counts together with others for as long as it is run.
#[derive(Debug)]
pub struct Follower {
    /// What workers ask.
    pub asks: mpsc::Receiver<Ask>,
    /// What is heard on the line,
    pub heard: mpsc::Receiver<Heard>,
    /// and how something is said.
    pub handle: Handle,
    /// By which configuration this gateway asks.
    pub states: watch::Receiver<Arc<State>>,
    /// How many gateways share limits.
    pub gateways: Arc<AtomicU64>,
    /// What counters were before this process.
    pub journal: Arc<Journal>,
    /// Clock.
    pub host: Host,
}

impl Follower {
    /// Runs until `stop`, which may be dropped; then everything that is in hand goes back.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut leases = Leases::new(self.handle.clone());
        let mut parts = Parts::new(self.handle.clone());
        let clock = self.host.clock.clone();
        let (mut looks, mut leases_look) = (clock.instant(), clock.instant());
        loop {
            let now = clock.instant();
            if now >= looks {
                looks = now + LOOK;
                parts.look_after(self.now_us(), self.gateways());
            }
            if now >= leases_look {
                leases_look = now + Duration::from_micros(leases.look_after(self.now_us()));
            }
            let next = looks.min(leases_look);
            tokio::select! {
                asks = gathered(&mut self.asks) => {
                    let (joins, asks): (Vec<_>, Vec<_>) = asks
                        .into_iter()
                        .partition(|ask| matches!(ask.question, Question::Join));
                    let (now_us, gateways) = (self.now_us(), self.gateways());
                    for join in joins {
                        parts.join(now_us, join.joined(), gateways);
                    }
                    leases.ask(now_us, asks);
                }
                heard = self.heard.recv() => match heard {
                    Some(heard) => self.hear(heard, &mut leases, &mut parts),
                    None => return,
                },
                Ok(()) = self.states.changed() => {
                    let state = state_of(&self.states.borrow_and_update());
                    // Who comes back says it anew.
                    let _ = self.handle.tell(Message::State(state));
                }
                () = clock.sleep(next.saturating_duration_since(now)) => {}
                _ = &mut stop => break,
            }
        }
        leases.finish(self.now_us());
        self.handle.finish();
        let closed =
            async { while !matches!(self.heard.recv().await, None | Some(Heard::Closed)) {} };
        // A control plane that does not answer keeps nobody.
        let _ = clock.timeout(GOODBYE, closed).await;
    }

    fn hear(&self, heard: Heard, leases: &mut Leases, parts: &mut Parts) {
        match heard {
            Heard::Open => {}
            Heard::Closed => {
                leases.closed();
                parts.closed();
            }
            Heard::Message(Answer::Welcome(welcome)) => {
                self.gateways.store(welcome.gateways, Ordering::Relaxed);
            }
            Heard::Message(Answer::Answers(answers)) => leases.answered(self.now_us(), &answers),
            Heard::Message(Answer::Parts(told)) => parts.told(self.now_us(), &told),
            Heard::Message(Answer::Query(query)) => {
                let plan = self.states.borrow().plan.clone();
                let told = states(&plan, &self.journal, &query, self.now_us());
                // Who is not heard counts as one that has not answered.
                let _ = self.handle.tell(Message::States(told));
            }
        }
    }

    fn gateways(&self) -> u64 {
        self.gateways.load(Ordering::Relaxed).max(1)
    }

    fn now_us(&self) -> u64 {
        self.host.clock.unix_us().max(0).cast_unsigned()
    }
}

/// By which configuration a gateway asks.
pub fn state_of(state: &State) -> ShareState {
    ShareState { epoch: state.epoch.clone(), revision: state.revision }
}

/// What has gathered; waits for the first.
async fn gathered(asks: &mut mpsc::Receiver<Ask>) -> Vec<Ask> {
    let mut gathered = Vec::new();
    if asks.recv_many(&mut gathered, AT_ONCE).await == 0 {
        // No worker is there any more.
        std::future::pending::<()>().await;
    }
    gathered
}
