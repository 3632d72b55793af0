//! How is a rollout begun, found, moved on and ended?
//!
//! Each of these writes the record anew on top of the state that was looked at, or starts again when
//! somebody else was first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Clock;
use plan::{Admitted, Kind, Objects, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::admin::v1::rollout::State as Stage;
use turnpike_proto::admin::v1::{self as wire, CallFigures, RolloutPlan};
use turnpike_proto::config::v1::resource::Resource as Any;

use super::error::RolloutError;
use super::plan::complete;
use super::view::shown;
use super::watched::Watched;
use super::wave::reaching;
use crate::catalog::{Place, ROLLOUTS, Rollout, State, Touched, Wave};
use crate::distribute::{GatewayRow, Gateways, Slices};
use crate::manage::workflow::held;
use crate::manage::{Beside, Changed, ManageError, Manager, Wanted, check_read, completed};
use crate::people::Caller;
use crate::store::{Change, Keyring};

/// How many that have ended are kept.
const KEPT: usize = 32;
/// How many objects that are refused already are remembered.
const REFUSED: usize = 1000;

/// All that is known of rollouts.
#[derive(Debug)]
pub struct Rollouts {
    pub(super) manager: Arc<Manager>,
    pub(super) gateways: Arc<Gateways>,
    pub(super) slices: Arc<Slices>,
    pub(super) keys: Arc<Keyring>,
    pub(super) clock: Clock,
    watched: Mutex<Option<Watched>>,
}

/// A rollout to begin.
#[derive(Clone, Debug)]
pub struct Begin {
    /// New and changed resources.
    pub upserts: Vec<Resource>,
    /// How.
    pub plan: RolloutPlan,
    /// Only check it.
    pub dry_run: bool,
    /// Why, for the history; empty: no words were given.
    pub reason: String,
}

/// What was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What becomes of each resource.
    pub changed: Changed,
    /// None: nothing would change, or it was only checked.
    pub rollout: Option<wire::Rollout>,
}

/// What is written of a rollout, and with what.
pub(super) struct Written {
    pub(super) rollout: Rollout,
    /// The change, when it comes into force with it.
    pub(super) admitted: Option<Admitted>,
}

impl Rollouts {
    /// Writes by `manager`.
    pub fn new(
        manager: Arc<Manager>,
        gateways: Arc<Gateways>,
        slices: Arc<Slices>,
        keys: Arc<Keyring>,
        clock: Clock,
    ) -> Self {
        Self { manager, gateways, slices, keys, clock, watched: Mutex::default() }
    }

    /// Checks the change like any other, and writes it down beside what is in force.
    pub async fn begin(self: &Arc<Self>, by: &Caller, begin: Begin) -> Result<Begun, RolloutError> {
        let plan = complete(begin.plan)?;
        let wanted = Wanted {
            upserts: begin.upserts.clone(),
            dry_run: true,
            reason: begin.reason.clone(),
            ..Wanted::default()
        };
        let changed = self.manager.change(by, wanted).await?;
        let moves = changed.changes.iter().any(|(_, change)| *change != plan::Change::Unchanged);
        if begin.dry_run || !moves {
            return Ok(Begun { changed, rollout: None });
        }
        // A letter first, so that it does not look like an option where somebody types it.
        let name = format!("r{}", chassis::random::token(6));
        let (this, upserts, why) = (self.clone(), begin.upserts, begin.reason.clone());
        let asks = by.clone();
        let key = name.clone();
        let make = move |state: &State| this.first(state, &key, &upserts, &plan, &asks, &why);
        let (state, _) = self.manager.write_beside(by, &begin.reason, make).await?;
        let rollout = Self::find(&state, &name)?;
        tracing::info!(%by, rollout = name, resources = rollout.touched.len(), "rollout begun");
        Ok(Begun { changed, rollout: Some(self.shown(&rollout)) })
    }

    /// Newest first.
    pub fn list(&self) -> Result<Vec<wire::Rollout>, RolloutError> {
        let state = self.state()?;
        let mut all: Vec<&Arc<Rollout>> = state.rollouts.values().collect();
        all.sort_by_key(|rollout| std::cmp::Reverse(rollout.started_at_us));
        Ok(all.into_iter().map(|rollout| self.shown(rollout)).collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Result<wire::Rollout, RolloutError> {
        let rollout = Self::find(&*self.state()?, name)?;
        Ok(self.shown(&rollout))
    }

    /// Takes the change back.
    pub async fn abort(
        self: &Arc<Self>,
        by: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<wire::Rollout, RolloutError> {
        let who = by.name().to_owned();
        let words = match reason {
            "" => format!("{who} has aborted it"),
            reason => format!("{who} has aborted it: {reason}"),
        };
        let make = move |_: &State, rollout: &Rollout| Ok(ended(rollout, Stage::Aborted, &words));
        let rollout = self.write(by, name, reason, make).await?;
        tracing::info!(%by, rollout = name, "rollout aborted");
        Ok(self.shown(&rollout))
    }

    /// Lets one that waits go on.
    pub async fn resume(
        self: &Arc<Self>,
        by: &Caller,
        name: &str,
    ) -> Result<wire::Rollout, RolloutError> {
        let this = self.clone();
        let figures = self.seen(name).and_then(|seen| seen.rest);
        let make = move |state: &State, rollout: &Rollout| {
            if rollout.stage() != Stage::Paused {
                return Err(RolloutError::NotPaused(rollout.name.clone()));
            }
            this.following(state, rollout, figures)
        };
        let rollout = self.write(by, name, "", make).await?;
        tracing::info!(%by, rollout = name, step = rollout.step, "rollout goes on");
        Ok(self.shown(&rollout))
    }

    /// Writes the record anew by what `make` makes of it.
    pub(super) async fn write(
        self: &Arc<Self>,
        by: &Caller,
        name: &str,
        reason: &str,
        make: impl Fn(&State, &Rollout) -> Result<Written, RolloutError> + Send + Sync + 'static,
    ) -> Result<Arc<Rollout>, RolloutError> {
        let (this, key) = (self.clone(), name.to_owned());
        let make = move |state: &State| {
            let rollout = Self::find(state, &key)?;
            if rollout.has_ended() {
                return Err(RolloutError::Ended(key.clone()));
            }
            this.beside(state, make(state, &rollout)?)
        };
        let (state, _) = self.manager.write_beside(by, reason, make).await?;
        Self::find(&state, name)
    }

    /// The next step of a rollout, or its end with the change in force.
    pub(super) fn following(
        &self,
        state: &State,
        rollout: &Rollout,
        beside: Option<CallFigures>,
    ) -> Result<Written, RolloutError> {
        let step = usize::try_from(rollout.step).unwrap_or(usize::MAX);
        let Some(percent) = rollout.plan.steps.get(step).copied() else {
            let admitted = rollout.admitted(state).map_err(ManageError::Refused)?;
            let written = ended(rollout, Stage::Completed, "");
            return Ok(Written { admitted: Some(admitted), ..written });
        };
        let wave = self.reach(rollout, percent, rollout.wave());
        if wave.up_to.is_none() {
            // Nobody is known yet for whom the change means something.
            return Err(RolloutError::MovedOn(rollout.name.clone()));
        }
        let next = Rollout {
            step: rollout.step.saturating_add(1),
            stage: Stage::Watching.into(),
            up_to: wave.up_to.map(|place| place.0),
            reason: String::new(),
            baseline: beside.filter(|beside| beside.calls > 0).or(rollout.baseline),
            ..rollout.clone()
        };
        Ok(Written { rollout: next, admitted: None })
    }

    /// The wave that has `percent` of the connected gateways for which the change means something, of those
    /// that waves are made of.
    pub(super) fn reach(&self, rollout: &Rollout, percent: u32, before: Wave) -> Wave {
        let places = self.concerned().into_iter();
        let places = places.filter(|row| row.connected && rollout.selects(&row.labels));
        reaching(percent, places.map(|row| Place::of(&row.node)).collect(), before)
    }

    /// The gateways for which the change means something.
    pub(super) fn concerned(&self) -> Vec<GatewayRow> {
        let mut known: BTreeMap<BTreeMap<String, String>, bool> = BTreeMap::new();
        let mut rows = self.gateways.rows();
        rows.retain(|row| {
            let of = |labels: &BTreeMap<String, String>| self.slices.differ(labels);
            *known.entry(row.labels.clone()).or_insert_with(|| of(&row.labels))
        });
        rows
    }

    pub(super) fn state(&self) -> Result<Arc<State>, RolloutError> {
        Ok(self.manager.catalog().current().ok_or(ManageError::NotLoaded)?)
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self, name: &str) -> Option<Watched> {
        let state = self.state().ok()?;
        let rollout = state.rollouts.get(name)?;
        self.watched().clone().filter(|seen| seen.is_of(rollout))
    }

    fn shown(&self, rollout: &Rollout) -> wire::Rollout {
        shown(rollout, self.seen(&rollout.name).as_ref())
    }

    fn find(state: &State, name: &str) -> Result<Arc<Rollout>, RolloutError> {
        let found = state.rollouts.get(name).cloned();
        found.ok_or_else(|| RolloutError::NotFound(name.to_owned()))
    }

    fn first(
        &self,
        state: &State,
        name: &str,
        upserts: &[Resource],
        plan: &RolloutPlan,
        by: &Caller,
        why: &str,
    ) -> Result<Beside, RolloutError> {
        if let Some(other) = state.rollout() {
            return Err(RolloutError::UnderWay(other.name.clone()));
        }
        check_read(state, upserts)?;
        let complete = |one: &Resource| completed(one.clone(), state);
        let upserts: Vec<Resource> = upserts.iter().map(complete).collect();
        let now = Timestamp { seconds: self.clock.unix_seconds(), nanos: 0 };
        if held(state, by, now, upserts.clone())? != upserts {
            return Err(RolloutError::NeedsApproval);
        }
        let admitted = plan::admit(&state.objects, &upserts, &[]).map_err(ManageError::Refused)?;
        let selector = selector(state, &plan.group)?;
        self.check_concerned(&admitted.objects, &selector)?;
        let changed: BTreeSet<&ResourceKey> =
            admitted.upserts.iter().map(|object| object.key()).collect();
        let touched = changed.iter().map(|key| Touched {
            key: key.to_string(),
            revision: state.stamps.get(*key).map_or(0, |stamp| stamp.revision),
        });
        let refused = self.gateways.rows().into_iter().flat_map(|row| row.rejected);
        let refused: BTreeSet<String> = refused.map(|one| one.key).take(REFUSED).collect();
        let now = self.clock.unix_us();
        let rollout = Rollout {
            name: name.to_owned(),
            stage: Stage::Measuring.into(),
            plan: plan.clone(),
            touched: touched.collect(),
            upserts: upserts
                .into_iter()
                .filter(|one| plan::key(one).is_some_and(|key| changed.contains(&key)))
                .collect(),
            by: by.name().to_owned(),
            started_at_us: now,
            refused_before: refused.into_iter().collect(),
            why: why.to_owned(),
            selector,
            ..Rollout::default()
        };
        self.beside(state, Written { rollout, admitted: None })
    }

    fn check_concerned(
        &self,
        next: &Objects,
        selector: &BTreeMap<String, String>,
    ) -> Result<(), RolloutError> {
        let selected = |row: &GatewayRow| {
            selector.iter().all(|(name, value)| row.labels.get(name) == Some(value))
        };
        let mut labels: Vec<_> =
            self.gateways.rows().into_iter().filter(|row| row.connected && selected(row)).collect();
        labels.dedup_by(|one, other| one.labels == other.labels);
        if labels.iter().any(|row| self.slices.would_differ(&row.labels, next)) {
            Ok(())
        } else {
            Err(RolloutError::NobodyConcerned)
        }
    }

    /// The record with what belongs into the same transaction.
    fn beside(&self, state: &State, written: Written) -> Result<Beside, RolloutError> {
        let Written { mut rollout, admitted } = written;
        rollout.since_us = self.clock.unix_us();
        let (key, value) = rollout.encode(&self.keys).map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a rollout cannot be sealed");
            ManageError::Broken
        })?;
        let mut changes = vec![Change::Put { key, value }];
        if rollout.has_ended() {
            let mut ended: Vec<(i64, &String)> = state
                .rollouts
                .iter()
                .filter(|(name, other)| other.has_ended() && **name != rollout.name)
                .map(|(name, other)| (other.started_at_us, name))
                .collect();
            ended.sort_unstable();
            let many = ended.len().saturating_sub(KEPT.saturating_sub(1));
            let forgotten = ended.into_iter().take(many);
            changes.extend(
                forgotten.map(|(_, name)| Change::Delete { key: format!("{ROLLOUTS}{name}") }),
            );
        }
        Ok(Beside { admitted, changes })
    }
}

/// What gateways of the group of this name carry; no name: all gateways.
fn selector(state: &State, group: &str) -> Result<BTreeMap<String, String>, RolloutError> {
    if group.is_empty() {
        return Ok(BTreeMap::new());
    }
    let key = ResourceKey::of_id(Kind::GatewayGroup, group);
    let stored = state.objects.get(&key);
    match stored
        .as_ref()
        .and_then(|object| object.resource())
        .and_then(|it| it.into_owned().resource)
    {
        Some(Any::GatewayGroup(found)) => {
            Ok(found.spec.unwrap_or_default().selector.into_iter().collect())
        }
        _ if plan::is_built_in(&key) => Ok(BTreeMap::new()),
        _ => Err(RolloutError::Plan("`group` names no GatewayGroup")),
    }
}

/// The record of one that has ended: without the change itself.
pub(super) fn ended(rollout: &Rollout, stage: Stage, reason: &str) -> Written {
    let rollout = Rollout {
        stage: stage.into(),
        up_to: None,
        upserts: Vec::new(),
        refused_before: Vec::new(),
        reason: reason.to_owned(),
        ..rollout.clone()
    };
    Written { rollout, admitted: None }
}
