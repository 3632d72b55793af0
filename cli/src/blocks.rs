//! `turnpike block` and `turnpike unblock`: who may not call for now?
//!
//! A subscription has a state of its own. Anybody else is turned away by a `DenyPolicy`, whose name
//! says whom it is about, so that the same words that block also lift.

use std::time::Duration;

use chassis::clock::Clock;
use clap::Args;
use prost_types::Timestamp;
use serde_json::json;
use turnpike_proto::config::v1::resource::Resource as AnyResource;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::{DenyPolicy, DenyPolicySpec, Metadata, Resource};

use crate::failure::Failure;
use crate::output::Report;
use crate::rpc::{self, Deleted, Kind, Name};
use crate::{apply, span};

/// The longest name of a resource, in bytes.
const LONGEST_NAME: usize = 128;

#[derive(Args, Clone, Debug)]
pub(crate) struct Block {
    #[command(flatten)]
    whom: Whom,
    /// Block production keys only
    #[arg(long, requires = "subscription", conflicts_with = "whom")]
    production_only: bool,
    /// Lift the block by itself after so long
    #[arg(long = "for", value_name = "SPAN", value_parser = span::parse)]
    #[arg(requires = "whom", conflicts_with = "subscription")]
    lasts: Option<Duration>,
    /// Why, for people who look at the policy; callers are not told
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    #[arg(requires = "whom", conflicts_with = "subscription")]
    reason: String,
    #[command(flatten)]
    wait: apply::Wait,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Unblock {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    wait: apply::Wait,
}

/// A subscription, or whose calls; of several kinds, those that are all of them.
#[derive(Args, Clone, Debug)]
struct Whom {
    /// Name of a subscription
    #[arg(required_unless_present = "whom", conflicts_with = "whom")]
    subscription: Option<String>,
    #[command(flatten)]
    calls: Calls,
}

#[derive(Args, Clone, Debug)]
#[group(id = "whom", multiple = true)]
struct Calls {
    /// Calls of this application
    #[arg(long, value_name = "APPLICATION")]
    app: Vec<String>,
    /// Calls of this user, by subject or name
    // The name of another argument is `user` already.
    #[arg(id = "called", long = "user", value_name = "USER")]
    user: Vec<String>,
    /// Calls of the client with this consumer key
    #[arg(long, value_name = "CONSUMER_KEY")]
    client: Vec<String>,
    /// Calls from this address, network (10.0.0.0/8) or range (10.0.0.1-10.0.0.9)
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Calls to this API: NAME:VERSION, or NAME:* for all versions
    #[arg(long, value_name = "NAME:VERSION")]
    api: Vec<String>,
}

pub(crate) async fn block(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &Block,
) -> Result<Report, Failure> {
    if let Some(name) = &asked.whom.subscription {
        let state = if asked.production_only { State::ProdOnlyBlocked } else { State::Blocked };
        let report = set_state(connection, name, state, &asked.wait).await?;
        return Ok(report.text(format!("to lift it: turnpike unblock {name}")));
    }
    let policy = asked.policy(clock.unix_seconds());
    let name = policy.metadata.as_ref().map_or("", |metadata| &metadata.name).to_owned();
    let resource = Resource { resource: Some(AnyResource::DenyPolicy(policy)) };
    let report = apply::send(connection, vec![resource], false, &asked.wait).await?;
    Ok(report.text(format!("to lift it: turnpike delete DenyPolicy {name}")))
}

pub(crate) async fn unblock(connection: &rpc::Options, asked: &Unblock) -> Result<Report, Failure> {
    if let Some(name) = &asked.whom.subscription {
        return set_state(connection, name, State::Unblocked, &asked.wait).await;
    }
    let kind = Kind::parse("DenyPolicy")?;
    let name = Name { name: asked.whom.calls.name(), version: String::new() };
    let key = format!("{}/{}", kind.name(), name.name);
    if rpc::delete(&connection.control_plane()?, &kind, &name).await? == Deleted::Missing {
        return Err(Failure::Missing { key });
    }
    Ok(Report::new(json!({ "deleted": key })).text(format!("deleted {key}")))
}

async fn set_state(
    connection: &rpc::Options,
    subscription: &str,
    state: State,
    wait: &apply::Wait,
) -> Result<Report, Failure> {
    let kind = Kind::parse("Subscription")?;
    let missing = || Failure::Missing { key: format!("Subscription/{subscription}") };
    let name = Name::parse(&kind, subscription).ok_or_else(missing)?;
    let stored = rpc::get(&connection.control_plane()?, &kind, &name).await?;
    let mut stored = stored.ok_or_else(missing)?;
    if let Some(AnyResource::Subscription(one)) = stored.resource.as_mut()
        && let Some(spec) = one.spec.as_mut()
    {
        spec.state = state.into();
    }
    apply::send(connection, vec![stored], false, wait).await
}

impl Block {
    fn policy(&self, now_unix: i64) -> DenyPolicy {
        let Calls { app, user, client, ip, api } = self.whom.calls.clone();
        let until = |lasts: Duration| {
            let seconds = i64::try_from(lasts.as_secs().max(1)).unwrap_or(i64::MAX);
            Timestamp { seconds: now_unix.saturating_add(seconds), nanos: 0 }
        };
        DenyPolicy {
            api_version: "turnpike/v1".to_owned(),
            kind: "DenyPolicy".to_owned(),
            metadata: Some(Metadata { name: self.whom.calls.name(), ..Metadata::default() }),
            spec: Some(DenyPolicySpec {
                apis: api,
                applications: app,
                users: user,
                clients: client,
                addresses: ip,
                expires_at: self.lasts.map(until),
                reason: self.reason.clone(),
                ..DenyPolicySpec::default()
            }),
        }
    }
}

impl Calls {
    /// The name of the policy about them. Where it cannot say all that they are called, a number at
    /// its end tells it from others.
    fn name(&self) -> String {
        let lists = [
            ("app", &self.app),
            ("user", &self.user),
            ("client", &self.client),
            ("ip", &self.ip),
            ("api", &self.api),
        ];
        let (mut name, mut exact) = (String::from("block"), String::new());
        for (what, entry) in
            lists.iter().flat_map(|(what, list)| list.iter().map(move |entry| (what, entry)))
        {
            name = format!("{name}-{what}-{entry}");
            exact = format!("{exact}\n{what} {entry}");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let plain = name.bytes().all(is_plain) && name.len() <= LONGEST_NAME;
        if plain {
            return name;
        }
        let shown = name.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '-' });
        let shown: String = shown.take(LONGEST_NAME - 9).collect();
        format!("{shown}-{:08x}", told_apart(&exact))
    }
}

/// A number that nearly always differs where the texts do (FNV-1a).
fn told_apart(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        block: Block,
    }

    /// The policy that a command line makes at the 100th second, in its JSON form.
    #[track_caller]
    fn check(line: &str, spec: &serde_json::Value, name: &str) {
        let Line { block } = Line::parse_from(format!("block {line}").split(' '));
        let resource = Resource { resource: Some(AnyResource::DenyPolicy(block.policy(100))) };
        let value = plan::to_json(&resource);
        assert_eq!(value.pointer("/spec"), Some(spec), "{value}");
        assert_eq!(value.pointer("/metadata/name").and_then(|name| name.as_str()), Some(name));
        // What is named so is a resource that may be stored.
        assert_eq!(format!("DenyPolicy/{name}").parse::<plan::ResourceKey>().unwrap().name(), name);
    }

    #[test]
    fn a_policy_says_whom_it_is_about() {
        check("--user ann", &json!({ "users": ["ann"] }), "block-user-ann");
        check(
            "--app shop --api orders:1.0 --for 1h --reason abuse",
            &json!({
                "applications": ["shop"], "apis": ["orders:1.0"],
                "expiresAt": "1970-01-01T01:01:40Z", "reason": "abuse",
            }),
            "block-app-shop-api-orders-1.0-5cf628c4",
        );
    }

    #[test]
    fn policies_about_others_have_other_names() {
        let named = |line: &str| {
            let Line { block } = Line::parse_from(format!("block {line}").split(' '));
            block.whom.calls.name()
        };
        assert_ne!(named("--user a@b"), named("--user a!b"));
        assert_ne!(named("--ip 10.0.0.0/8"), named("--ip 10.0.0.0-10.0.0.8"));
        let long = "x".repeat(200);
        assert!(named(&format!("--user {long}")).len() <= LONGEST_NAME);
        assert_ne!(named(&format!("--user {long}a")), named(&format!("--user {long}b")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "s --user ann", "--user ann --production-only", "s --for 1h", "--for 1h"] {
            let line = format!("block {line}");
            assert!(Line::try_parse_from(line.trim_end().split(' ')).is_err(), "{line}");
        }
        for line in ["s", "s --production-only", "--ip 10.0.0.1 --user ann"] {
            let line = format!("block {line}");
            assert!(Line::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
