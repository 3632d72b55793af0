//! How does a change become part of what is in force?
//!
//! Admit against the state in force, commit against the same state, and start again when somebody
//! else was first. The transaction names the state's revision, so two changes that are good alone
//! and wrong together cannot both be stored, on whichever control planes they arrive. Writers of
//! this process take turns, so that they do not make each other start again.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Clock, Tasks};
use plan::{Admitted, Object, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use tokio::sync::{Mutex, Semaphore};

use super::error::ManageError;
use super::lifecycle::check_written;
use super::past;
use super::prepare::completed;
use super::prune::Prune;
use super::read::{current, get};
use super::view::revision;
use super::workflow::{held, leaving};
use crate::catalog::{Catalog, State};
use crate::history::{Attempt, Journal, Refusal, Touched, at_revision, touched};
use crate::people::{self, Caller};
use crate::store::{
    Change, Guard, Keyring, Limits, Note, Record, Revision, Store, StoreError, Transaction,
    object_key,
};

/// Writers that wait for their turn; one more is told to come back.
const WAITING: usize = 256;
/// How often a change starts again because another control plane was first.
pub(super) const ATTEMPTS: usize = 32;
/// How long the watch may take to bring what was committed.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Bytes of a reason.
const LONGEST_REASON: usize = 1024;
/// So many resources of a refused attempt are named.
const NAMED: usize = 20;

/// Changes resources.
#[derive(Debug)]
pub struct Manager {
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    pub(super) catalog: Arc<Catalog>,
    keys: Arc<Keyring>,
    pub(super) clock: Clock,
    tasks: Tasks,
    pub(super) turn: Mutex<()>,
    pub(super) waiting: Semaphore,
}

/// What should be in force.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Wanted {
    /// New and changed resources; a revision in their metadata must be the stored one.
    pub upserts: Vec<Resource>,
    /// What should go.
    pub removals: Vec<Removal>,
    /// Only check it.
    pub dry_run: bool,
    /// Refuse what exists already.
    pub create_only: bool,
    /// What goes because it is not among `upserts`.
    pub prune: Option<Prune>,
    /// Only while this is the revision in force.
    pub at: Option<Revision>,
    /// Make the part of the upserts that may be made, where not all of them may.
    pub partial: bool,
    /// Why, for the history; empty: no words were given.
    pub reason: String,
    /// What is wanted was in force before: an API may come back from where no step leads back.
    pub restores: bool,
    /// Where a Workflow asks somebody first, it is stored as waiting.
    pub asks: bool,
    /// Requests for decisions, which are written in the control plane's own right and with the rest.
    pub requests: Vec<Resource>,
    /// Keys of applications in it were registered by us for this change.
    pub makes_keys: bool,
}

/// A resource that should go.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Which.
    pub key: ResourceKey,
    /// Its revision; 0: any.
    pub revision: Revision,
}

/// What is written beside resources, or with them.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Resources that come into force with it.
    pub admitted: Option<Admitted>,
    /// Keys outside of the resources.
    pub changes: Vec<Change>,
}

/// What has changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The state in which it is in force; of a dry run, against which it was checked.
    pub state: Arc<State>,
    /// The revision of the change, or of the state when nothing changed.
    pub revision: Revision,
    /// What became of each upsert, in their order.
    pub changes: Vec<(ResourceKey, plan::Change)>,
    /// The state that was changed.
    pub before: Arc<State>,
    /// The resources that were changed, as they are now; of a dry run, as they would be.
    pub written: Vec<Arc<Object>>,
    /// The resources that went.
    pub removed: Vec<ResourceKey>,
    /// Of a partial change: what is wrong with the upserts that were not made.
    pub problems: Vec<Problem>,
}

/// What may be made, and what is wrong with the rest of a partial change.
type Allowed = (Admitted, Vec<Problem>);

impl Changed {
    fn of(before: &Arc<State>, state: Arc<State>, revision: Revision, allowed: Allowed) -> Self {
        let (admitted, problems) = allowed;
        let Admitted { upserts: written, deletes: removed, changes, .. } = admitted;
        Self { state, revision, changes, before: before.clone(), written, removed, problems }
    }
}

impl Wanted {
    /// What it is about.
    fn keys(&self) -> impl Iterator<Item = ResourceKey> {
        let upserts = self.upserts.iter().filter_map(plan::key);
        upserts.chain(self.removals.iter().map(|removal| removal.key.clone()))
    }
}

impl Manager {
    /// Changes are committed to `store` and seen in `catalog`.
    pub fn new(
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
        catalog: Arc<Catalog>,
        keys: Arc<Keyring>,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        let (turn, waiting) = (Mutex::default(), Semaphore::new(WAITING));
        Self { store, journal, catalog, keys, clock, tasks, turn, waiting }
    }

    /// What is kept about the past.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What is in force.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Makes the whole change as `by` wants it, or nothing of it. What is refused is written down.
    pub async fn change(&self, by: &Caller, wanted: Wanted) -> Result<Changed, ManageError> {
        let wanted = Arc::new(wanted);
        let done = match self.attempt(by, &wanted).await {
            Err(error) => Err(self.told(by, error).await),
            done => done,
        };
        match &done {
            Err(error) if !wanted.dry_run && error.is_refusal() => {
                let what = wanted.keys().take(NAMED).map(|key| key.to_string()).collect();
                self.note_refusal(by, what, error, &wanted.reason);
            }
            Ok(changed) if !wanted.dry_run && !changed.problems.is_empty() => {
                let mut what: Vec<String> =
                    changed.problems.iter().map(|problem| problem.resource.clone()).collect();
                what.dedup();
                what.truncate(NAMED);
                let error = ManageError::Refused(changed.problems.clone());
                self.note_refusal(by, what, &error, &wanted.reason);
            }
            _ => {}
        }
        done
    }

    /// One resource that `by` means to change, as far as they may see it. That they may not is written down.
    pub(super) fn get_to_change(
        &self,
        by: &Caller,
        key: &ResourceKey,
    ) -> Result<Resource, ManageError> {
        let found = get(by, &self.catalog, key)?;
        if by.may_change(&found) {
            return Ok(found);
        }
        Err(self.forbidden(by, key.as_str(), format!("you may not change {key}")))
    }

    /// Why `by` may not do this to `what`; it is written down.
    pub fn forbidden(&self, by: &Caller, what: &str, why: impl Into<String>) -> ManageError {
        let error = ManageError::Forbidden(why.into());
        self.note_refusal(by, vec![what.to_owned()], &error, "");
        error
    }

    fn note_refusal(&self, by: &Caller, what: Vec<String>, why: &ManageError, reason: &str) {
        self.journal.refused(Refusal {
            attempt: Attempt::Change,
            by: by.name().to_owned(),
            tenant: by.tenant().to_owned(),
            address: None,
            what,
            why: why.to_string(),
            reason: reason.to_owned(),
        });
    }

    /// A writer who was late hears who was before them, as far as they may know of it.
    async fn told(&self, by: &Caller, mut error: ManageError) -> ManageError {
        if let ManageError::Stale { found, changed, .. } = &mut error
            && *found != 0
            && let Ok(Some(past)) = at_revision(&self.store, *found).await
        {
            *changed = Some(past::note_to_writer(by, past));
        }
        error
    }

    async fn attempt(&self, by: &Caller, wanted: &Arc<Wanted>) -> Result<Changed, ManageError> {
        check_reason(&wanted.reason)?;
        let _place = self.waiting.try_acquire().map_err(|_| ManageError::Busy)?;
        let _turn = self.turn.lock().await;
        let mut last = ManageError::Busy;
        for _ in 0..ATTEMPTS {
            let state = current(&self.catalog)?;
            if let Some(expected) = wanted.at.filter(|at| *at != state.revision) {
                return Err(ManageError::Moved { expected, found: state.revision });
            }
            let (admitted, problems) = self.admitted(by, &state, wanted).await?;
            let (upserts, deletes) = (&admitted.upserts, &admitted.deletes);
            if wanted.dry_run || (upserts.is_empty() && deletes.is_empty()) {
                let revision = state.revision;
                return Ok(Changed::of(&state, state.clone(), revision, (admitted, problems)));
            }
            let transaction = self.transaction(by, &wanted.reason, &state, &admitted)?;
            match self.commit(by, &state, transaction, &touched(&state, &admitted)).await? {
                Ok(revision) => {
                    let after = self.in_force(&state, revision).await;
                    return Ok(Changed::of(&state, after, revision, (admitted, problems)));
                }
                Err(overtaken) => last = overtaken,
            }
        }
        Err(last)
    }

    /// Writes what `make` makes of the state in force, as `by` wants it, and starts again when
    /// somebody else was first.
    pub async fn write_beside<E>(
        &self,
        by: &Caller,
        reason: &str,
        make: impl Fn(&State) -> Result<Beside, E> + Send + Sync + 'static,
    ) -> Result<(Arc<State>, Revision), E>
    where
        E: From<ManageError> + Send + 'static,
    {
        let _place = self.waiting.try_acquire().map_err(|_| ManageError::Busy)?;
        let _turn = self.turn.lock().await;
        let make = Arc::new(make);
        let mut last = ManageError::Busy;
        for _ in 0..ATTEMPTS {
            let state = current(&self.catalog)?;
            let (make, seen) = (make.clone(), state.clone());
            let made = self.tasks.blocking(move || make(&seen)).await;
            let Beside { admitted, changes } = made.map_err(|_| ManageError::Broken)??;
            let admitted = admitted.unwrap_or_else(|| nothing(&state));
            let mut transaction = self.transaction(by, reason, &state, &admitted)?;
            transaction.changes.extend(changes);
            match self.commit(by, &state, transaction, &touched(&state, &admitted)).await? {
                Ok(revision) => return Ok((self.in_force(&state, revision).await, revision)),
                Err(overtaken) => last = overtaken,
            }
        }
        Err(last.into())
    }

    /// Makes `transaction` of `by`, which touches `touched`, with its record and its line of the audit log. The
    /// inner error: somebody else was first, and what they did is in force now.
    pub(super) async fn commit(
        &self,
        by: &Caller,
        state: &State,
        mut transaction: Transaction,
        touched: &[Touched],
    ) -> Result<Result<Revision, ManageError>, ManageError> {
        let entered = self.journal.enter(&mut transaction, touched, by.tenant()).await?;
        match self.store.commit(&transaction).await {
            Ok(revision) => {
                tracing::debug!(revision, "committed");
                self.journal.made(entered).await;
                Ok(Ok(revision))
            }
            Err(error) => self.overtaken(state, error).await.map(Err),
        }
    }

    /// Waits to see what somebody else did who was first; any other error comes back as it is.
    async fn overtaken(
        &self,
        state: &State,
        error: StoreError,
    ) -> Result<ManageError, ManageError> {
        let conflict = matches!(error, StoreError::Conflict { .. });
        let log_alone = self.journal.missed(&error).await;
        let error = ManageError::Store(error);
        let moved = self.catalog.moved_from(state);
        if conflict && (log_alone || self.clock.timeout(CATCH_UP, moved).await.is_ok()) {
            Ok(error)
        } else {
            Err(error)
        }
    }

    /// Asks whether its writer may, checks what only this state can say, then runs the admission; all on a
    /// thread for work.
    async fn admitted(
        &self,
        by: &Caller,
        state: &Arc<State>,
        wanted: &Arc<Wanted>,
    ) -> Result<(Admitted, Vec<Problem>), ManageError> {
        let (by, state, wanted) = (by.clone(), state.clone(), wanted.clone());
        let now = Timestamp { seconds: self.clock.unix_seconds(), nanos: 0 };
        let admitting = self.tasks.blocking(move || {
            let mut removals = wanted.removals.clone();
            if let Some(prune) = &wanted.prune {
                let given = wanted.upserts.iter().filter_map(plan::key).collect();
                let found = prune.removals(&state, &given)?.into_iter();
                // What is somebody else's stays, and nothing is said of it.
                removals
                    .extend(found.filter(|one| people::may_remove(&by, &state.objects, &one.key)));
            }
            let mut deletes: Vec<ResourceKey> =
                removals.into_iter().map(|removal| removal.key).collect();
            let (upserts, makes_keys) = (wanted.upserts.clone(), wanted.makes_keys);
            // Before anything else: a revision, too, says something of what one may not see.
            let (mut denied, mut early) = (Vec::new(), Vec::new());
            let good = wanted.partial && deletes.is_empty();
            let upserts = if good {
                let (upserts, problems) = people::permit_good(&by, &state.objects, upserts);
                denied = problems;
                upserts
            } else {
                people::permit(&by, &state.objects, upserts, &deletes, makes_keys)?
            };
            check_revisions(&state, &wanted, &upserts)?;
            let mut asked = Vec::new();
            if wanted.asks {
                (deletes, asked) = leaving(&state, &by, now, deletes)?;
            }
            let mut upserts: Vec<Resource> =
                upserts.into_iter().map(|one| completed(one, &state)).collect();
            if wanted.asks {
                upserts = held(&state, &by, now, upserts)?;
            }
            upserts.extend(wanted.requests.iter().cloned().chain(asked));
            let unreachable = check_written(&state, &upserts);
            if !unreachable.is_empty() && !wanted.restores {
                if !wanted.partial {
                    return Err(ManageError::Refused(unreachable));
                }
                let is_named = |one: &Resource| {
                    let key = plan::key(one).map(|key| key.to_string());
                    unreachable.iter().any(|problem| Some(&problem.resource) == key.as_ref())
                };
                upserts.retain(|one| !is_named(one));
                early.extend(unreachable);
            }
            let own = upserts.iter().filter_map(plan::key).chain(deletes.iter().cloned()).collect();
            if good {
                let (admitted, problems) = plan::admit_good(&state.objects, &upserts);
                early.extend(problems);
                // What was denied is told in words that give nothing away.
                denied.extend(people::told(&by, &state.objects, &own, early));
                return Ok((admitted, denied));
            }
            let admitted = plan::admit(&state.objects, &upserts, &deletes);
            admitted.map(|admitted| (admitted, Vec::new())).map_err(|problems| {
                let problems = people::told(&by, &state.objects, &own, problems);
                let only_removes = upserts.is_empty();
                if only_removes {
                    ManageError::InUse(problems)
                } else {
                    ManageError::Refused(problems)
                }
            })
        });
        admitting.await.unwrap_or(Err(ManageError::Broken))
    }

    pub(super) fn transaction(
        &self,
        by: &Caller,
        reason: &str,
        state: &State,
        admitted: &Admitted,
    ) -> Result<Transaction, ManageError> {
        let now = self.clock.unix_us();
        let mut changes = Vec::with_capacity(admitted.upserts.len() + admitted.deletes.len());
        for object in &admitted.upserts {
            changes.push(self.put(state, object, now)?);
        }
        let delete = |key: &ResourceKey| Change::Delete { key: object_key(key.as_str()) };
        changes.extend(admitted.deletes.iter().map(delete));
        check_sizes(&changes, Journal::room(self.store.limits()))?;
        let touched = admitted.upserts.iter().map(|object| object.key()).chain(&admitted.deletes);
        let guards = touched
            .take(self.store.limits().guards)
            .map(|key| Guard { key: object_key(key.as_str()), revision: revision(state, key) });
        let traceparent = chassis::telemetry::traceparent().unwrap_or_default();
        Ok(Transaction {
            id: chassis::random::bytes(),
            base: state.revision,
            guards: guards.collect(),
            expected: Vec::new(),
            changes,
            note: Note {
                committed_at_us: now,
                traceparent,
                by: by.name().to_owned(),
                reason: reason.to_owned(),
            },
        })
    }

    fn put(&self, state: &State, object: &Object, now: i64) -> Result<Change, ManageError> {
        let name = object.key().as_str();
        let record = Record {
            resource: object.bytes().clone(),
            created_at_us: state.stamps.get(object.key()).map_or(now, |stamp| stamp.created_at_us),
            updated_at_us: now,
        };
        let value = record.encode(name, &self.keys).map_err(ManageError::Record)?;
        Ok(Change::Put { key: object_key(name), value })
    }

    /// Who wrote it reads it: waits until the watch has brought the commit.
    pub(super) async fn in_force(&self, before: &Arc<State>, revision: Revision) -> Arc<State> {
        let reached = self.catalog.reached(&before.epoch, revision);
        match self.clock.timeout(CATCH_UP, reached).await {
            Ok(Some(state)) => state,
            // It is durable; that the watch is late is no reason to call it failed.
            _ => self.catalog.current().unwrap_or_else(|| before.clone()),
        }
    }
}

/// A reason is kept with the change and shown to people.
fn check_reason(reason: &str) -> Result<(), ManageError> {
    if reason.len() <= LONGEST_REASON {
        return Ok(());
    }
    Err(ManageError::Refused(vec![Problem {
        field: "reason".to_owned(),
        reason: format!("it has {} bytes, and at most {LONGEST_REASON} are kept", reason.len()),
        suggestion: "say it with fewer words".to_owned(),
        ..Problem::default()
    }]))
}

/// No resource changes.
pub(super) fn nothing(state: &State) -> Admitted {
    let objects = state.objects.clone();
    Admitted { objects, upserts: Vec::new(), deletes: Vec::new(), changes: Vec::new() }
}

/// Refuses what was written on top of another revision than the stored one.
pub fn check_read<'r>(
    state: &State,
    written: impl IntoIterator<Item = &'r Resource>,
) -> Result<(), ManageError> {
    let demanded = written.into_iter().filter_map(|resource| {
        let expected = plan::metadata(resource)?.revision;
        Some((plan::key(resource)?, expected))
    });
    check_found(state, demanded)
}

fn check_found(
    state: &State,
    mut demanded: impl Iterator<Item = (ResourceKey, Revision)>,
) -> Result<(), ManageError> {
    demanded.try_for_each(|(key, expected)| {
        let found = revision(state, &key);
        if expected == 0 || expected == found {
            Ok(())
        } else {
            Err(ManageError::Stale { key, expected, found, changed: None })
        }
    })
}

/// `upserts`: those of the wanted ones that are going to be made.
fn check_revisions(
    state: &State,
    wanted: &Wanted,
    upserts: &[Resource],
) -> Result<(), ManageError> {
    for key in upserts.iter().filter(|_| wanted.create_only).filter_map(plan::key) {
        let found = revision(state, &key);
        if found != 0 {
            return Err(ManageError::Stale { key, expected: 0, found, changed: None });
        }
    }
    for removal in &wanted.removals {
        if state.objects.get(&removal.key).is_none() {
            return Err(ManageError::NotFound(removal.key.clone()));
        }
    }
    check_read(state, upserts.iter().chain(&wanted.requests))?;
    let removed = wanted.removals.iter().map(|removal| (removal.key.clone(), removal.revision));
    check_found(state, removed)
}

/// What the store cannot take is a problem of the request, told like any other.
fn check_sizes(changes: &[Change], limits: Limits) -> Result<(), ManageError> {
    let mut problems: Vec<Problem> = Vec::new();
    for change in changes.iter().filter(|change| change.size() > limits.bytes) {
        let resource = crate::store::resource_key(change.key()).unwrap_or_default().to_owned();
        let (size, limit) = (change.size(), limits.bytes);
        problems.push(Problem {
            resource,
            reason: format!("it takes {size} bytes in the store, which takes {limit}"),
            suggestion: "make the definition smaller".to_owned(),
            ..Problem::default()
        });
    }
    let size: usize = changes.iter().map(Change::size).sum();
    if problems.is_empty() && (changes.len() > limits.changes || size > limits.bytes) {
        let (count, most, limit) = (changes.len(), limits.changes, limits.bytes);
        problems.push(Problem {
            reason: format!(
                "{count} changes of {size} bytes do not fit into one transaction of the store, \
                 which takes {most} changes and {limit} bytes"
            ),
            suggestion: "apply fewer resources at once".to_owned(),
            ..Problem::default()
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(ManageError::Refused(problems)) }
}
