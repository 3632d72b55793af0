//! What does a request carry: parameters, conditions, a document?

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use plan::Resource;
use prost::Message;
use prost_reflect::ReflectMessage as _;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::fault::Fault;

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
        if known.contains(&name.as_str()) {
            return Err(Fault::Request(format!("{name} is given twice")));
        }
        let near = chassis::config::nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(Fault::Request(format!("there is no parameter `{name}` here{near}")))
    }
}

/// What must hold for a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// Of `If-Match`: the revisions of which one must be stored; `None`: any, or nothing.
    pub(super) stored: Option<Stored>,
    /// `If-None-Match: *`.
    pub(super) absent: bool,
}

/// What must be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// `*`: whatever it is.
    Anything,
    /// One of these revisions.
    OneOf(Vec<u64>),
}

impl Condition {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut condition = Self::default();
        for field in headers.get_all(IF_MATCH) {
            let text = field.to_str().unwrap_or_default().trim();
            if text == "*" {
                condition.stored = Some(Stored::Anything);
                break;
            }
            let tags: Option<Vec<&str>> = text.split(',').map(opaque).collect();
            let tags = tags.ok_or_else(|| {
                Fault::Request("If-Match carries tags as an ETag of ours has them".to_owned())
            })?;
            let mut all = match condition.stored.take() {
                Some(Stored::OneOf(all)) => all,
                _ => Vec::new(),
            };
            all.extend(tags.into_iter().filter_map(|tag| tag.parse::<u64>().ok()));
            condition.stored = Some(Stored::OneOf(all));
        }
        if let Some(tag) = headers.get(IF_NONE_MATCH) {
            if tag.as_bytes().trim_ascii() != b"*" {
                return Err(Fault::Request("If-None-Match understands only *".to_owned()));
            }
            condition.absent = true;
        }
        Ok(condition)
    }
}

/// What stands between the quotes of a tag; `None`: it is none. A weak one never matches here (RFC 9110
/// section 13.1.1), so it stands for no revision.
fn opaque(tag: &str) -> Option<&str> {
    let tag = tag.trim();
    let is_weak = tag.starts_with("W/");
    let inside = tag.trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?;
    (!inside.contains('"')).then_some(if is_weak { "" } else { inside })
}

/// Whether `If-None-Match` names this tag, or `*`; weak or strong makes no difference.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> Result<bool, Fault> {
    let mut known = false;
    for field in headers.get_all(IF_NONE_MATCH) {
        let tags = field.to_str().unwrap_or("?").split(',').map(str::trim);
        for given in tags.filter(|given| !given.is_empty()) {
            if given != "*" && opaque(given).is_none() {
                let what = "If-None-Match carries tags as an ETag of ours has them, or *";
                return Err(Fault::Request(what.to_owned()));
            }
            let strong = given.trim_start_matches("W/");
            known |= given == "*" || strong.as_bytes() == tag.as_bytes();
        }
    }
    Ok(known)
}

/// Who takes none of what is answered is told so.
pub(super) fn accepts(headers: &HeaderMap, answers: Answers) -> Result<(), Fault> {
    let mut given = String::new();
    for field in headers.get_all(ACCEPT) {
        let field = String::from_utf8_lossy(field.as_bytes()).to_ascii_lowercase();
        for range in field.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                part.strip_prefix("q=")
                    .and_then(|q| q.parse::<f32>().ok())
                    .is_some_and(|q| q <= 0.0)
            });
            let (kinds, _) = answers.media_types();
            if (PROBLEMS.contains(&kind) || kinds.contains(&kind)) && !refused {
                return Ok(());
            }
        }
        given.push_str(&field);
    }
    let (_, offered) = answers.media_types();
    if given.is_empty() {
        return Ok(());
    }
    Err(Fault::Accept { given: given.chars().take(100).collect(), offered })
}

/// What an operation answers with, where it has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Json,
    /// JSON a line, or events.
    Lines,
    /// A file in the form that was asked for.
    File,
}

/// What errors are told in, and whatever takes that.
const PROBLEMS: [&str; 4] = ["*/*", "application/*", "application/problem+json", ""];

impl Answers {
    /// Media types and ranges of them, and the types in words.
    const fn media_types(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Json => (&["application/json"], "application/json"),
            Self::Lines => (
                &["application/x-ndjson", "text/event-stream", "text/*"],
                "application/x-ndjson or text/event-stream",
            ),
            Self::File => (
                &["text/csv", "text/*", "application/json", "application/pdf"],
                "text/csv, application/json or application/pdf",
            ),
        }
    }
}

/// Whether events are asked for, as browsers do (`EventSource`).
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT).into_iter();
    fields.filter_map(|field| field.to_str().ok()).any(|field| field.contains("text/event-stream"))
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

/// The message that a JSON body holds; an empty body is an empty message.
pub(super) fn read<T: Message + Default>(
    name: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, Fault> {
    let value = Value::Object(json_object(headers, body)?);
    let Some(descriptor) = turnpike_proto::POOL.get_message_by_name(name) else {
        return Err(Fault::Broken);
    };
    let message = plan::message_from_json(&descriptor, value).map_err(Fault::Problems)?;
    debug_assert_eq!(message.descriptor().full_name(), name);
    message.transcode_to().map_err(|_| Fault::Broken)
}

/// The members of the object that a JSON body holds; an empty body has none.
pub(super) fn json_object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Fault> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    if headers.contains_key(CONTENT_TYPE) && Language::of(headers)? != Language::Json {
        return Err(Fault::MediaType("YAML".to_owned()));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Fault::Request("the body is no JSON object".to_owned())),
        Err(error) => Err(Fault::Request(format!("the body is not JSON: {error}"))),
    }
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
            headers.append(*name, value.parse().unwrap());
        }
        let accepted = accepts(&headers, Answers::Json);
        let said = match (Condition::of(&headers), Language::of(&headers), accepted) {
            (Ok(condition), Ok(language), Ok(())) => {
                format!("{:?} {} {language:?}", condition.stored, condition.absent)
            }
            (Err(fault), ..) | (_, Err(fault), _) | (.., Err(fault)) => format!("{fault:?}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn conditions_and_languages_are_read() {
        check(&[], "None false Yaml");
        check(
            &[("if-match", "\"17\""), ("content-type", "application/json; charset=utf-8")],
            "Some(OneOf([17])) false Json",
        );
        check(&[("if-match", "\"17\", W/\"18\", \"x\"")], "Some(OneOf([17])) false Yaml");
        check(&[("if-match", "*")], "Some(Anything) false Yaml");
        check(&[("if-none-match", "*")], "None true Yaml");
        check(&[("accept", "text/html, */*;q=0.1")], "None false Yaml");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let reason = r#"Request("If-Match carries tags as an ETag of ours has them")"#;
        check(&[("if-match", "17")], reason);
        check(&[("if-match", "\"1\"2\"")], reason);
        check(&[("if-none-match", "\"1\"")], r#"Request("If-None-Match understands only *")"#);
        check(&[("content-type", "application/xml")], r#"MediaType("application/xml")"#);
        let refused =
            |given: &str| format!(r#"Accept {{ given: "{given}", offered: "application/json" }}"#);
        for given in ["text/html", "application/json;q=0", "text/event-stream"] {
            check(&[("accept", given)], &refused(given));
        }
    }

    #[test]
    fn lines_are_taken_as_lines_and_as_events() {
        for (given, accepted, events) in [
            ("text/event-stream", true, true),
            ("application/x-ndjson", true, false),
            ("*/*", true, false),
            ("application/json", false, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(given))]);
            assert_eq!(accepts(&headers, Answers::Lines).is_ok(), accepted, "{given}");
            assert_eq!(wants_events(&headers), events, "{given}");
        }
    }

    #[test]
    fn a_tag_is_known_whether_it_is_weak_or_not() {
        for (given, expected) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"8\"", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("if-none-match", given.parse().unwrap());
            let known = is_known(&headers, &HeaderValue::from_static("\"7\""));
            assert_eq!(known.unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest() {
        let query = Query::of(Some("dryrun=true"));
        let refused = query.done(&["dryRun", "wait"]).unwrap_err();
        assert!(format!("{refused:?}").contains("did you mean dryRun"), "{refused:?}");
        let mut query = Query::of(Some("wait=all&wait=none"));
        query.take("wait");
        let refused = query.done(&["dryRun", "wait"]).unwrap_err();
        assert!(format!("{refused:?}").contains("wait is given twice"), "{refused:?}");
    }
}
