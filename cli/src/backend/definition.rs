//! Which operation of a definition does a call mean, and what does the definition answer?
//!
//! Swagger 2, OpenAPI 3.0 and 3.1 are read; literal segments win over templates. The answer is the
//! first successful response, or the one that the caller prefers (`Prefer: code=404`).

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::{example, yaml};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Why a definition cannot answer calls.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefinitionError {
    #[error("it is neither JSON nor YAML")]
    Syntax(#[source] serde_norway::Error),
    #[error("it has neither `openapi` nor `swagger`, or no `paths`")]
    NoDefinition,
}

/// What a call gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Absent: the answer has no body.
    pub(super) content: Option<Content>,
}

/// A body and what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    pub(super) media_type: String,
    pub(super) body: String,
}

/// What was found under a path.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Answer(Answer),
    /// The path exists; these methods do.
    OtherMethods(Vec<String>),
    Nothing,
}

#[derive(Debug)]
pub(super) struct Definition {
    root: Value,
    /// The path prefixes under which it says it is served; the empty one is always among them.
    bases: Vec<String>,
    paths: Vec<Path>,
}

#[derive(Debug)]
struct Path {
    segments: Vec<Segment>,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    responses: Map<String, Value>,
    /// Swagger 2: what `produces` names first.
    produces: Option<String>,
    usual: OnceLock<Answer>,
}

/// One segment, cut at its parameters: `{id}.json` is `["", ".json"]`, `orders` is `["orders"]`.
type Segment = Vec<String>;

impl Definition {
    pub(super) fn parse(text: &str) -> Result<Self, DefinitionError> {
        let root: Value = match serde_json::from_str(text) {
            Ok(root) => root,
            Err(_) => yaml::parse(text).map_err(DefinitionError::Syntax)?,
        };
        if root.get("openapi").is_none() && root.get("swagger").is_none() {
            return Err(DefinitionError::NoDefinition);
        }
        let items =
            root.get("paths").and_then(Value::as_object).ok_or(DefinitionError::NoDefinition)?;
        let mut paths: Vec<Path> = items
            .iter()
            .filter_map(|(template, item)| {
                let item = example::resolve(&root, item)?;
                let operations = operations(&root, item);
                Some(Path { segments: segments(template), operations })
            })
            .collect();
        // A literal segment has one piece and no parameter: it comes before every template.
        paths.sort_by_key(|path| path.segments.iter().map(|one| one.len() > 1).collect::<Vec<_>>());
        Ok(Self { bases: bases(&root), paths, root })
    }

    /// `method` in any case, `path` without its query, `prefer` the status asked for.
    pub(super) fn find(&self, method: &str, path: &str, prefer: Option<&str>) -> Found {
        let mut others = Vec::new();
        for base in &self.bases {
            let Some(rest) = path.strip_prefix(base.as_str()) else { continue };
            let rest: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
            for path in self.paths.iter().filter(|path| path.fits(&rest)) {
                if let Some(operation) = path.operation(method) {
                    return Found::Answer(self.answer(operation, prefer));
                }
                others.extend(path.operations.iter().map(|one| one.method.to_uppercase()));
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    fn answer(&self, operation: &Operation, prefer: Option<&str>) -> Answer {
        match prefer.and_then(|code| operation.responses.get_key_value(code)) {
            Some((code, response)) => self.render(operation, code, response),
            None => operation.usual.get_or_init(|| self.usual(operation)).clone(),
        }
    }

    fn usual(&self, operation: &Operation) -> Answer {
        let first = |wanted: fn(&str) -> bool| {
            operation
                .responses
                .iter()
                .filter(|(code, _)| wanted(code))
                .min_by_key(|(code, _)| *code)
        };
        first(|code| code.starts_with('2'))
            .or_else(|| first(|code| code == "default"))
            .or_else(|| first(|code| !code.starts_with("x-")))
            .map_or(Answer { status: 200, content: None }, |(code, response)| {
                self.render(operation, code, response)
            })
    }

    fn render(&self, operation: &Operation, code: &str, response: &Value) -> Answer {
        // `default` and `2XX` name no status of their own.
        let status = code.parse().unwrap_or_else(|_| match code.bytes().next() {
            Some(class @ b'1'..=b'5') => u16::from(class - b'0') * 100,
            _ => 200,
        });
        let content = example::resolve(&self.root, response)
            .and_then(|response| self.content(operation, response))
            .filter(|_| !matches!(status, 204 | 304));
        Answer { status, content }
    }

    fn content(&self, operation: &Operation, response: &Value) -> Option<Content> {
        if let Some(kinds) = response.get("content").and_then(Value::as_object) {
            let (media_type, media) = json_first(kinds)?;
            let value = self.media_value(media)?;
            return content(media_type, &value);
        }
        if let Some(kinds) = response.get("examples").and_then(Value::as_object) {
            let (media_type, value) = json_first(kinds)?;
            return content(media_type, value);
        }
        let value = example::of_schema(&self.root, response.get("schema")?)?;
        content(operation.produces.as_deref().unwrap_or("application/json"), &value)
    }

    fn media_value(&self, media: &Value) -> Option<Value> {
        if let Some(value) = media.get("example") {
            return Some(value.clone());
        }
        let named = media.get("examples").and_then(Value::as_object);
        let named = named.and_then(|named| named.values().next());
        let named = named.and_then(|one| example::resolve(&self.root, one));
        match named.and_then(|one| one.get("value")) {
            Some(value) => Some(value.clone()),
            None => example::of_schema(&self.root, media.get("schema")?),
        }
    }
}

impl Path {
    fn fits(&self, rest: &[&str]) -> bool {
        self.segments.len() == rest.len()
            && self.segments.iter().zip(rest).all(|(segment, text)| segment_fits(segment, text))
    }

    /// `HEAD` is answered by `GET` where it is not declared (RFC 9110 section 9.3.2).
    fn operation(&self, method: &str) -> Option<&Operation> {
        let named = |name: &str| {
            self.operations.iter().find(|operation| operation.method.eq_ignore_ascii_case(name))
        };
        named(method)
            .or_else(|| if method.eq_ignore_ascii_case("head") { named("get") } else { None })
    }
}

fn operations(root: &Value, item: &Value) -> Vec<Operation> {
    let produces = |from: &Value| {
        let kinds = from.get("produces").and_then(Value::as_array)?;
        let mut kinds = kinds.iter().filter_map(Value::as_str);
        kinds.clone().find(|kind| is_json(kind)).or_else(|| kinds.next()).map(str::to_owned)
    };
    METHODS
        .iter()
        .filter_map(|method| {
            let operation = item.get(method)?;
            let responses = operation.get("responses").and_then(Value::as_object);
            Some(Operation {
                method: (*method).to_owned(),
                responses: responses.cloned().unwrap_or_default(),
                produces: produces(operation).or_else(|| produces(root)),
                usual: OnceLock::new(),
            })
        })
        .collect()
}

fn segments(template: &str) -> Vec<Segment> {
    // A query or fragment in a path key is not allowed, and is met in the wild all the same.
    let path = template.split(['?', '#']).next().unwrap_or_default();
    path.trim_start_matches('/').split('/').map(pieces).collect()
}

fn pieces(segment: &str) -> Segment {
    let mut pieces = Vec::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        pieces.push(before.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    pieces
}

/// Every parameter stands for at least one character.
fn segment_fits(pieces: &[String], text: &str) -> bool {
    let Some((first, others)) = pieces.split_first() else { return text.is_empty() };
    let Some((last, between)) = others.split_last() else { return first == text };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        let mut ends = rest.char_indices().skip(1).filter_map(|(at, _)| rest.get(at..));
        let Some(end) = ends.find_map(|end| end.strip_prefix(piece.as_str())) else { return false };
        rest = end;
    }
    rest.strip_suffix(last.as_str()).is_some_and(|parameter| !parameter.is_empty())
}

fn bases(root: &Value) -> Vec<String> {
    let mut bases = vec![String::new()];
    let servers = root.get("servers").and_then(Value::as_array).into_iter().flatten();
    let servers = servers.filter_map(|server| server.get("url").and_then(Value::as_str));
    for server in servers.chain(root.get("basePath").and_then(Value::as_str)) {
        let path = match server.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => server,
        };
        let base = path.trim_matches('/');
        if !base.is_empty() && !base.contains('{') {
            bases.push(format!("/{base}"));
        }
    }
    // The longest first, so that a path below a base is not taken for one without.
    bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
    bases.dedup();
    bases
}

fn json_first(kinds: &Map<String, Value>) -> Option<(&String, &Value)> {
    kinds.iter().find(|(kind, _)| is_json(kind)).or_else(|| kinds.iter().next())
}

fn is_json(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    kind.ends_with("/json") || kind.ends_with("+json") || kind == "*/*"
}

/// A value is written as JSON; what is not JSON needs an example that is text already.
fn content(media_type: &str, value: &Value) -> Option<Content> {
    let media_type = if media_type == "*/*" { "application/json" } else { media_type };
    let body = match value {
        Value::String(text) if !is_json(media_type) => text.clone(),
        value if is_json(media_type) => value.to_string(),
        _ => return None,
    };
    Some(Content { media_type: media_type.to_owned(), body })
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
