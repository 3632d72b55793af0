//! How does the gateway follow its control plane?
//!
//! It says what it holds; what it lacks comes as transactions. A transaction is compiled aside, on
//! a thread for it, put in force with one swap, and answered with the hash of what is then held and
//! with every object that cannot be served. A transaction that leads to another hash than promised
//! does not count; the answer names the hash that is held, and everything is sent. One that no
//! control plane of ours vouches for does not count either; the answer says why. A lost control
//! plane changes nothing for callers: the gateway serves on and tries again, jittered, after 10 ms
//! to 15 s, each time at the next of its addresses.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::readiness::Condition;
use chassis::{Host, Outage};
use tokio::sync::watch;
use tracing::Instrument as _;

use super::figures::Figures;
use super::publish::Publisher;
use super::state::{Refused, State};
use super::vouched::Unvouched;
use crate::cells::Collector;
use crate::rpc::RpcError;
use crate::rpc::control_plane::{Change, ControlPlane, Offer, Position, Reporter, Session};

/// The condition of readiness that the control plane has told what changed or is known to be away.
pub const CONTROL_PLANE: &str = "control plane";

/// Between two reports of how calls are, whatever the control plane asks for.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// Why a call to the control plane ended.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("everything was sent and cannot be applied")]
    Change(#[source] Refused),
    #[error("a change was not applied, because the process ends")]
    Ending(#[source] tokio::task::JoinError),
}

/// Follows the control plane for as long as it is run.
#[derive(Debug)]
pub struct Follower {
    pub control_plane: ControlPlane,
    pub publisher: Arc<Publisher>,
    pub figures: Figures,
    pub ready: Condition,
    /// The state in force, for the disk and for the operations port.
    pub states: watch::Sender<Arc<State>>,
    /// How calls are.
    pub calls: Collector,
    pub host: Host,
}

impl Follower {
    /// Runs until the process is asked to stop.
    pub async fn run(self) {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            () = shutdown.wait() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new();
        let mut outage = Outage::of("control plane", "the configuration in force stays");
        let heard = self.host.ready.condition(CONTROL_PLANE);
        loop {
            let state = self.state();
            let opened = self.control_plane.sync(state.position(), state.plan.rejected()).await;
            let ended = match opened {
                Ok(session) => {
                    let (reporter, asked) =
                        (session.reporter(), watch::Sender::new(Duration::ZERO));
                    let wanted = asked.subscribe();
                    let held = self.session(session, asked, &mut backoff, &mut outage, &heard);
                    tokio::select! {
                        ended = held => ended,
                        ended = self.report(reporter, wanted) => ended,
                    }
                }
                Err(error) => SyncError::Rpc(error),
            };
            // Whoever comes next says anew what is to be compared.
            self.calls.compare(&[]);
            self.figures.stale();
            self.ready.remark(Some("stale, no control plane confirms it now".to_owned()));
            outage.failed(&ended);
            heard.green();
            self.control_plane.ask_another();
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    /// Takes what is offered, until the call ends; says how it ended.
    async fn session(
        &self,
        mut session: Session,
        asked: watch::Sender<Duration>,
        backoff: &mut Backoff,
        outage: &mut Outage,
        heard: &Condition,
    ) -> SyncError {
        loop {
            let offer = match session.next().await {
                Ok(Offer::Current(position)) => self.current(position, &session).await,
                Ok(Offer::Change(change)) => self.change(change, &session).await,
                Ok(Offer::AskReports(every, apis)) => {
                    self.calls.compare(if every.is_zero() { &[] } else { &apis });
                    asked.send_replace(every);
                    continue;
                }
                Ok(Offer::AskDigests) => self.digests(&session).await,
                Err(error) => Err(error.into()),
            };
            let agreed = match offer {
                Ok(agreed) => agreed,
                Err(error) => return error,
            };
            // Two that only ever disagree wait longer and longer, instead of sending everything in
            // a circle.
            if agreed {
                backoff.reset();
                outage.over();
                heard.green();
            }
        }
    }

    /// Tells how calls are for as long as it is asked for; says why it could not.
    async fn report(&self, reporter: Reporter, mut asked: watch::Receiver<Duration>) -> SyncError {
        loop {
            let every = *asked.borrow_and_update();
            if every.is_zero() {
                if asked.changed().await.is_err() {
                    return std::future::pending().await;
                }
                continue;
            }
            if let Err(error) = reporter.report(self.calls.vitals()).await {
                return error.into();
            }
            tokio::select! {
                () = self.host.clock.sleep(every.max(LEAST_PAUSE)) => {}
                _ = asked.changed() => {}
            }
        }
    }

    /// What is held is in force, unless the hash says otherwise.
    async fn current(&self, position: Position, session: &Session) -> Result<bool, SyncError> {
        let state = self.state();
        self.figures.offered(position.revision);
        if state.hash().as_slice() != position.hash {
            self.figures.diverged();
            let held = Position { hash: state.hash().to_vec(), ..position };
            session.applied(held, state.plan.rejected()).await?;
            return Ok(false);
        }
        let vouched = position.vouched(self.control_plane.node(), &self.host.tls);
        let vouched = match vouched {
            Ok(vouched) => Arc::new(vouched),
            Err(unvouched) => {
                let held = Position { hash: state.hash().to_vec(), ..position };
                return self.refuse(held, &unvouched, session).await;
            }
        };
        let named = (state.epoch.as_str(), state.revision);
        let is_by_another = state.vouched.as_ref().is_none_or(|held| vouched.is_by_another(held));
        if named != (position.epoch.as_str(), position.revision) || is_by_another {
            let (Position { epoch, revision, .. }, plan) = (position, state.plan.clone());
            let vouched = Some(vouched);
            self.states.send_replace(Arc::new(State { epoch, revision, plan, vouched }));
        }
        self.confirm();
        Ok(true)
    }

    /// Says that nobody vouches for what was sent. The other end then ends the call: this one would
    /// take its answer back by doing so.
    async fn refuse(
        &self,
        held: Position,
        why: &Unvouched,
        session: &Session,
    ) -> Result<bool, SyncError> {
        self.figures.refused();
        tracing::error!(
            revision = held.revision,
            error = why as &dyn Error,
            "what the control plane sent is refused, the configuration in force stays"
        );
        let rejected = self.state().plan.rejected();
        session.refused(held, rejected, chassis::causes(why)).await?;
        Ok(false)
    }

    /// Says what is held bucket by bucket: what differs follows.
    async fn digests(&self, session: &Session) -> Result<bool, SyncError> {
        let state = self.state();
        let digests = self.host.tasks.blocking(move || plan::Digests::of(state.plan.objects()));
        session.digests(&digests.await.map_err(SyncError::Ending)?).await?;
        Ok(false)
    }

    async fn change(&self, change: Change, session: &Session) -> Result<bool, SyncError> {
        let begun = self.host.clock.instant();
        let (full, committed_us) = (change.full, change.committed_us);
        let position = change.position.clone();
        self.figures.offered(change.position.revision);
        match self.apply(change).await? {
            Ok(state) => {
                let took = self.host.clock.instant().duration_since(begun);
                self.figures.applied(took, self.since(committed_us), full);
                let answer = session.applied(state.position(), state.plan.rejected());
                self.states.send_replace(state);
                self.confirm();
                answer.await?;
                Ok(true)
            }
            Err(error) => {
                let state = self.state();
                let held = Position { hash: state.hash().to_vec(), ..position };
                if let Refused::Unvouched { source, .. } = &error {
                    return self.refuse(held, source, session).await;
                }
                self.figures.diverged();
                session.applied(held, state.plan.rejected()).await?;
                // Everything is on its way now; when it was everything, nothing better will come.
                if full {
                    return Err(SyncError::Change(error));
                }
                tracing::warn!(error = &error as &dyn Error, "change not applied");
                Ok(false)
            }
        }
    }

    /// Compiles and swaps on a thread that may take its time.
    async fn apply(&self, change: Change) -> Result<Result<Arc<State>, Refused>, SyncError> {
        let span = tracing::info_span!(
            "apply transaction",
            revision = change.position.revision,
            full = change.full,
            upserts = change.upserts.len(),
            deletes = change.deletes.len(),
        );
        chassis::telemetry::Parent::from_traceparent(&change.traceparent).adopt(&span);
        let (state, publisher) = (self.state(), Arc::clone(&self.publisher));
        let (node, identity) = (self.control_plane.node().clone(), self.host.tls.clone());
        let inner = span.clone();
        let work = self.host.tasks.blocking(move || {
            let _inside = inner.entered();
            let next = Arc::new(state.after(change, &node, &identity)?);
            publisher.put_plan(next.plan.clone());
            tracing::info!(
                revision = next.revision,
                rejected = next.plan.rejected().len(),
                "in force"
            );
            Ok(next)
        });
        work.instrument(span).await.map_err(SyncError::Ending)
    }

    fn confirm(&self) {
        let state = self.state();
        self.figures.in_force(&state);
        self.figures.confirmed(self.host.clock.unix_seconds());
        self.ready.remark(None);
        self.ready.green();
    }

    fn since(&self, committed_us: Option<i64>) -> Option<Duration> {
        // Clocks differ: a commit from the future took no time.
        let passed = self.host.clock.unix_us().saturating_sub(committed_us?).max(0);
        Some(Duration::from_micros(passed.unsigned_abs()))
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.states.borrow())
    }
}
