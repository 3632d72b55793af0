//! Who outside is asked whether a call may be made, and in which words?
//!
//! To its decision points a gateway is a client like any other. What it asks them is described as a
//! call of an API with one open operation, so that everything that is true of calls to servers
//! (balance, TLS, credentials, breakers) is true of questions.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, PROXY_AUTHORIZATION,
    USER_AGENT,
};
use http::uri::PathAndQuery;
use turnpike_proto::config::v1::endpoint::Protocol as Wire;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::{Endpoint, Entitlement, ExternalAuthorization};

use super::api::{ApiPlan, Place, unknown};
use super::backend::{EndpointPlan, compile_endpoint};
use super::operation::{OperationPlan, open_operation};
use super::places::{Placed, Places, Whose};
use super::range::span;
use crate::problem::{At, Problems, shown};
use crate::resource::ResourceKey;

pub use turnpike_proto::config::v1::external_authorization::{OnFailure, Protocol};

/// How long a decision may take, unless the API says otherwise.
const USUAL_TIMEOUT: Duration = Duration::from_millis(200);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(10);
const MAX_PATH_BYTES: usize = 1024;
const MAX_FIELDS: usize = 64;
const MAX_CONTEXT: usize = 32;
const MAX_CONTEXT_BYTES: usize = 256;
/// What of gRPC stands in the place of a path.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const EVALUATION: &str = "/access/v1/evaluation";
/// What is shown unless the API says otherwise: how the client speaks, and nothing that opens doors.
const USUAL_FIELDS: [HeaderName; 6] =
    [ACCEPT, ACCEPT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, USER_AGENT];

/// A decision point, ready to be asked.
#[derive(Clone, Debug)]
pub struct DecisionPointPlan {
    /// What it speaks.
    pub protocol: Protocol,
    /// The servers.
    pub endpoint: Arc<EndpointPlan>,
    /// How long a decision may take.
    pub timeout: Duration,
    /// What becomes of a call about which nobody could decide.
    pub on_failure: OnFailure,
    /// Which of the client's header fields it is shown.
    pub shown: ShownFields,
    /// What it is told with every question, by name.
    pub context: Vec<(Box<str>, Box<str>)>,
    /// Whose calls it is asked about, as an API that asks.
    pub api: Arc<ApiPlan>,
    /// The operation of it that asks.
    pub question: Arc<OperationPlan>,
}

/// Header fields that a decision point is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownFields {
    /// These.
    These(Vec<HeaderName>),
    /// All but credentials for the gateway, and cookies.
    All,
}

/// The decision points of one API, while it is compiled.
pub(crate) type DecisionPoints<'n> = Places<'n, DecisionPointPlan>;

impl DecisionPointPlan {
    /// The path and query that are asked for below the URLs of the servers.
    pub fn path(&self) -> &str {
        &self.question.path
    }
}

impl Placed for DecisionPointPlan {
    type Written = ExternalAuthorization;

    const MANY: &'static str = "decision points";

    fn off() -> ExternalAuthorization {
        ExternalAuthorization { off: true, ..ExternalAuthorization::default() }
    }

    fn is_off(written: &ExternalAuthorization) -> bool {
        written.off
    }

    fn compile(
        written: &ExternalAuthorization,
        whose: Whose<'_>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let protocol = Protocol::try_from(written.protocol).unwrap_or_else(|_| {
            problems.add(&at.name("protocol"), unknown(written.protocol), "");
            Protocol::ExtAuthz
        });
        let on_failure = OnFailure::try_from(written.on_failure).unwrap_or_else(|_| {
            problems.add(&at.name("onFailure"), unknown(written.on_failure), "");
            OnFailure::Deny
        });
        let timeout = span(
            written.timeout.as_ref(),
            USUAL_TIMEOUT,
            &(SHORTEST..=LONGEST),
            &at.name("timeout"),
            problems,
        );
        let path = path(protocol, &written.path, &at.name("path"), problems);
        let shown = shown_fields(&written.request_headers, &at.name("requestHeaders"), problems);
        let context = context(written, &at.name("context"), problems);
        let endpoint = endpoint(written, protocol, whose, at, problems)?;
        Some(Self {
            protocol,
            endpoint: Arc::new(endpoint),
            timeout,
            on_failure,
            shown,
            context,
            api: Arc::new(asking(whose.key)),
            question: Arc::new(open_operation("POST", &path)),
        })
    }
}

/// The API that asks about the calls of `key`.
fn asking(key: &ResourceKey) -> ApiPlan {
    let lifecycle = Lifecycle::Published;
    let (context, default_version, owner, tenant, gateways) = ("/", false, "", "", &[][..]);
    ApiPlan::at(key, &Place { context, default_version, owner, tenant, lifecycle, gateways })
}

fn endpoint(
    written: &ExternalAuthorization,
    protocol: Protocol,
    whose: Whose<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<EndpointPlan> {
    let here = at.name("endpoint");
    let Some(endpoint) = &written.endpoint else {
        problems.add(&here, "nobody is named who decides", "write `endpoint: { urls: [ … ] }`");
        return None;
    };
    if endpoint.sticky.is_some() {
        let reason = "what decides is asked by the gateway, so no client gets its cookie";
        let suggestion = "leave it out, or write `balance: ring_hash`";
        problems.add(&here.name("sticky"), reason, suggestion);
    }
    let endpoint = wired(endpoint, protocol, &here, problems);
    let mut plan = compile_endpoint(&endpoint, whose.named, &here, problems)?;
    // To ask twice is as good as to ask once.
    plan.retries.any_method = true;
    Some(plan)
}

/// The endpoint with what the protocol means for it written into it.
fn wired(
    endpoint: &Endpoint,
    protocol: Protocol,
    at: &At<'_>,
    problems: &mut Problems,
) -> Endpoint {
    let mut endpoint = endpoint.clone();
    if protocol == Protocol::ExtAuthz {
        if endpoint.protocol == i32::from(Wire::Http1) {
            problems.add(at, "gRPC needs HTTP/2", "write `protocol: h2`, or leave it out");
        }
        endpoint.protocol = Wire::H2.into();
    }
    endpoint
}

fn path(protocol: Protocol, text: &str, at: &At<'_>, problems: &mut Problems) -> String {
    let text = match (protocol, text) {
        (Protocol::ExtAuthz, "") => CHECK,
        (Protocol::Authzen, "") => EVALUATION,
        (Protocol::ExtAuthz, _) => {
            problems.add(at, "gRPC says itself what is asked for", "leave it out");
            CHECK
        }
        (Protocol::Opa, "") => {
            let suggestion = "write for example `/v1/data/orders/allow`";
            problems.add(at, "the rule is missing", suggestion);
            EVALUATION
        }
        (Protocol::Authzen | Protocol::Opa, text) => text,
    };
    let whole = |parsed: PathAndQuery| parsed.as_str() == text && text.starts_with('/');
    let good = text.len() <= MAX_PATH_BYTES && PathAndQuery::try_from(text).is_ok_and(whole);
    if !good {
        let reason = format!("`{}` is no path of at most {MAX_PATH_BYTES} bytes", shown(text));
        problems.add(at, reason, "start it with `/`, and escape what is not plain");
    }
    text.to_owned()
}

fn shown_fields(names: &[String], at: &At<'_>, problems: &mut Problems) -> ShownFields {
    if names.len() > MAX_FIELDS {
        problems.add(at, format!("there are {}, at most {MAX_FIELDS}", names.len()), "");
        return ShownFields::These(Vec::new());
    }
    if names.is_empty() {
        return ShownFields::These(USUAL_FIELDS.to_vec());
    }
    if names == ["*"] {
        return ShownFields::All;
    }
    let each = |(index, name): (usize, &String)| {
        let (reason, suggestion) = match HeaderName::from_bytes(name.as_bytes()) {
            _ if name == "*" => ("`*` stands alone".to_owned(), "leave out the others"),
            Ok(name) if name == HOST => ("the Host is told in any case".to_owned(), "leave it out"),
            Ok(name) if name == PROXY_AUTHORIZATION => {
                ("it is for proxies alone".to_owned(), "leave it out")
            }
            Ok(name) => return Some(name),
            Err(_) => {
                let reason = format!("`{}` is no name of a header field", shown(name));
                (reason, "use letters, digits and `-`")
            }
        };
        problems.add(&at.index(index), reason, suggestion);
        None
    };
    ShownFields::These(names.iter().enumerate().filter_map(each).collect())
}

fn context(
    written: &ExternalAuthorization,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<(Box<str>, Box<str>)> {
    if written.context.len() > MAX_CONTEXT {
        let reason = format!("there are {}, at most {MAX_CONTEXT}", written.context.len());
        problems.add(at, reason, "");
        return Vec::new();
    }
    for (name, value) in &written.context {
        if name.is_empty() || name.len() > MAX_CONTEXT_BYTES || value.len() > MAX_CONTEXT_BYTES {
            let reason = format!("name and value have at most {MAX_CONTEXT_BYTES} bytes");
            problems.add(&at.name(name), reason, "");
        }
    }
    let pair = |(name, value): (&String, &String)| (name.as_str().into(), value.as_str().into());
    written.context.iter().map(pair).collect()
}

/// Nothing here reads policy sets yet, and nothing passes unjudged that asks to be judged.
pub(crate) fn refuse_entitlement(
    entitlement: Option<&Entitlement>,
    at: &At<'_>,
    problems: &mut Problems,
) {
    if entitlement.is_some() {
        let reason = "no decision point of this version reads policy sets";
        problems.add(at, reason, "leave it out, or name who decides in `externalAuthorization`");
    }
}

#[cfg(test)]
#[path = "decision_point_tests.rs"]
mod tests;
