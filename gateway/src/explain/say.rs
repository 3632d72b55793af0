//! How is it told how a call was judged?
//!
//! Beside an answer as a list of structured fields (RFC 9651), one field a stage. In place of an answer as
//! a JSON document of the same.

use std::fmt::Write as _;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::json;

use super::stage::{Stage, Verdict};
use super::view::{Refusal, View};
use crate::body::Body;
use crate::identity::{DEBUG, EXPLAIN};

static FIELD: HeaderName = HeaderName::from_static(DEBUG);
static EXPLAINED: HeaderName = HeaderName::from_static(EXPLAIN);
/// More of a fact is left out of a field.
const MOST_CHARACTERS: usize = 400;

/// A stage, what it said, and what there is to say about it.
pub(super) struct Step {
    pub(super) stage: Stage,
    pub(super) verdict: Verdict,
    pub(super) told: Vec<(&'static str, String)>,
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Told<'a>(&'a [(&'static str, String)]);
        impl Serialize for Told<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
            }
        }
        let mut step = serializer.serialize_struct("Step", 3)?;
        step.serialize_field("stage", self.stage.name())?;
        step.serialize_field("verdict", self.verdict.name())?;
        step.serialize_field("facts", &Told(&self.told))?;
        step.end()
    }
}

/// Writes the stages into fields of the answer. What somebody else has said under that name is gone.
pub(super) fn fields(view: &View, steps: &[Step], headers: &mut HeaderMap) {
    headers.remove(&FIELD);
    let refusal = view.refusal.as_ref().map(|refusal| {
        let Refusal { stage, status, code, reason, .. } = refusal;
        let mut field = format!("refusal;stage={};status={status};code={code}", stage.name());
        parameter(&mut field, "reason", reason);
        field
    });
    let steps = steps.iter().map(|Step { stage, verdict, told }| {
        let mut field = format!("{};verdict={}", stage.name(), verdict.name());
        for (name, value) in told {
            parameter(&mut field, name, value);
        }
        field
    });
    for field in refusal.into_iter().chain(steps) {
        if let Ok(value) = HeaderValue::try_from(field) {
            headers.append(FIELD.clone(), value);
        }
    }
}

/// Adds a parameter whose value is a string (RFC 9651 sections 3.1.2 and 3.3.3).
fn parameter(field: &mut String, name: &str, value: &str) {
    field.push(';');
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            field.push('_');
        }
        field.push(letter.to_ascii_lowercase());
    }
    field.push_str("=\"");
    for letter in value.chars().take(MOST_CHARACTERS) {
        match letter {
            '"' | '\\' => {
                // Writing to a string cannot fail.
                let _ = write!(field, "\\{letter}");
            }
            ' '..='~' => field.push(letter),
            _ => field.push('?'),
        }
    }
    field.push('"');
}

/// Puts a document in the place of the answer.
pub(super) fn document(view: &View, steps: &[Step], response: &mut Response<Body>) {
    let refusal = view.refusal.as_ref().map(|refusal| {
        let Refusal { stage, status, code, message, reason, .. } = refusal;
        json!({
            "stage": stage.name(), "status": status, "code": code.to_string(),
            "message": message, "reason": reason,
        })
    });
    let answers =
        if view.target.is_some() && view.refusal.is_none() { "backend" } else { "gateway" };
    let allowed = view.refusal.is_none();
    let document =
        json!({ "allowed": allowed, "answers": answers, "refusal": refusal, "stages": steps });
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(EXPLAINED.clone(), HeaderValue::from_static("1"));
    *response.body_mut() = Body::full(document.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: &str) {
        let mut field = String::new();
        parameter(&mut field, name, value);
        assert_eq!(field, expected);
    }

    #[test]
    fn a_value_cannot_end_its_string() {
        check("id", "orders:1.0", ";id=\"orders:1.0\"");
        check("keyManager", "a\"b\\c", ";key_manager=\"a\\\"b\\\\c\"");
        check("user", "j\u{fc}rg\r\nx: y", ";user=\"j?rg??x: y\"");
        check("had", &"x".repeat(1000), &format!(";had=\"{}\"", "x".repeat(MOST_CHARACTERS)));
    }
}
