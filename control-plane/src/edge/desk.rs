//! What does a request ask of the use cases, in whichever language it came?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::admin::v1::{
    ApplyResponse, Change, DeleteResponse, FieldDiff, GatewayState, GenerateApiKeyRequest,
    GenerateApiKeyResponse, GenerateKeyRequest, GenerateKeyResponse, GenerateTestKeyRequest,
    GenerateTestKeyResponse, LimitResetRequest, LimitResetResponse, LimitUsageRequest,
    LimitUsageResponse, ListGatewaysResponse, RevokeApiKeyRequest, RevokeApiKeyResponse,
    WaitResponse, change,
};
use turnpike_proto::config::v1::LimitQuery;

use crate::catalog::State;
use crate::distribute::{Fleet, GatewayRow, Gateways, Slices, Whom, wait};
use crate::limits::{Sharing, Told, usage};
use crate::manage::{
    self, Changed, Clients, Differing, ManageError, Manager, NewApiKey, NewKey, NewTestKey, Page,
    PageRequest, Prune, Removal, Restrictions, Wanted,
};
use crate::people::{Caller, People};
use crate::rollout::{Begin, Begun, RolloutError, Rollouts};
use crate::store::Revision;

/// How long a caller may wait for gateways.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
const WAIT: Duration = Duration::from_secs(30);
/// How long gateways may take to say how full limits are.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(2);
/// The longest reason that the history keeps, in bytes.
const REASON_BYTES: usize = 1024;
/// The last second that a timestamp may say, of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// All that edges need.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Changes resources.
    pub manager: Arc<Manager>,
    /// Knows how far gateways are.
    pub gateways: Arc<Gateways>,
    /// Knows what each of them needs.
    pub slices: Arc<Slices>,
    /// Puts changes in force in waves.
    pub rollouts: Arc<Rollouts>,
    /// Knows who counts.
    pub sharing: Arc<Sharing>,
    /// Registers clients.
    pub clients: Arc<dyn Clients>,
    /// Knows who asks.
    pub people: Arc<People>,
    /// The time.
    pub clock: Clock,
}

/// How to write one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PutOptions {
    /// Refuse when there is one.
    pub(super) create_only: bool,
}

/// How to apply several.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplyOptions {
    pub(super) dry_run: bool,
    /// What goes because it is not given.
    pub(super) prune: Option<Prune>,
    /// Why; empty: no words were given.
    pub(super) reason: String,
    /// Whether to say which fields change.
    pub(super) fields: bool,
    /// Store what may be stored, where not all may.
    pub(super) partial: bool,
    /// None: nobody is waited for.
    pub(super) wait: Option<WaitOptions>,
}

/// Whom to wait for, and how long at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitOptions {
    pub(super) whom: Whom,
    pub(super) limit: Duration,
}

/// How long to wait; `asked` is none where the caller did not say.
pub(super) fn wait_limit(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(WAIT).min(LONGEST_WAIT)
}

/// The key of a resource that a request names; the version belongs to kinds that have one.
pub(super) fn key(kind: Kind, name: &str, version: &str) -> ResourceKey {
    let version = (kind.has_versions() || !version.is_empty()).then_some(version);
    ResourceKey::new(kind, name, version)
}

impl Desk {
    pub(super) fn get(&self, by: &Caller, key: &ResourceKey) -> Result<Resource, ManageError> {
        let mut resource = manage::get(by, self.manager.catalog(), key)?;
        self.add_status(by, std::slice::from_mut(&mut resource));
        Ok(resource)
    }

    pub(super) fn list(
        &self,
        by: &Caller,
        kind: Kind,
        wanted: &PageRequest,
    ) -> Result<Page, ManageError> {
        let mut page = manage::list(by, self.manager.catalog(), kind, wanted)?;
        self.add_status(by, &mut page.items);
        Ok(page)
    }

    /// How gateways are doing with each, as of now.
    fn add_status(&self, by: &Caller, resources: &mut [Resource]) {
        if !by.is_of_operator() {
            // Which gateways there are is nothing that a tenant gets to know.
            return;
        }
        let Some(state) = self.manager.catalog().current() else { return };
        let fleet = Fleet::new(&self.gateways, &self.slices, state, self.clock.unix_us());
        for resource in resources {
            let status = plan::key(resource).and_then(|key| fleet.status(&key));
            if let Some(metadata) = plan::metadata_mut(resource) {
                metadata.status = status;
            }
        }
    }

    /// The resource as it is stored now, and whether it is new.
    pub(super) async fn put(
        &self,
        by: &Caller,
        resource: Resource,
        options: PutOptions,
    ) -> Result<(Resource, bool), ManageError> {
        let upserts = vec![resource];
        let create_only = options.create_only;
        let wanted = Wanted { upserts, create_only, asks: true, ..Wanted::default() };
        let Changed { state, changes, .. } = self.manager.change(by, wanted).await?;
        let (key, change) = changes.into_iter().next().ok_or(ManageError::Broken)?;
        let mut shown = manage::shown(&state, &key).ok_or(ManageError::NotFound(key))?;
        self.add_status(by, std::slice::from_mut(&mut shown));
        Ok((shown, change == plan::Change::Created))
    }

    pub(super) async fn delete(
        &self,
        by: &Caller,
        key: ResourceKey,
        revision: Revision,
    ) -> Result<DeleteResponse, ManageError> {
        let removals = vec![Removal { key, revision }];
        let wanted = Wanted { removals, asks: true, ..Wanted::default() };
        let Changed { revision, changes, .. } = self.manager.change(by, wanted).await?;
        let waits = changes.iter().find(|(key, _)| key.kind() == Some(Kind::WorkflowRequest));
        let waiting = waits.map(|(key, _)| key.name().to_owned()).unwrap_or_default();
        Ok(DeleteResponse { revision, waiting })
    }

    pub(super) async fn apply(
        &self,
        by: &Caller,
        upserts: Vec<Resource>,
        options: ApplyOptions,
    ) -> Result<ApplyResponse, ManageError> {
        let ApplyOptions { dry_run, prune, reason, partial, .. } = options;
        refuse_requests(&upserts)?;
        // What an administrator applies is a decision itself.
        let asks = !by.may_everything();
        let wanted = Wanted { upserts, dry_run, prune, partial, reason, asks, ..Wanted::default() };
        let mut changed = self.manager.change(by, wanted).await?;
        let problems = std::mem::take(&mut changed.problems);
        let mut changes: Vec<Change> = changed.changes.iter().map(told).collect();
        changes.extend(changed.removed.iter().map(|key| Change {
            key: key.to_string(),
            action: change::Action::Deleted.into(),
            ..Change::default()
        }));
        if options.fields {
            with_fields(&mut changes, manage::differing(&changed));
        }
        let Changed { state, revision, .. } = changed;
        let mut response =
            ApplyResponse { revision, changes, problems, ..ApplyResponse::default() };
        if let Some(WaitOptions { whom, limit }) = options.wait.filter(|_| !dry_run) {
            let waited = wait(&self.gateways, &self.clock, &state, revision, whom, limit).await;
            response.applied = waited.applied;
            response.gateways = on_wire_to(by, &waited.gateways, &state);
        }
        Ok(response)
    }

    /// Applies resources in waves of gateways.
    pub(super) async fn roll_out(
        &self,
        by: &Caller,
        begin: Begin,
    ) -> Result<ApplyResponse, RolloutError> {
        // Waves are written past the permission that single changes ask for.
        if !by.may_everything() {
            let why = "only administrators of the operator publish in waves";
            return Err(self.manager.forbidden(by, "rollout", why).into());
        }
        refuse_requests(&begin.upserts)?;
        let Begun { changed, rollout } = self.rollouts.begin(by, begin).await?;
        Ok(ApplyResponse {
            revision: changed.revision,
            changes: changed.changes.iter().map(told).collect(),
            rollout,
            ..ApplyResponse::default()
        })
    }

    /// Waits until gateways serve what is in force now; without a limit, only looks.
    pub(super) async fn wait(
        &self,
        by: &Caller,
        options: Option<WaitOptions>,
    ) -> Result<WaitResponse, ManageError> {
        let state = self.manager.catalog().current().ok_or(ManageError::NotLoaded)?;
        let revision = state.revision;
        let looks = WaitOptions { whom: Whom::All, limit: Duration::ZERO };
        let WaitOptions { whom, limit } = options.unwrap_or(looks);
        let waited = wait(&self.gateways, &self.clock, &state, revision, whom, limit).await;
        let gateways = on_wire_to(by, &waited.gateways, &state);
        Ok(WaitResponse { revision, applied: waited.applied, gateways })
    }

    pub(super) fn gateways(&self, by: &Caller) -> Result<ListGatewaysResponse, ManageError> {
        let state = self.manager.catalog().current().ok_or(ManageError::NotLoaded)?;
        let mut gateways: Vec<GatewayState> =
            self.gateways.rows().iter().map(|row| on_wire(row, &state)).collect();
        if !by.sees_everything() {
            // What one refuses names resources of everybody.
            for gateway in &mut gateways {
                gateway.rejected.clear();
            }
        }
        Ok(ListGatewaysResponse { gateways, revision: state.revision })
    }

    pub(super) async fn generate_key(
        &self,
        by: &Caller,
        request: GenerateKeyRequest,
    ) -> Result<GenerateKeyResponse, ManageError> {
        let wanted = NewKey {
            application: request.application,
            sandbox: request.sandbox,
            key_manager: request.key_manager,
            scopes: request.scopes,
            consumer_key: request.consumer_key,
            restrictions: Restrictions {
                ips: request.allowed_ips,
                domains: request.allowed_domains,
            },
        };
        let made = manage::generate(by, &self.manager, &*self.clients, wanted).await?;
        Ok(GenerateKeyResponse {
            consumer_key: made.consumer_key,
            consumer_secret: made.consumer_secret.expose().to_owned(),
            token_endpoint: made.token_endpoint,
        })
    }

    /// Makes an API key that lasts as long as `lifetime`; none: until it is ended.
    pub(super) async fn generate_api_key(
        &self,
        by: &Caller,
        request: GenerateApiKeyRequest,
        lifetime: Option<Duration>,
    ) -> Result<GenerateApiKeyResponse, ManageError> {
        let now = self.now();
        let expires_at = lifetime.map(|lifetime| {
            let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
            Timestamp { seconds: now.seconds.saturating_add(seconds).min(LAST_SECOND), nanos: 0 }
        });
        let wanted = NewApiKey {
            application: request.application,
            sandbox: request.sandbox,
            scopes: request.scopes,
            allowed_ips: request.allowed_ips,
            allowed_domains: request.allowed_domains,
            expires_at,
            created_at: now,
            label: request.label,
        };
        let made = manage::generate_api_key(by, &self.manager, wanted).await?;
        let key = made.key.expose().to_owned();
        Ok(GenerateApiKeyResponse { id: made.id, key, expires_at })
    }

    pub(super) async fn revoke_api_key(
        &self,
        by: &Caller,
        request: RevokeApiKeyRequest,
    ) -> Result<RevokeApiKeyResponse, ManageError> {
        let RevokeApiKeyRequest { application, id } = request;
        let now = self.now();
        let revision = manage::revoke_api_key(by, &self.manager, &application, &id, now).await?;
        Ok(RevokeApiKeyResponse { revision })
    }

    /// Makes a test key that lasts as long as `lifetime`; none: as long as test keys do.
    pub(super) async fn generate_test_key(
        &self,
        by: &Caller,
        request: GenerateTestKeyRequest,
        lifetime: Option<Duration>,
    ) -> Result<GenerateTestKeyResponse, ManageError> {
        let wanted = NewTestKey {
            apis: request.apis,
            sandbox: request.sandbox,
            explain_only: request.explain_only,
            lifetime,
        };
        let made = manage::generate_test_key(by, &self.manager, &*self.clients, wanted).await?;
        let expires_at = Some(Timestamp { seconds: made.expires_at, nanos: 0 });
        Ok(GenerateTestKeyResponse { key: made.key.expose().to_owned(), expires_at })
    }

    /// How full the limits of an application are; gateways may take `limit` to say it.
    pub(super) async fn limit_usage(
        &self,
        by: &Caller,
        request: LimitUsageRequest,
        limit: Option<Duration>,
    ) -> Result<LimitUsageResponse, ManageError> {
        let LimitUsageRequest { application, api, user, .. } = request;
        let query = self.limits_of(by, application, &api, user)?;
        let Told { limits, answered, silent, at_us } = self.ask(query, limit).await;
        let at = Some(timestamp(at_us));
        Ok(LimitUsageResponse { limits, at, answered, silent })
    }

    /// Lets the limits of an application begin afresh.
    pub(super) async fn limit_reset(
        &self,
        by: &Caller,
        request: LimitResetRequest,
        limit: Option<Duration>,
    ) -> Result<LimitResetResponse, ManageError> {
        let LimitResetRequest { application, api, user, .. } = request;
        let query = self.limits_of(by, application.clone(), &api, user.clone())?;
        let told = self.ask(LimitQuery { reset: true, ..query }, limit).await;
        let (limits, gateways) = (told.limits.len(), told.answered.len());
        let silent = told.silent.len();
        tracing::info!(
            %by,
            application,
            api,
            user,
            limits,
            gateways,
            silent,
            "limits reset"
        );
        Ok(LimitResetResponse { limits: told.limits, reset: told.answered, silent: told.silent })
    }

    fn limits_of(
        &self,
        by: &Caller,
        application: String,
        api: &str,
        user: String,
    ) -> Result<LimitQuery, ManageError> {
        let apis = manage::limited(by, self.manager.catalog(), &application, api)?;
        Ok(LimitQuery { application, apis, user, ..LimitQuery::default() })
    }

    async fn ask(&self, query: LimitQuery, limit: Option<Duration>) -> Told {
        let limit = limit.unwrap_or(ANSWER).min(LONGEST_ANSWER);
        usage(&self.sharing, &self.clock, query, limit).await
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp { seconds: self.clock.unix_us().div_euclid(1_000_000), nanos: 0 }
    }
}

/// Why something was done, as long as the history keeps.
pub(super) fn checked_reason(reason: String) -> Result<String, ManageError> {
    if reason.len() <= REASON_BYTES {
        return Ok(reason);
    }
    let said = format!("it has {} bytes, at most {REASON_BYTES}", reason.len());
    Err(refused("reason", &said, String::new()))
}

/// A field of a request is not as it should be.
pub(super) fn refused(field: &str, reason: &str, suggestion: String) -> ManageError {
    ManageError::Refused(vec![Problem {
        field: field.to_owned(),
        reason: reason.to_owned(),
        suggestion,
        ..Problem::default()
    }])
}

/// Requests that wait are written by the control plane alone.
fn refuse_requests(upserts: &[Resource]) -> Result<(), ManageError> {
    let forged = |resource: &&Resource| plan::kind(resource).is_some_and(|it| !it.is_of_files());
    let problem = |resource: &Resource| Problem {
        resource: plan::key(resource).map(|key| key.to_string()).unwrap_or_default(),
        reason: "only the control plane writes it".to_owned(),
        suggestion: "decide about it with `turnpike approvals`".to_owned(),
        ..Problem::default()
    };
    let problems: Vec<Problem> = upserts.iter().filter(forged).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(ManageError::Refused(problems)) }
}

fn told((key, change): &(ResourceKey, plan::Change)) -> Change {
    let action = match change {
        plan::Change::Unchanged => change::Action::Unchanged,
        plan::Change::Created => change::Action::Created,
        plan::Change::Updated => change::Action::Updated,
    };
    Change { key: key.to_string(), action: action.into(), ..Change::default() }
}

fn with_fields(changes: &mut [Change], differing: Vec<Differing>) {
    let mut fields: BTreeMap<String, Vec<FieldDiff>> = differing
        .into_iter()
        .map(|one| (one.key.to_string(), one.fields.into_iter().map(field_diff).collect()))
        .collect();
    for change in changes {
        change.fields = fields.remove(&change.key).unwrap_or_default();
    }
}

pub(super) fn field_diff(field: plan::Difference) -> FieldDiff {
    let plan::Difference { path, before, after } = field;
    FieldDiff { path, before: before.unwrap_or_default(), after: after.unwrap_or_default() }
}

/// A moment in microseconds since the Unix epoch.
pub(super) fn timestamp(unix_us: i64) -> Timestamp {
    let nanos = i32::try_from(unix_us.rem_euclid(1_000_000)).unwrap_or(0).saturating_mul(1000);
    Timestamp { seconds: unix_us.div_euclid(1_000_000), nanos }
}

/// The gateways, for whoever may know what each of them refuses: that names resources of everybody.
fn on_wire_to(by: &Caller, rows: &[GatewayRow], state: &State) -> Vec<GatewayState> {
    let rows = if by.sees_everything() { rows } else { &[] };
    rows.iter().map(|row| on_wire(row, state)).collect()
}

fn on_wire(row: &GatewayRow, state: &State) -> GatewayState {
    GatewayState {
        node: row.node.clone(),
        groups: plan::groups(&state.objects, &row.labels),
        build: row.build.clone(),
        connected: row.connected,
        offered: row.offered,
        applied: row.applied,
        rejected: row.rejected.clone(),
        last_seen: Some(timestamp(row.last_seen_us)),
        in_sync: row.in_sync,
        control_plane: row.control_plane.to_string(),
        in_wave: state.rollout().is_some_and(|it| it.has(&row.node, &row.labels)),
        left_out: row.left_out.clone(),
    }
}
