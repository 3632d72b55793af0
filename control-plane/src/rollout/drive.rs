//! What moves a rollout on?
//!
//! Every control plane looks at the rollout that is under way, a few times a second, and writes down
//! what follows. Several may come to it at a time; the first to write has decided, and the others
//! find the record changed.

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use turnpike_proto::admin::v1::rollout::State as Stage;

use super::error::RolloutError;
use super::guard::Guard;
use super::judge::{Next, Sight, next};
use super::rollouts::{Rollouts, Written, ended};
use super::watched::Watched;
use crate::catalog::{Place, Rollout, State, Wave};
use crate::distribute::GatewayRow;
use crate::people::Caller;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(250);

/// Moves rollouts on.
#[derive(Debug)]
pub struct Driver {
    /// Clock and shutdown.
    pub host: Host,
    /// What is moved on.
    pub rollouts: Arc<Rollouts>,
}

impl Driver {
    /// Until the process drains.
    pub async fn run(self) {
        let mut states = self.rollouts.manager.catalog().subscribe();
        loop {
            let state = states.borrow_and_update().clone();
            let under_way =
                state.as_ref().and_then(|state| Some((state, state.rollout()?.clone())));
            let looks = async {
                if let Some((state, rollout)) = under_way {
                    self.look(state, &rollout).await;
                    self.host.clock.sleep(LOOK).await;
                    true
                } else {
                    *self.rollouts.watched() = None;
                    states.changed().await.is_ok()
                }
            };
            tokio::select! {
                goes_on = looks => if !goes_on { return },
                () = self.host.shutdown.wait() => return,
            }
        }
    }

    async fn look(&self, state: &Arc<State>, rollout: &Arc<Rollout>) {
        let (rollouts, state, seen) = (self.rollouts.clone(), state.clone(), rollout.clone());
        // Admission and slices may take long for a large state: not on a thread that answers calls.
        let judged = self.host.tasks.blocking(move || judged(&rollouts, &state, &seen)).await;
        let Ok(judged) = judged else {
            tracing::error!(rollout = rollout.name, "a rollout was not looked at");
            return;
        };
        let Some(made) = judged else { return };
        match self.write(rollout, made).await {
            // Somebody else was first, or the store is away: the next look sees what is so.
            Err(RolloutError::MovedOn(_) | RolloutError::Ended(_)) | Ok(()) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, rollout = rollout.name, "a rollout does not move on");
            }
        }
    }

    async fn write(&self, seen: &Arc<Rollout>, what: What) -> Result<(), RolloutError> {
        // In the name of whoever asked for it.
        let by = Caller::of_certificate(&seen.by);
        let (this, before) = (self.rollouts.clone(), seen.clone());
        let make = move |state: &State, rollout: &Rollout| {
            let same = rollout.step == before.step && rollout.stage == before.stage;
            if !same {
                return Err(RolloutError::MovedOn(rollout.name.clone()));
            }
            match &what {
                What::Advance(beside) => this.following(state, rollout, *beside),
                What::Pause(reason) => {
                    let paused = Rollout {
                        stage: Stage::Paused.into(),
                        reason: reason.clone(),
                        ..rollout.clone()
                    };
                    Ok(Written { rollout: paused, admitted: None })
                }
                What::Abort(reason) => Ok(ended(rollout, Stage::Aborted, reason)),
                What::Unfit => {
                    let mut written = ended(rollout, Stage::Aborted, "the change fits no more");
                    // What fits again by now goes on: nobody has seen it harm.
                    written.rollout.problems = match rollout.admitted(state) {
                        Ok(_) => return Err(RolloutError::MovedOn(rollout.name.clone())),
                        Err(problems) => problems,
                    };
                    Ok(written)
                }
            }
        };
        let rollout = self.rollouts.write(&by, &seen.name, &seen.why, make).await?;
        let (name, step, reason) = (&rollout.name, rollout.step, &rollout.reason);
        tracing::info!(rollout = name, state = ?rollout.stage(), step, reason, "rollout moved on");
        Ok(())
    }
}

/// What is to be written.
#[derive(Clone, Debug)]
enum What {
    Advance(Option<turnpike_proto::admin::v1::CallFigures>),
    Pause(String),
    Abort(String),
    /// Admission has something against the change by now.
    Unfit,
}

/// What follows from what is seen now; none: nothing.
fn judged(rollouts: &Rollouts, state: &State, rollout: &Rollout) -> Option<What> {
    if rollout.admitted(state).is_err() {
        return Some(What::Unfit);
    }
    let now = rollouts.clock.instant();
    let rows = rollouts.concerned();
    let mut watched = rollouts.watched();
    let watched = match &mut *watched {
        Some(watched) if watched.is_of(rollout) => watched,
        other => other.insert(Watched::begin(rollout, state, now)),
    };
    let sight = watched.look(rollout, &rows, now);
    if rollout.step == 0 && rollout.stage() == Stage::Paused {
        return None;
    }
    let first = rollout.plan.steps.first().copied().unwrap_or(100);
    let first = rollouts.reach(rollout, first, Wave::default());
    let in_first =
        |row: &GatewayRow| rollout.selects(&row.labels) && first.has(Place::of(&row.node));
    let begins_with_all = rows.iter().all(|row| !row.connected || in_first(row));
    let sight = Sight { begins_with_all, ..sight };
    match next(&Guard::of(&rollout.plan), &sight) {
        Next::Stay => None,
        Next::Advance => Some(What::Advance(sight.rest)),
        Next::Pause(reason) => Some(What::Pause(reason)),
        Next::Abort(reason) => Some(What::Abort(reason)),
    }
}
