//! What does a request carry: parameters, conditions, a document?

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use plan::Resource;
use prost::Message;
use serde_json::Value;
use url::form_urlencoded;

use super::fault::Fault;
use crate::edge::json;

/// The largest document; a resource in it is at most 4 MiB, which admission says by name.
pub(super) const DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// The parameters after the question mark; an unknown one is refused by [`Query::done`].
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    pub(super) fn switch(&mut self, name: &str) -> Result<bool, Fault> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(Fault::Request(format!("{name} is true or false, not `{other}`"))),
        }
    }

    pub(super) fn span(&mut self, name: &str) -> Result<Option<Duration>, Fault> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let span = chassis::config::duration::parse(&text);
        span.map(Some).map_err(|error| Fault::Request(format!("{name}: {error}")))
    }

    pub(super) fn done(self, known: &[&str]) -> Result<(), Fault> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let near = chassis::config::nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(Fault::Request(format!("there is no parameter `{name}` here{near}")))
    }
}

/// What must hold for a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// Of `If-Match`; 0: none.
    pub(super) revision: u64,
    /// `If-None-Match: *`.
    pub(super) absent: bool,
}

impl Condition {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut condition = Self::default();
        if let Some(tag) = headers.get(IF_MATCH) {
            let text = tag.to_str().unwrap_or_default();
            let revision = text.trim().trim_matches('"').parse();
            condition.revision = revision.map_err(|_| {
                Fault::Request("If-Match carries one tag as an ETag of ours has it".to_owned())
            })?;
        }
        if let Some(tag) = headers.get(IF_NONE_MATCH) {
            if tag.as_bytes() != b"*" {
                return Err(Fault::Request("If-None-Match understands only *".to_owned()));
            }
            condition.absent = true;
        }
        Ok(condition)
    }
}

/// The languages of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    /// Also where nothing is said: JSON is YAML.
    Yaml,
}

impl Language {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let Some(field) = headers.get(CONTENT_TYPE) else { return Ok(Self::Yaml) };
        let text = String::from_utf8_lossy(field.as_bytes()).to_ascii_lowercase();
        match text.split(';').next().unwrap_or_default().trim() {
            "application/json" => Ok(Self::Json),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
                Ok(Self::Yaml)
            }
            other => Err(Fault::MediaType(other.to_owned())),
        }
    }
}

/// The message of this name that a JSON body holds; an empty body is an empty message.
pub(super) fn read<T: Message + Default>(name: &str, body: &Bytes) -> Result<T, Fault> {
    let value = if body.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        let value = serde_json::from_slice(body);
        value.map_err(|error| Fault::Request(format!("the body is not JSON: {error}")))?
    };
    json::read(name, value).map_err(Fault::Request)
}

/// All resources of a document, or all its problems.
pub(super) fn resources(body: &Bytes) -> Result<Vec<Resource>, Fault> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Fault::Request(format!("the document is not UTF-8: {error}")))?;
    let (resources, problems) = plan::read_document(text, "");
    if problems.is_empty() { Ok(resources) } else { Err(Fault::Problems(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[(&'static str, &str)], expected: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        let said = match (Condition::of(&headers), Language::of(&headers)) {
            (Ok(condition), Ok(language)) => {
                format!("{} {} {language:?}", condition.revision, condition.absent)
            }
            (Err(fault), _) | (_, Err(fault)) => format!("{fault:?}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn conditions_and_languages_are_read() {
        check(&[], "0 false Yaml");
        check(
            &[("if-match", "\"17\""), ("content-type", "application/json; charset=utf-8")],
            "17 false Json",
        );
        check(&[("if-none-match", "*")], "0 true Yaml");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        check(
            &[("if-match", "\"x\"")],
            r#"Request("If-Match carries one tag as an ETag of ours has it")"#,
        );
        check(&[("content-type", "application/xml")], r#"MediaType("application/xml")"#);
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest() {
        let query = Query::of(Some("dryrun=true"));
        let refused = query.done(&["dryRun", "wait"]).unwrap_err();
        assert!(format!("{refused:?}").contains("did you mean dryRun"), "{refused:?}");
    }
}
