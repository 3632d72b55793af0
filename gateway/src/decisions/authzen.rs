//! How is a decision point asked that speaks `AuthZEN`?
//!
//! OpenID Authorization API 1.0, the evaluation of one request: subject, action and resource, each
//! with properties, and a context. `decision` is a boolean, or there is none.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::answer::{Decision, Undecided};
use super::json;
use super::question::Question;
use crate::upstream::Heard;

/// What an evaluation comes to.
#[derive(Deserialize)]
struct Answer {
    decision: Option<Json>,
}

/// The body of the question.
pub(super) fn body(question: &Question<'_>) -> Bytes {
    let mut context = json::context(question);
    context.extend(json::object(&question.environment));
    let evaluation = json!({
        "subject": entity(json::object(&question.subject)),
        "action": json::object(&question.action),
        "resource": entity(json::object(&question.resource)),
        "context": context,
    });
    evaluation.to_string().into()
}

/// A type and an identifier, with everything else as properties.
fn entity(mut members: Map<String, Json>) -> Json {
    let (kind, id) = (members.remove("type"), members.remove("id"));
    json!({ "type": kind, "id": id, "properties": members })
}

/// What comes of the answer.
pub(super) fn read(heard: &Heard) -> Result<Decision, Undecided> {
    if heard.status != StatusCode::OK {
        return Err(Undecided::Status(heard.status.as_u16()));
    }
    let answer: Answer = json::read(&heard.body)?;
    match answer.decision {
        Some(Json::Bool(true)) => Ok(Decision::Permit(Box::default())),
        Some(Json::Bool(false)) => Ok(Decision::Deny(None)),
        _ => Err(Undecided::Missing),
    }
}
