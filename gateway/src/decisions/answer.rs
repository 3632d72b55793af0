//! What does somebody say who decides about a call?

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use plan::belongs_to_gateway;

use crate::fault::Worded;
use crate::identity::is_identity;
use crate::one_hop::ends_here;

/// The most changes of one kind that are made.
const MOST_CHANGES: usize = 64;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A decision.
#[derive(Debug)]
pub enum Decision {
    /// The call may be made, and this is to be done with it.
    Permit(Box<Obligations>),
    /// It may not; with the words for its client, if there are any.
    Deny(Option<Box<Worded>>),
}

/// What is to be done with a call that may be made.
#[derive(Debug, Default)]
pub struct Obligations {
    /// To the header fields of the request.
    pub request: Vec<Change>,
    /// Names of fields, in lower case, that the backend does not get.
    pub drops: Vec<HeaderName>,
    /// Parameters of the query that the backend gets, decoded.
    pub parameters: Vec<(String, String)>,
    /// Names of parameters, decoded, that the backend does not get.
    pub drops_parameters: Vec<String>,
    /// To the header fields of the answer.
    pub answer: Vec<Change>,
}

/// A change of one header field.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub name: HeaderName,
    /// What it shall say.
    pub value: HeaderValue,
    /// What becomes of what is there.
    pub how: How,
}

/// What becomes of header fields that are there when another one of their name comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// They stay beside it.
    Add,
    /// They stay, and it does not come.
    AddIfAbsent,
    /// They go.
    Replace,
    /// They go; where there is none, it does not come.
    ReplaceIfPresent,
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The answer is none of the protocol's.
    #[error("the decision point answered with status {0}")]
    Status(u16),
    /// The answer says by gRPC that there is none.
    #[error("the decision point answered with gRPC status {0}")]
    GrpcStatus(String),
    /// The answer cannot be read.
    #[error("the answer of the decision point cannot be read")]
    Unreadable(#[source] Cause),
    /// The answer says nothing that decides.
    #[error("the answer of the decision point holds no decision")]
    Missing,
}

/// Whether so many changes of one kind are no more than are made.
pub(super) fn few(count: usize) -> Result<(), Undecided> {
    if count > MOST_CHANGES {
        return Err(Undecided::Unreadable("there are too many changes".into()));
    }
    Ok(())
}

/// The words of a refusal. A status that is none of a refusal becomes 403, and fields that belong to
/// the gateway are left out.
pub(super) fn worded(status: Option<u16>, changes: &[Change], body: Bytes) -> Worded {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let refuses = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    let mut headers = HeaderMap::new();
    apply(changes.iter().filter(|change| !is_out_of_reach(&change.name)), &mut headers);
    Worded { status: status.filter(refuses).unwrap_or(StatusCode::FORBIDDEN), headers, body }
}

/// Whether the field called `name` is nothing that somebody else decides about: fields of the
/// connection and of the framing, what is a word of the gateway, and the handshake of WebSocket.
pub(super) fn is_out_of_reach(name: &HeaderName) -> bool {
    let name = name.as_str();
    ends_here(name)
        || belongs_to_gateway(name)
        || is_identity(name)
        || name.starts_with("sec-websocket-")
}

/// Makes changes, one after the other.
pub(super) fn apply<'c>(changes: impl Iterator<Item = &'c Change>, headers: &mut HeaderMap) {
    for Change { name, value, how } in changes {
        let there = headers.contains_key(name);
        match how {
            How::AddIfAbsent if there => {}
            How::ReplaceIfPresent if !there => {}
            How::Add | How::AddIfAbsent => drop(headers.append(name.clone(), value.clone())),
            How::Replace | How::ReplaceIfPresent => {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}
