//! Who is turned away because an alert was raised, and until when?
//!
//! A collector asks for it and names the rule; what the rule says here is what is done, so that a
//! collector can turn away nobody whom no rule means. The policies are `alerts`' own, there are only so many at a
//! time, and they go when their time is over.

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use plan::{Kind, Objects, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::alert_block::{Mode, What};
use turnpike_proto::config::v1::alert_kind::Type;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{AlertBlock, AlertRuleSpec, DenyPolicy, DenyPolicySpec, Metadata};

use super::change::{Beside, Manager, Removal, Wanted};
use super::error::ManageError;
use super::view::revision;
use crate::catalog::State;
use crate::people::Caller;

/// So many are turned away at a time.
pub const MOST: usize = 100;
/// Whose the policies are, and who writes them.
const OWNER: &str = "alerts";
/// Their names begin so.
const PREFIX: &str = "alert-";
/// How often it is looked for those whose time is over.
const LOOK: Duration = Duration::from_mins(1);
/// The longest identifier, name and message, in bytes.
const LONGEST_ID: usize = 64;
const LONGEST_TEXT: usize = 512;

/// What a collector asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Name of the `AlertRule`.
    pub rule: String,
    /// The identifier of the alert.
    pub alert: String,
    /// Whom it is about.
    pub subject: String,
    /// What it says.
    pub message: String,
}

/// Somebody who is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name of the `DenyPolicy`.
    pub policy: String,
    /// When it ends, in seconds since the Unix epoch.
    pub until: i64,
    /// The policy as YAML, where it is only proposed; empty: it is written.
    pub proposal: String,
}

/// Why nobody is turned away.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// What is asked for cannot be meant.
    #[error("{0} does not fit")]
    Wrong(&'static str),
    /// No such rule, or one that turns nobody away.
    #[error("there is no AlertRule `{0}` that blocks")]
    NoRule(String),
    /// Somebody has to look first.
    #[error("{} are blocked by alerts already, and there may be no more", MOST)]
    TooMany,
    /// It is done already.
    #[error("DenyPolicy `{}` does it already", .0.policy)]
    Standing(Block),
    /// Nothing is to be written.
    #[error("DenyPolicy `{}` is proposed", .0.policy)]
    Proposed(Block),
    /// It is stored, and not in force yet.
    #[error("the policy is not in force yet")]
    Unseen,
    /// It could not be written.
    #[error(transparent)]
    Manage(#[from] ManageError),
}

/// Turns somebody away, or says what does it already.
pub async fn block(manager: &Manager, asked: Asked, now: i64) -> Result<Block, BlockError> {
    let fits = |text: &str, most: usize| !text.is_empty() && text.len() <= most;
    let plain = asked.alert.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain || !fits(&asked.alert, LONGEST_ID) {
        return Err(BlockError::Wrong("alert"));
    }
    if !fits(&asked.subject, LONGEST_TEXT) {
        return Err(BlockError::Wrong("subject"));
    }
    let reason = format!("alert {} of AlertRule/{}", asked.alert, asked.rule);
    let id = asked.alert.clone();
    let make = move |state: &State| written(&state.objects, &asked, now);
    match manager.write_beside(&Caller::of_service(OWNER), &reason, make).await {
        Ok((state, _)) => {
            let mut all = ours(&state.objects);
            let made = all.find(|(block, _)| block.policy.ends_with(&format!("-{id}")));
            made.map(|(block, _)| block).ok_or(BlockError::Unseen)
        }
        Err(BlockError::Standing(block) | BlockError::Proposed(block)) => Ok(block),
        Err(error) => Err(error),
    }
}

/// The policy, beside which those go whose time is over.
fn written(objects: &Objects, asked: &Asked, now: i64) -> Result<Beside, BlockError> {
    let rule = rule(objects, &asked.rule)?;
    let policy = policy(objects, &rule, asked, now)?;
    let (over, open): (Vec<_>, Vec<_>) = ours(objects).partition(|(block, _)| block.until <= now);
    let whom = |spec: &DenyPolicySpec| DenyPolicySpec {
        expires_at: None,
        reason: String::new(),
        ..spec.clone()
    };
    let wanted = policy.spec.as_ref().map(whom);
    let name = policy.metadata.as_ref().map_or("", |metadata| &metadata.name);
    let same = |spec: &DenyPolicySpec| Some(whom(spec)) == wanted;
    if let Some((block, _)) = open.iter().find(|(block, spec)| block.policy == name || same(spec)) {
        return Err(BlockError::Standing(block.clone()));
    }
    if rule.block.is_some_and(|block| block.mode() == Mode::Propose) {
        return Err(proposed(objects, policy));
    }
    if open.len() >= MOST {
        return Err(BlockError::TooMany);
    }
    let over = over.into_iter().map(|(block, _)| block.policy).filter(|other| other != name);
    let over: Vec<_> = over.map(|name| ResourceKey::of_id(Kind::DenyPolicy, &name)).collect();
    let policy = Resource { resource: Some(Any::DenyPolicy(policy)) };
    let admitted = plan::admit(objects, &[policy], &over).map_err(ManageError::Refused)?;
    Ok(Beside { admitted: Some(admitted), ..Beside::default() })
}

/// The policy as somebody may apply it, who owns it then.
fn proposed(objects: &Objects, policy: DenyPolicy) -> BlockError {
    let metadata = policy.metadata.clone().unwrap_or_default();
    let until = policy.spec.as_ref().and_then(|spec| spec.expires_at.as_ref());
    let until = until.map_or(0, |until| until.seconds);
    let policy = DenyPolicy {
        api_version: "turnpike/v1".to_owned(),
        kind: Kind::DenyPolicy.name().to_owned(),
        metadata: Some(Metadata { name: metadata.name.clone(), ..Metadata::default() }),
        ..policy
    };
    let policy = Resource { resource: Some(Any::DenyPolicy(policy)) };
    let proposal = plan::to_yaml(&policy);
    match plan::admit(objects, &[policy], &[]) {
        Ok(_) => BlockError::Proposed(Block { policy: metadata.name, until, proposal }),
        Err(problems) => ManageError::Refused(problems).into(),
    }
}

fn rule(objects: &Objects, name: &str) -> Result<AlertRuleSpec, BlockError> {
    let held = objects.get(&ResourceKey::of_id(Kind::AlertRule, name));
    let spec = held.and_then(|object| match object.resource()?.into_owned().resource? {
        Any::AlertRule(rule) => rule.spec,
        _ => None,
    });
    spec.ok_or_else(|| BlockError::NoRule(name.to_owned()))
}

fn policy(
    objects: &Objects,
    rule: &AlertRuleSpec,
    asked: &Asked,
    now: i64,
) -> Result<DenyPolicy, BlockError> {
    let none = || BlockError::NoRule(asked.rule.clone());
    let AlertBlock { r#for: lasts, what, .. } = rule.block.as_ref().ok_or_else(none)?;
    let seconds = lasts.as_ref().map(|lasts| lasts.seconds).ok_or_else(none)?;
    let what = what.and_then(|what| What::try_from(what).ok()).ok_or_else(none)?;
    let kind = rule.r#type.and_then(|kind| Type::try_from(kind).ok()).ok_or_else(none)?;
    let mut spec = DenyPolicySpec {
        apis: rule.apis.iter().map(|api| format!("{api}:*")).collect(),
        expires_at: Some(Timestamp { seconds: now.saturating_add(seconds), nanos: 0 }),
        reason: reason(asked),
        ..DenyPolicySpec::default()
    };
    if what != What::Application {
        spec.applications = known(objects, &rule.applications);
    }
    let list = match what {
        What::Application => &mut spec.applications,
        What::User => &mut spec.users,
        What::Client => &mut spec.clients,
        What::Address => &mut spec.addresses,
    };
    list.push(asked.subject.clone());
    let name = format!("{PREFIX}{}-{}", kind.as_str_name(), asked.alert);
    let metadata = Metadata { name, owner: OWNER.to_owned(), ..Metadata::default() };
    Ok(DenyPolicy { metadata: Some(metadata), spec: Some(spec), ..DenyPolicy::default() })
}

/// The applications of a rule that are there: a policy names no others. Where none is, all of them, so that
/// the policy is refused and means nobody else.
fn known(objects: &Objects, named: &[String]) -> Vec<String> {
    let is_there =
        |name: &&String| objects.get(&ResourceKey::of_id(Kind::Application, name)).is_some();
    let there: Vec<String> = named.iter().filter(is_there).cloned().collect();
    if there.is_empty() { named.to_vec() } else { there }
}

/// For people; callers choose some of the words.
fn reason(asked: &Asked) -> String {
    let end = asked.message.floor_char_boundary(LONGEST_TEXT);
    let message = asked.message.get(..end).unwrap_or_default();
    let message = message.replace(char::is_control, " ");
    format!("AlertRule {}, alert {}: {message}", asked.rule, asked.alert)
}

/// The policies that alerts have made.
fn ours(objects: &Objects) -> impl Iterator<Item = (Block, DenyPolicySpec)> {
    let all = objects.of_kind(Kind::DenyPolicy);
    all.filter(|object| object.key().name().starts_with(PREFIX)).filter_map(|object| {
        let Any::DenyPolicy(policy) = object.resource()?.into_owned().resource? else {
            return None;
        };
        let (metadata, spec) = (policy.metadata?, policy.spec?);
        let until = spec.expires_at?.seconds;
        let block = Block { policy: metadata.name, until, proposal: String::new() };
        (metadata.owner == OWNER).then_some((block, spec))
    })
}

/// Removes policies whose time is over, until the process drains.
#[derive(Debug)]
pub struct BlockKeeper {
    /// Clock and shutdown.
    pub host: Host,
    /// Writes.
    pub manager: Arc<Manager>,
}

impl BlockKeeper {
    /// Until the process drains.
    pub async fn run(self) {
        loop {
            tokio::select! {
                () = self.host.clock.sleep(LOOK) => {}
                () = self.host.shutdown.wait() => return,
            }
            let state = self.manager.catalog().subscribe().borrow().clone();
            if let Some(state) = state {
                self.look(&state).await;
            }
        }
    }

    async fn look(&self, state: &State) {
        let now = self.host.clock.unix_seconds();
        let over = ours(&state.objects).filter(|(block, _)| block.until <= now);
        let removal = |(block, _): (Block, DenyPolicySpec)| {
            let key = ResourceKey::of_id(Kind::DenyPolicy, &block.policy);
            Removal { revision: revision(state, &key), key }
        };
        let removals: Vec<_> = over.map(removal).collect();
        if removals.is_empty() {
            return;
        }
        let reason = "the time of the block is over".to_owned();
        let wanted = Wanted { removals, reason, ..Wanted::default() };
        match self.manager.change(&Caller::of_service(OWNER), wanted).await {
            // Another control plane was first, or somebody has lifted one.
            Ok(_) | Err(ManageError::Stale { .. } | ManageError::NotFound(_)) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "blocks whose time is over are not removed");
            }
        }
    }
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
