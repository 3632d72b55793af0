//! Who sees to what waits?
//!
//! Every control plane does, and the revision of the request says who was first. A program is asked by
//! whoever has written down the time of the next try: so it is asked by one, and by another one later if
//! that one dies. What nobody decides expires; what was decided is kept for a while.

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use futures_util::StreamExt as _;
use futures_util::stream;
use plan::{Kind, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::WorkflowRequestSpec;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;
use turnpike_proto::config::v1::workflow_spec::Executor;

use super::asked::workflow;
use super::decide::{Verdict, cut, settle};
use super::decider::{Answer, Decider, Question};
use super::request::{all, spec_mut};
use crate::catalog::State;
use crate::manage::change::{Manager, Removal, Wanted};
use crate::manage::error::ManageError;
use crate::manage::view::shown;
use crate::people::Caller;

/// The shortest time between two looks.
const PACE: Duration = Duration::from_millis(100);
/// The longest.
const LOOK: Duration = Duration::from_mins(1);
/// The first wait before a program is asked again, which doubles, and the longest.
const FIRST_WAIT_S: i64 = 1;
const LONGEST_WAIT_S: i64 = 600;
const MOST_DOUBLINGS: u32 = 10;
/// How long an answer may take where the Workflow does not say.
const USUAL_ANSWER_S: i64 = 10;
/// So many programs are asked at a time.
const AT_ONCE: usize = 16;
/// How long what was decided is kept, and how many at most.
const KEPT_S: i64 = 30 * 86_400;
const MOST_KEPT: usize = 1_000;
/// So many are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: usize = 500;
/// The longest word of a failed try that is kept, in bytes.
const ERROR_BYTES: usize = 256;

/// Sees to requests until the process drains.
#[derive(Debug)]
pub struct Keeper {
    /// Clock and shutdown.
    pub host: Host,
    /// Writes.
    pub manager: Arc<Manager>,
    /// Asks programs.
    pub decider: Arc<dyn Decider>,
}

/// What is to be done about a request.
#[derive(Debug)]
enum Due {
    Expire,
    /// What it is about is gone.
    Drop,
    Ask,
}

impl Keeper {
    /// Until the process drains.
    pub async fn run(self) {
        let mut states = self.manager.catalog().subscribe();
        while !self.host.shutdown.requested() {
            let state = states.borrow_and_update().clone();
            let wait = match state {
                Some(state) => tokio::select! {
                    wait = self.look(&state) => wait,
                    // Who was being asked is asked again, here or elsewhere.
                    () = self.host.shutdown.wait() => return,
                },
                None => LOOK,
            };
            tokio::select! {
                () = self.host.clock.sleep(wait) => {}
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.host.clock.sleep(PACE).await;
                }
                () = self.host.shutdown.wait() => {}
            }
        }
    }

    /// Does what is due; says when to look again.
    async fn look(&self, state: &Arc<State>) -> Duration {
        let now = self.now().seconds;
        let (mut due, mut old, mut next) = (Vec::new(), Vec::new(), i64::MAX);
        for (id, spec) in all(state) {
            if spec.state() != Standing::Waiting {
                old.push((spec.decided_at.map_or(0, |at| at.seconds), id));
                continue;
            }
            match Self::due(state, &spec, now) {
                Ok(what) => due.push((id, what)),
                Err(at) => next = next.min(at),
            }
        }
        let work = due.into_iter().map(|(id, what)| self.see_to(state, id, what));
        stream::iter(work).buffer_unordered(AT_ONCE).collect::<()>().await;
        self.forget(old, now).await;
        let seconds = u64::try_from(next.saturating_sub(now)).unwrap_or(0).max(1);
        Duration::from_secs(seconds).min(LOOK)
    }

    /// What is due, or when something will be.
    fn due(state: &State, spec: &WorkflowRequestSpec, now: i64) -> Result<Due, i64> {
        let expires = spec.expires_at.map_or(i64::MAX, |at| at.seconds);
        let gone = state.objects.get(&ResourceKey::from_wire(&spec.subject)).is_none();
        if gone {
            return Ok(Due::Drop);
        }
        if expires <= now {
            return Ok(Due::Expire);
        }
        if spec.accepted || program(state, &spec.workflow).is_none() {
            return Err(expires);
        }
        match spec.next_try.map_or(0, |at| at.seconds) {
            at if at <= now => Ok(Due::Ask),
            at => Err(at.min(expires)),
        }
    }

    async fn see_to(&self, state: &Arc<State>, id: String, what: Due) {
        let done = match what {
            Due::Expire => Box::pin(self.end(&id, "nobody has decided in time")).await,
            Due::Drop => Box::pin(self.end(&id, "what it was about is gone")).await,
            Due::Ask => Box::pin(self.ask(state, &id)).await,
        };
        match done {
            // Another control plane was first, or somebody has decided meanwhile.
            Ok(()) | Err(ManageError::Stale { .. } | ManageError::OutOfTurn(_)) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(id, error, "a request that waits could not be seen to");
            }
        }
    }

    async fn end(&self, id: &str, reason: &str) -> Result<(), ManageError> {
        let by = Caller::of_certificate("workflow");
        let verdict = Verdict::Expire;
        Box::pin(settle(&self.manager, &by, id, verdict, reason, self.now())).await.map(drop)
    }

    /// Asks the program of the request's Workflow, if nobody else does.
    async fn ask(&self, state: &Arc<State>, id: &str) -> Result<(), ManageError> {
        let key = ResourceKey::of_id(Kind::WorkflowRequest, id);
        let missing = || ManageError::NotFound(key.clone());
        let mut request = shown(state, &key).ok_or_else(missing)?;
        let spec = spec_mut(&mut request).ok_or_else(missing)?;
        let Some((executor, timeout_s)) = program(state, &spec.workflow) else { return Ok(()) };
        let doubled = FIRST_WAIT_S << spec.tries.min(MOST_DOUBLINGS);
        let wait = doubled.clamp(FIRST_WAIT_S, LONGEST_WAIT_S).saturating_add(timeout_s);
        spec.tries = spec.tries.saturating_add(1);
        let now = self.now();
        spec.next_try = Some(Timestamp { seconds: now.seconds.saturating_add(wait), ..now });
        let question = question(state, id, spec);
        let by = Caller::of_certificate(format_args!("workflow/{}", spec.workflow));
        let secret = secret_of(state, &executor);
        self.write(&by, request).await?;
        match self.decider.ask(&executor, secret, question).await {
            Ok((Answer::Later, _)) => self.note(&by, &key, None).await,
            Ok((answer, reason)) => {
                let verdict =
                    if answer == Answer::Approve { Verdict::Approve } else { Verdict::Reject };
                let deciding = settle(&self.manager, &by, id, verdict, &reason, self.now());
                match Box::pin(deciding).await.map(drop) {
                    // What was asked for is no longer possible: people see why.
                    Err(error @ ManageError::Refused(_)) => {
                        self.note(&by, &key, Some(&error.to_string())).await
                    }
                    other => other,
                }
            }
            Err(error) => {
                let said = error.to_string();
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(id, error, "a program that decides has not answered");
                }
                self.note(&by, &key, Some(&said)).await
            }
        }
    }

    /// Writes down how a try went; without an error the program decides later.
    async fn note(
        &self,
        by: &Caller,
        key: &ResourceKey,
        error: Option<&str>,
    ) -> Result<(), ManageError> {
        let Some(state) = self.manager.catalog().current() else { return Ok(()) };
        let Some(mut request) = shown(&state, key) else { return Ok(()) };
        let Some(spec) = spec_mut(&mut request) else { return Ok(()) };
        if spec.state() != Standing::Waiting {
            return Ok(());
        }
        spec.accepted = error.is_none();
        cut(error.unwrap_or_default(), ERROR_BYTES).clone_into(&mut spec.last_error);
        self.write(by, request).await
    }

    async fn write(&self, by: &Caller, request: Resource) -> Result<(), ManageError> {
        let wanted = Wanted { requests: vec![request], ..Wanted::default() };
        self.manager.change(by, wanted).await.map(drop)
    }

    /// Removes what was decided long ago, and the oldest where there are many.
    async fn forget(&self, mut old: Vec<(i64, String)>, now: i64) {
        old.sort_unstable();
        let many = old.len().saturating_sub(MOST_KEPT);
        let forgotten = old
            .into_iter()
            .enumerate()
            .filter(|(at, (decided, _))| *at < many || decided.saturating_add(KEPT_S) <= now);
        let removal = |(_, (_, id)): (usize, (i64, String))| Removal {
            key: ResourceKey::of_id(Kind::WorkflowRequest, &id),
            revision: 0,
        };
        let removals: Vec<Removal> = forgotten.take(FORGOTTEN_AT_ONCE).map(removal).collect();
        if removals.is_empty() {
            return;
        }
        let wanted = Wanted { removals, ..Wanted::default() };
        if let Err(error) = self.manager.change(&Caller::of_certificate("workflow"), wanted).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "requests that were decided are kept longer");
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp { seconds: self.host.clock.unix_seconds(), nanos: 0 }
    }
}

/// The program that a Workflow has asked, and the seconds that its answer may take.
fn program(state: &State, name: &str) -> Option<(Executor, i64)> {
    let executor = workflow(state, name)?.executor?;
    let timeout = match &executor {
        Executor::Http(http) => http.timeout,
        Executor::Grpc(grpc) => grpc.timeout,
        Executor::Simple(_) | Executor::Approval(_) => return None,
    };
    let seconds = timeout.map_or(USUAL_ANSWER_S, |span| span.seconds.max(1));
    Some((executor, seconds))
}

fn secret_of(state: &State, executor: &Executor) -> Option<chassis::Secret> {
    let Executor::Http(http) = executor else { return None };
    let key = ResourceKey::of_id(Kind::Secret, &http.secret);
    match state.objects.get(&key)?.resource()?.into_owned().resource? {
        Any::Secret(secret) => {
            Some(chassis::Secret::new(secret.spec?.value.trim_end_matches(['\r', '\n'])))
        }
        _ => None,
    }
}

fn question(state: &State, id: &str, spec: &WorkflowRequestSpec) -> Question {
    let mut question = Question { id: id.to_owned(), spec: spec.clone(), ..Question::default() };
    let held = state.objects.get(&ResourceKey::from_wire(&spec.subject));
    match held.as_ref().and_then(|held| held.resource()).and_then(|it| it.into_owned().resource) {
        Some(Any::Subscription(one)) => {
            let own = one.spec.unwrap_or_default();
            question.application = own.application;
            question.api = if own.api_product.is_empty() { own.api } else { own.api_product };
            question.tier = own.tier;
        }
        Some(Any::Application(one)) => question.tier = one.spec.unwrap_or_default().tier,
        _ => {}
    }
    question
}
