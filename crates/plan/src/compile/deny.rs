//! Which calls does a `DenyPolicy` refuse?

use std::net::IpAddr;
use std::sync::Arc;

use turnpike_proto::config::v1::{DenyPolicy, DenyPolicySpec};

use super::address::{Addresses, Family};
use super::api::ApiPlan;
use super::head::{check_description, has_control, required};
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;

/// The most entries of a list.
const MAX_ENTRIES: usize = 1_000;
/// The most networks that the addresses of a policy may come to.
const MAX_NETWORKS: usize = 20_000;
/// The longest name of a user or a client, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// A `DenyPolicy`, ready to be asked. A list that is `None` matches every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Seconds since the Unix epoch from which on it does nothing; `None`: never.
    pub expires_at: Option<i64>,
    pub(crate) disabled: bool,
    pub(crate) apis: Option<ApiNames>,
    pub(crate) applications: Option<Names>,
    pub(crate) users: Option<Names>,
    pub(crate) clients: Option<Names>,
    pub(crate) addresses: Option<Addresses>,
}

/// Names in order.
pub(crate) type Names = Box<[Arc<str>]>;

/// APIs in one version, and in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiNames {
    /// `name:version`.
    pub(crate) ids: Names,
    /// The names of those that are meant in every version.
    pub(crate) names: Names,
}

/// What is called, from where and when: what is known of a call before its caller is.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The API or product that is called.
    pub called: &'a ApiPlan,
    /// The API that serves it.
    pub home: &'a ApiPlan,
    /// The address of the client.
    pub address: IpAddr,
    /// The time, in seconds since the Unix epoch.
    pub now_unix: i64,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The application.
    pub application: Option<&'a str>,
    /// The consumer key of the client.
    pub client: Option<&'a str>,
    /// What the user is called.
    pub users: &'a [&'a str],
}

impl DenyPlan {
    /// Whether it refuses the call, as far as that is said by where it comes from and what it calls.
    pub(crate) fn meets(&self, visit: &Visit<'_>) -> bool {
        self.expires_at.is_none_or(|end| visit.now_unix < end)
            && self.apis.as_ref().is_none_or(|apis| apis.meet(visit.called, visit.home))
            && self.addresses.as_ref().is_none_or(|set| set.contains(visit.address))
    }

    /// Whether it refuses calls of the caller.
    pub(crate) fn means(&self, visitor: &Visitor<'_>) -> bool {
        let has = |names: &Option<Names>, name: Option<&str>| {
            names.as_ref().is_none_or(|names| name.is_some_and(|name| is_in(names, name)))
        };
        let named = |names: &Names| visitor.users.iter().any(|user| is_in(names, user));
        has(&self.applications, visitor.application)
            && has(&self.clients, visitor.client)
            && self.users.as_ref().is_none_or(named)
    }
}

impl ApiNames {
    /// Whether they are about calls of `called`, which `home` serves.
    pub(super) fn meet(&self, called: &ApiPlan, home: &ApiPlan) -> bool {
        [called, home].iter().any(|api| is_in(&self.ids, &api.id) || is_in(&self.names, &api.name))
    }
}

fn is_in(names: &Names, name: &str) -> bool {
    names.binary_search_by(|known| (**known).cmp(name)).is_ok()
}

pub(crate) fn compile_deny(
    name: &str,
    policy: &DenyPolicy,
    problems: &mut Problems,
) -> Option<DenyPlan> {
    let spec = required(policy.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.reason, &at.name("reason"), problems);
    if names_nothing(spec) {
        let reason = "a policy that names nothing would refuse every call";
        let suggestion = "name apis, applications, users, clients, addresses or notAddresses";
        problems.add(&at, reason, suggestion);
    }
    let is_text =
        |text: &str| !text.is_empty() && text.len() <= MAX_NAME_BYTES && !has_control(text);
    let applications = (&spec.applications[..], "applications", "is no name of an application");
    let users = (&spec.users[..], "users", "has not 1 to 512 bytes on one line");
    let clients = (&spec.clients[..], "clients", "has not 1 to 512 bytes on one line");
    let plan = DenyPlan {
        name: name.into(),
        // Rounded up: until the last moment it is in force.
        expires_at: spec
            .expires_at
            .as_ref()
            .map(|at| at.seconds.saturating_add(i64::from(at.nanos > 0))),
        disabled: spec.disabled,
        apis: compile_apis(&spec.apis, &at, problems),
        applications: compile_names(applications, is_name, &at, problems),
        users: compile_names(users, is_text, &at, problems),
        clients: compile_names(clients, is_text, &at, problems),
        addresses: compile_addresses(spec, &at, problems),
    };
    problems.is_empty().then_some(plan)
}

fn names_nothing(spec: &DenyPolicySpec) -> bool {
    let lists = [
        &spec.apis,
        &spec.applications,
        &spec.users,
        &spec.clients,
        &spec.addresses,
        &spec.not_addresses,
    ];
    lists.iter().all(|list| list.is_empty())
}

/// The APIs that are named; `None`: all are meant.
pub(super) fn compile_apis(
    given: &[String],
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<ApiNames> {
    let at = at.name("apis");
    if given.is_empty() || is_too_long(given, &at, problems) {
        return None;
    }
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for (index, text) in given.iter().enumerate() {
        match text.split_once(':') {
            Some((name, "*")) if is_name(name) => names.push(name.into()),
            Some((name, version)) if is_name(name) && is_name(version) => {
                ids.push(text.as_str().into());
            }
            _ => {
                let reason = format!("`{}` names no API", shown(text));
                problems.add(&at.index(index), reason, "write `name:version`, or `name:*` for all");
            }
        }
    }
    Some(ApiNames { ids: ordered(ids), names: ordered(names) })
}

fn compile_names(
    (given, field, wrong): (&[String], &str, &str),
    is_right: impl Fn(&str) -> bool,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Names> {
    let at = at.name(field);
    if given.is_empty() || is_too_long(given, &at, problems) {
        return None;
    }
    for (index, text) in given.iter().enumerate().filter(|(_, text)| !is_right(text)) {
        problems.add(&at.index(index), format!("`{}` {wrong}", shown(text)), "");
    }
    Some(ordered(given.iter().map(|text| text.as_str().into()).collect()))
}

/// `addresses` without `notAddresses`.
fn compile_addresses(
    spec: &DenyPolicySpec,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Addresses> {
    if spec.addresses.is_empty() && spec.not_addresses.is_empty() {
        return None;
    }
    let mut read = |given: &[String], field: &str| {
        let (at, mut set) = (at.name(field), Addresses::default());
        if is_too_long(given, &at, problems) {
            return set;
        }
        for (index, text) in given.iter().enumerate() {
            if let Err((reason, suggestion)) = set.add(text.trim()) {
                problems.add(&at.index(index), reason, suggestion);
            }
        }
        set
    };
    let (named, not) =
        (read(&spec.addresses, "addresses"), read(&spec.not_addresses, "notAddresses"));
    let named = if spec.addresses.is_empty() { Addresses::all() } else { named };
    let left = named.without(&not);
    if left.is_empty() && problems.is_empty() {
        problems.add(&at.name("notAddresses"), "no address is left that is refused", "");
    }
    let networks: usize = Family::ALL.map(|family| left.networks(family).count()).iter().sum();
    if networks > MAX_NETWORKS {
        let reason = format!("the addresses come to {networks} networks, at most {MAX_NETWORKS}");
        let suggestion = "write networks instead of ranges, or several policies";
        problems.add(&at.name("addresses"), reason, suggestion);
    }
    Some(left)
}

fn is_too_long(given: &[String], at: &At<'_>, problems: &mut Problems) -> bool {
    let too_long = given.len() > MAX_ENTRIES;
    if too_long {
        problems.add(at, format!("there are {}, at most {MAX_ENTRIES}", given.len()), "");
    }
    too_long
}

fn ordered(mut names: Vec<Arc<str>>) -> Names {
    names.sort_unstable();
    names.dedup();
    names.into()
}
