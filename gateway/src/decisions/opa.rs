//! How is Open Policy Agent asked?
//!
//! By its data API: the question is the `input` of a rule, and what the rule comes to is the answer.
//! A rule that is not defined for a question does not permit it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::answer::{Change, Decision, How, Obligations, Undecided, few};
use super::json;
use super::question::Question;
use crate::upstream::Heard;

/// What the data API answers with.
#[derive(Deserialize)]
struct Answer {
    result: Option<Json>,
}

/// The body of the question.
pub(super) fn body(question: &Question<'_>) -> Bytes {
    json!({ "input": json::whole(question) }).to_string().into()
}

/// What comes of the answer.
pub(super) fn read(heard: &Heard) -> Result<Decision, Undecided> {
    if heard.status != StatusCode::OK {
        return Err(Undecided::Status(heard.status.as_u16()));
    }
    let answer: Answer = json::read(&heard.body)?;
    match answer.result {
        None | Some(Json::Bool(false)) => Ok(Decision::Deny(None)),
        Some(Json::Bool(true)) => Ok(Decision::Permit(Box::default())),
        Some(Json::Object(members)) => members_read(&members),
        Some(_) => Err(Undecided::Missing),
    }
}

/// `{ allow, headers }`: `allow` decides, and is not defined where it is missing.
fn members_read(members: &Map<String, Json>) -> Result<Decision, Undecided> {
    match members.get("allow") {
        None | Some(Json::Bool(false)) => Ok(Decision::Deny(None)),
        Some(Json::Bool(true)) => {
            let request = members.get("headers").map(changes).transpose()?.unwrap_or_default();
            Ok(Decision::Permit(Box::new(Obligations { request, ..Obligations::default() })))
        }
        Some(_) => Err(Undecided::Missing),
    }
}

/// Fields for the backend, by name: a text each.
fn changes(headers: &Json) -> Result<Vec<Change>, Undecided> {
    let unreadable = |text: &str| Undecided::Unreadable(text.to_owned().into());
    let headers = headers.as_object().ok_or_else(|| unreadable("`headers` is no object"))?;
    few(headers.len())?;
    let each = |(name, value): (&String, &Json)| {
        let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let pair = name.zip(value).ok_or_else(|| unreadable("`headers` holds what is no field"));
        pair.map(|(name, value)| Change { name, value, how: How::Replace })
    };
    headers.iter().map(each).collect()
}
