//! How does the conversation with one gateway go?
//!
//! It says what it holds; it gets nothing, a difference, or everything, and answers; and again
//! whenever its slice changes. At most one transaction is unanswered: what happens meanwhile is
//! contained in the next one, which is taken from the newest state. What counts as held is what
//! the gateway says it holds.

use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use plan::{Digests, StateHash};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, Streaming};
use turnpike_proto::config::v1::sync_request::Message;
use turnpike_proto::config::v1::sync_response::Message as Answer;
use turnpike_proto::config::v1::{Applied, AskDigests, AskReports, SyncRequest, SyncResponse};

use super::gateways::Session;
use super::meters::Meters;
use super::outgoing::{addressed, current};
use super::repair::Repairs;
use super::sign::Signer;
use super::slice::{Slice, SliceState, States};

/// How long a gateway may take to answer a transaction.
const ANSWER: Duration = Duration::from_mins(1);
/// After so many full transactions that did not bring the right hash, somebody must look.
const WRONG: u32 = 3;
/// So much of the reason of a gateway is told, in characters.
const REASON: usize = 1024;
/// How often a gateway tells how its calls are while a change is rolled out.
const REPORT_EVERY_MS: u32 = 1000;
/// So many of the objects are named that another version does not understand.
const LEFT_OUT: usize = 100;

pub(super) type Out = Sender<Result<SyncResponse, Status>>;

/// One gateway's conversation.
pub(super) struct Conversation {
    pub(super) slice: Arc<Slice>,
    pub(super) signer: Arc<Signer>,
    /// Another certificate vouches from now on.
    pub(super) renewals: Receiver<u64>,
    pub(super) session: Session,
    pub(super) incoming: Streaming<SyncRequest>,
    pub(super) out: Out,
    pub(super) clock: Clock,
    pub(super) meters: Meters,
    /// What the gateway holds.
    pub(super) held: StateHash,
    /// The epoch and revision that it believes to be at.
    pub(super) believes: (String, u64),
    /// Whether it has been told where it stands.
    pub(super) greeted: bool,
    /// When it came, in microseconds since the Unix epoch.
    pub(super) since_us: i64,
    /// How many objects it could not put in force.
    pub(super) rejected: usize,
    /// Whether it can tell how its calls are.
    pub(super) reports: bool,
    /// The APIs that it was asked to tell apart; none: it was not asked for anything.
    pub(super) compares: Option<Arc<[String]>>,
    /// How its state is mended where nobody knows it; none: it cannot say where it differs.
    pub(super) repairs: Option<Arc<Repairs>>,
    /// Whether nothing was left out for it.
    pub(super) understands: bool,
    /// How many gateways may be sent much at a time.
    pub(super) large: Arc<Semaphore>,
}

impl Conversation {
    /// Until the gateway goes, or something is wrong with it. `Ok` is a good end.
    pub(super) async fn hold(mut self) {
        self.meters.connected(1);
        self.meters.rejected(0, self.rejected);
        let ended = self.talk().await;
        self.meters.connected(-1);
        self.meters.rejected(self.rejected, 0);
        if let Err(status) = ended {
            tracing::info!(reason = status.message(), "config stream ended");
            // The gateway may be gone already, or not reading: then nobody is told.
            let _ = self.out.try_send(Err(status));
        }
    }

    async fn talk(&mut self) -> Result<(), Status> {
        let mut states = self.slice.subscribe(self.session.node());
        let mut wrong = 0;
        loop {
            let target = states.borrow_and_update();
            self.fits(&target)?;
            self.ask_reports(states.compares()).await?;
            if self.held == target.hash() {
                wrong = 0;
                self.confirm(&target).await?;
                if !self.idle(&mut states).await? {
                    return Ok(());
                }
                continue;
            }
            let clock = self.clock.clone();
            let room = self.room(wrong > 0).await;
            // The newest after the wait for room.
            let target = states.borrow_and_update();
            self.fits(&target)?;
            let offered = clock.timeout(ANSWER, self.offer(&target, wrong > 0)).await;
            offered.map_err(|_| Status::deadline_exceeded("the gateway does not read"))??;
            self.greeted = true;
            let Some(applied) = self.answer(&target).await? else { return Ok(()) };
            drop(room);
            self.held = StateHash::from_bytes(&applied.state_hash).unwrap_or_default();
            let right = self.held == target.hash();
            self.meters.rejected(self.rejected, applied.rejected.len());
            self.rejected = applied.rejected.len();
            self.session.answered(Some(target.revision), right, applied.rejected);
            self.refused(&applied.refused)?;
            if right {
                // What was committed before it came says nothing about the way of a change.
                let committed = target.note.committed_at_us;
                if committed > self.since_us {
                    self.meters.propagated(self.clock.unix_us().saturating_sub(committed));
                }
                self.believes = (target.epoch.to_string(), target.revision);
                continue;
            }
            wrong += 1;
            if wrong >= WRONG {
                return Err(Status::aborted("the state hash is wrong again and again"));
            }
        }
    }

    /// Where much is to be sent: a place among the few that get much at a time, so that a fleet that
    /// comes back together takes no more memory than they do. What comes meanwhile is in the state
    /// that is sent then.
    async fn room(&self, whole: bool) -> Option<OwnedSemaphorePermit> {
        if !whole && self.held != StateHash::default() && self.slice.knows(self.held) {
            return None;
        }
        // The semaphore is never closed; without it everybody would be let in.
        self.large.clone().acquire_owned().await.ok()
    }

    /// Says what is left out for a gateway of another version, and whether it can be sent anything.
    fn fits(&mut self, target: &SliceState) -> Result<(), Status> {
        let refusal = target.slice.refusal();
        let left_out = refusal.iter().cloned().chain(target.slice.left_out());
        let left_out: Vec<String> = left_out.take(LEFT_OUT).collect();
        // Nearly always nothing is, and nothing was: that is not written anew with each change.
        if !(self.understands && left_out.is_empty()) {
            self.understands = left_out.is_empty();
            self.session.left_out(left_out);
        }
        refusal.map_or(Ok(()), |reason| Err(Status::failed_precondition(reason)))
    }

    /// It holds the right things; it is told so once, and when it cannot know where it stands.
    async fn confirm(&mut self, target: &SliceState) -> Result<(), Status> {
        self.session.is_at(&target.epoch, target.revision);
        let (epoch, revision) = &self.believes;
        let renewed = self.renewals.has_changed().unwrap_or_default();
        // A revision that changed nothing of its slice is not worth a message; a new epoch is, and a
        // new certificate: what gateways have on disk is not to stand on an old one.
        if !self.greeted || renewed || *epoch != *target.epoch || *revision > target.revision {
            self.renewals.mark_unchanged();
            let signature = self.signer.vouch(&self.slice.labels, target).map_err(unsigned)?;
            self.send(current(target, signature)).await?;
            self.greeted = true;
            self.believes = (target.epoch.to_string(), target.revision);
        }
        Ok(())
    }

    async fn offer(&mut self, target: &Arc<SliceState>, whole: bool) -> Result<(), Status> {
        let (slice, held, wanted) = (self.slice.clone(), self.held, target.clone());
        let (signer, repair) = (self.signer.clone(), self.digests(whole).await?);
        let repairs = self.repairs.clone().filter(|_| repair.is_some());
        self.renewals.mark_unchanged();
        let made = tokio::task::spawn_blocking(move || {
            let outgoing = match (repairs, repair) {
                (Some(repairs), Some(held)) => Arc::new(repairs.outgoing(&held, &wanted)),
                _ => slice.outgoing(held, &wanted, whole),
            };
            (outgoing, signer.vouch(&slice.labels, &wanted))
        });
        let made = made.await.map_err(|_| Status::internal("the change was not made"))?;
        let (outgoing, signature) = (made.0, made.1.map_err(unsigned)?);
        let reason = match (outgoing.from, whole, held == StateHash::default()) {
            (Some(_), _, _) => None,
            (None, true, _) => Some("wrong hash"),
            (None, false, true) => Some("empty"),
            (None, false, false) => Some("unknown state"),
        };
        if outgoing.is_repair() {
            self.meters.repaired(outgoing.bytes);
        } else {
            self.meters.sent(reason, outgoing.bytes);
        }
        self.session.offered(&target.epoch, target.revision);
        let base = self.believes.1;
        for part in &outgoing.parts {
            self.send(addressed(part.clone(), base, &signature)).await?;
        }
        Ok(())
    }

    /// What the gateway holds, bucket by bucket; none: it is known, or everything is to be sent.
    async fn digests(&mut self, whole: bool) -> Result<Option<Digests>, Status> {
        let is_known = self.held == StateHash::default() || self.slice.knows(self.held);
        if whole || is_known || self.repairs.is_none() {
            return Ok(None);
        }
        self.send(SyncResponse { message: Some(Answer::AskDigests(AskDigests {})) }).await?;
        let digests = async {
            loop {
                let ended = || Status::cancelled("the gateway has gone");
                match self.incoming.message().await?.ok_or_else(ended)?.message {
                    Some(Message::Digests(digests)) => {
                        let digests = Digests::from_bytes(&digests.buckets);
                        let refuse = || Status::invalid_argument("`buckets` are 2048 bytes");
                        return digests.ok_or_else(refuse).map(Some);
                    }
                    Some(Message::Report(report)) => self.session.reported(report),
                    // Said late: what it says now counts.
                    Some(Message::Applied(_)) => {}
                    _ => return Err(Status::invalid_argument("`digests` was expected")),
                }
            }
        };
        let asked = self.clock.timeout(ANSWER, digests).await;
        asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("no digests")))
    }

    /// The answer to the transaction that is under way; none: the gateway has gone.
    async fn answer(&mut self, target: &SliceState) -> Result<Option<Applied>, Status> {
        let answer = async {
            loop {
                let Some(message) = self.incoming.message().await? else { return Ok(None) };
                match message.message {
                    // An answer to something older is no answer to this.
                    Some(Message::Applied(applied))
                        if applied.revision == target.revision
                            && applied.epoch == *target.epoch =>
                    {
                        return Ok(Some(applied));
                    }
                    Some(Message::Applied(_)) => {}
                    Some(Message::Report(report)) => self.session.reported(report),
                    _ => return Err(Status::invalid_argument("`applied` was expected")),
                }
            }
        };
        tokio::select! {
            answer = self.clock.timeout(ANSWER, answer) => {
                answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer to a transaction")))
            }
            () = self.session.superseded() => Err(superseded()),
        }
    }

    /// Waits for the next state of the slice; false: the gateway has gone.
    async fn idle(&mut self, states: &mut States) -> Result<bool, Status> {
        // What it has seen is noted where it is answered.
        let mut renewals = self.renewals.clone();
        loop {
            tokio::select! {
                changed = states.changed() => return Ok(changed.is_ok()),
                renewed = renewals.changed() => return Ok(renewed.is_ok()),
                message = self.incoming.message() => match message? {
                    None => return Ok(false),
                    // Said late, or again: what it could not serve may have changed.
                    Some(SyncRequest { message: Some(Message::Applied(applied)) }) => {
                        let right = StateHash::from_bytes(&applied.state_hash) == Some(self.held);
                        self.meters.rejected(self.rejected, applied.rejected.len());
                        self.rejected = applied.rejected.len();
                        self.session.answered(None, right, applied.rejected);
                        self.refused(&applied.refused)?;
                        if !right {
                            self.held = StateHash::from_bytes(&applied.state_hash).unwrap_or_default();
                            return Ok(true);
                        }
                    }
                    Some(SyncRequest { message: Some(Message::Report(report)) }) => {
                        self.session.reported(report);
                    }
                    Some(_) => return Err(Status::invalid_argument("`applied` was expected")),
                },
                () = self.session.superseded() => return Err(superseded()),
            }
        }
    }

    /// Ends the conversation with a gateway that believes nothing: sent once more it would be the
    /// same. It comes back by itself.
    fn refused(&self, reason: &str) -> Result<(), Status> {
        if reason.is_empty() {
            return Ok(());
        }
        self.meters.refused();
        let reason: String = reason.chars().take(REASON).collect();
        Err(Status::failed_precondition(format!("the gateway refuses: {reason}")))
    }

    /// A rollout is judged by how calls are; at other times nobody asks.
    async fn ask_reports(&mut self, wanted: Option<Arc<[String]>>) -> Result<(), Status> {
        if self.reports && self.compares != wanted {
            let every_ms = if wanted.is_some() { REPORT_EVERY_MS } else { 0 };
            let apis = wanted.as_deref().unwrap_or_default().to_vec();
            let message = Some(Answer::AskReports(AskReports { every_ms, apis }));
            self.send(SyncResponse { message }).await?;
            self.compares = wanted;
        }
        Ok(())
    }

    async fn send(&self, message: SyncResponse) -> Result<(), Status> {
        self.out.send(Ok(message)).await.map_err(|_| Status::cancelled("the gateway has gone"))
    }
}

/// Nobody puts in force what nobody vouches for.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unsigned(error: chassis::pki::Error) -> Status {
    tracing::error!(error = &error as &dyn std::error::Error, "cannot sign states");
    Status::internal("the state cannot be signed")
}

fn superseded() -> Status {
    Status::aborted("the node has connected again on another stream")
}
