//! Which servers does an endpoint have, and by what is one of them chosen?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use turnpike_proto::config::v1::endpoint::Balance as Form;
use turnpike_proto::config::v1::hash_on::By;
use turnpike_proto::config::v1::{Endpoint, HashOn, Sticky};

use super::api::unknown;
use super::backend_url::{BackendUrl, parse_url};
use super::range::{number, optional_span};
use crate::problem::{At, Problems, shown};

const MAX_SERVERS: usize = 64;
const MAX_WEIGHT: u32 = 1000;
const MAX_PRIORITY: u32 = 15;
const DAY: Duration = Duration::from_hours(24);

/// One server of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// Where it is.
    pub url: BackendUrl,
    /// Its share of the calls; at least 1.
    pub weight: u32,
    /// Lower numbers come first with [`Balance::Failover`], else 0.
    pub priority: u32,
    /// What the cookie of a sticky endpoint calls it.
    pub id: Arc<str>,
}

/// How a server is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, by weight.
    RoundRobin,
    /// The better of two taken at random, by latency and calls under way.
    P2cEwma,
    /// The one with the fewest calls under way, by weight.
    LeastRequests,
    /// By a hash.
    RingHash(HashBy),
    /// In the order of their priorities.
    Failover,
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// A header field; in lower case.
    Header(Arc<str>),
    /// A cookie.
    Cookie(Arc<str>),
    /// The client's address.
    ClientAddress,
    /// The path without its query.
    Path,
}

/// The cookie that keeps a client at its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyPlan {
    /// Its name.
    pub cookie: Arc<str>,
    /// How long the client keeps it; `None`: until its session ends.
    pub ttl: Option<Duration>,
}

pub(super) fn compile_servers(
    endpoint: &Endpoint,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<ServerPlan> {
    let (urls, list) = (at.name("urls"), at.name("servers"));
    match (endpoint.urls.is_empty(), endpoint.servers.is_empty()) {
        (true, true) => {
            let suggestion = "write `urls: [\"http://127.0.0.1:3001\"]`";
            problems.add(&urls, "a backend needs a URL", suggestion);
        }
        (false, false) => {
            let suggestion = "move the URLs to `servers`";
            problems.add(&list, "`urls` and `servers` stand beside each other", suggestion);
        }
        _ => {}
    }
    for (list, length) in [(&urls, endpoint.urls.len()), (&list, endpoint.servers.len())] {
        if length > MAX_SERVERS {
            problems.add(list, format!("there are {length}, at most {MAX_SERVERS}"), "");
            return Vec::new();
        }
    }
    let mut servers = Servers { failover: endpoint.balance == Form::Failover as i32, list: vec![] };
    for (index, url) in endpoint.urls.iter().enumerate() {
        servers.add(url, &urls.index(index), problems);
    }
    let mut ids = BTreeSet::new();
    for (index, server) in endpoint.servers.iter().enumerate() {
        let here = list.index(index);
        let Some(plan) = servers.add(&server.url, &here.name("url"), problems) else { continue };
        plan.weight = number(server.weight, 1, &(1..=MAX_WEIGHT), &here.name("weight"), problems);
        if let Some(priority) = server.priority {
            let here = here.name("priority");
            if endpoint.balance == Form::Failover as i32 {
                plan.priority = number(priority, 0, &(0..=MAX_PRIORITY), &here, problems);
            } else {
                let suggestion = "write `balance: failover`, or leave the priority out";
                problems.add(&here, "a priority has no effect here", suggestion);
            }
        }
        if !server.id.is_empty() {
            plan.id = server.id.as_str().into();
        }
        if !is_id(&plan.id) {
            let reason = format!("`{}` is no server id", shown(&plan.id));
            problems.add(&here.name("id"), reason, "use up to 32 letters, digits, `-` and `_`");
        } else if !ids.insert(Arc::clone(&plan.id)) {
            let reason = format!("`{}` stands twice", plan.id);
            problems.add(&here.name("id"), reason, "give each server its own");
        }
    }
    // There are thousands of endpoints, and most have one server.
    servers.list.shrink_to_fit();
    servers.list
}

struct Servers {
    failover: bool,
    list: Vec<ServerPlan>,
}

impl Servers {
    fn add(&mut self, text: &str, at: &At<'_>, problems: &mut Problems) -> Option<&mut ServerPlan> {
        let place = self.list.len();
        match parse_url(text) {
            Ok(url) if self.list.iter().any(|known| known.url == url) => {
                problems.add(at, "the URL stands twice", "keep one of them");
                None
            }
            Ok(url) => {
                let priority = if self.failover { u32::try_from(place).unwrap_or(0) } else { 0 };
                let id = (place + 1).to_string().into();
                self.list.push(ServerPlan { url, weight: 1, priority, id });
                self.list.last_mut()
            }
            Err((reason, suggestion)) => {
                problems.add(at, reason, suggestion);
                None
            }
        }
    }
}

fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&id.len()) && id.bytes().all(fits)
}

pub(super) fn compile_balance(
    endpoint: &Endpoint,
    at: &At<'_>,
    problems: &mut Problems,
) -> Balance {
    let hash = endpoint.hash_on.as_ref();
    let here = at.name("hashOn");
    if hash.is_some() && endpoint.balance != Form::RingHash as i32 {
        let suggestion = "write `balance: ring_hash`, or leave it out";
        problems.add(&here, "a hash has no effect here", suggestion);
    }
    match Form::try_from(endpoint.balance) {
        Ok(Form::RoundRobin) => Balance::RoundRobin,
        Ok(Form::P2cEwma) => Balance::P2cEwma,
        Ok(Form::LeastRequests) => Balance::LeastRequests,
        Ok(Form::Failover) => Balance::Failover,
        Ok(Form::RingHash) => Balance::RingHash(compile_hash(hash, &here, problems)),
        Err(_) => {
            problems.add(&at.name("balance"), unknown(endpoint.balance), "");
            Balance::RoundRobin
        }
    }
}

fn compile_hash(hash: Option<&HashOn>, at: &At<'_>, problems: &mut Problems) -> HashBy {
    match hash.and_then(|hash| hash.by.as_ref()) {
        Some(By::Header(name)) if is_token(name) => HashBy::Header(name.to_lowercase().into()),
        Some(By::Cookie(name)) if is_token(name) => HashBy::Cookie(name.as_str().into()),
        Some(By::ClientAddress(true)) => HashBy::ClientAddress,
        Some(By::Path(true)) => HashBy::Path,
        Some(By::Header(name) | By::Cookie(name)) => {
            problems.add(at, format!("`{}` is no name", shown(name)), "");
            HashBy::ClientAddress
        }
        Some(By::ClientAddress(false) | By::Path(false)) | None => {
            let suggestion = "write for example `hashOn: { header: x-user }`";
            problems.add(at, "ring_hash needs to know what to hash", suggestion);
            HashBy::ClientAddress
        }
    }
}

pub(super) fn compile_sticky(sticky: &Sticky, at: &At<'_>, problems: &mut Problems) -> StickyPlan {
    let name = if sticky.cookie.is_empty() { "turnpike_server" } else { &sticky.cookie };
    if !is_token(name) {
        let reason = format!("`{}` is no name of a cookie", shown(name));
        problems.add(&at.name("cookie"), reason, "use letters, digits, `-` and `_`");
    }
    let range = Duration::from_secs(1)..=365 * DAY;
    let ttl = optional_span(sticky.ttl.as_ref(), &range, &at.name("ttl"), problems);
    StickyPlan { cookie: name.into(), ttl }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(fits)
}
