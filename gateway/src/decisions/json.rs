//! How does a question look in JSON, and is an answer some?

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::answer::Undecided;
use super::question::{Attribute, Question, Value};
use crate::date::rfc3339;

/// Attributes by their names.
pub(super) fn object(attributes: &[Attribute<'_>]) -> Map<String, Json> {
    attributes.iter().map(|one| (one.name.to_owned(), value(&one.value))).collect()
}

/// What the owner of the API says with every question.
pub(super) fn context(question: &Question<'_>) -> Map<String, Json> {
    let said = question.context.iter();
    said.map(|(name, text)| (name.to_string(), Json::from(&**text))).collect()
}

/// Everything that is asked about, by category.
pub(super) fn whole(question: &Question<'_>) -> Map<String, Json> {
    let categories = [
        ("subject", object(&question.subject)),
        ("action", object(&question.action)),
        ("resource", object(&question.resource)),
        ("environment", object(&question.environment)),
        ("context", context(question)),
    ];
    let named = |(name, members): (&str, Map<String, Json>)| (name.to_owned(), members.into());
    categories.into_iter().map(named).collect()
}

/// An answer that is an object; a list would be read by the order of its members.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Undecided> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Undecided::Unreadable("it is no JSON object".into()));
    }
    serde_json::from_slice(body).map_err(|error| Undecided::Unreadable(Box::new(error)))
}

fn value(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => Json::from(&**text),
        Value::Texts(texts) => texts.iter().copied().map(Json::from).collect(),
        Value::Instant(unix) => Json::from(rfc3339(*unix)),
        Value::Address(address) => Json::from(address.to_string()),
        Value::Claims(claims) => {
            let named = |(name, value): &(&str, std::borrow::Cow<'_, Json>)| {
                ((*name).to_owned(), (**value).clone())
            };
            Json::Object(claims.iter().map(named).collect())
        }
        Value::Fields(fields) => {
            let named = |(name, text): &(&str, String)| ((*name).to_owned(), text.as_str().into());
            Json::Object(fields.iter().map(named).collect())
        }
    }
}
