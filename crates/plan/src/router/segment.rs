//! Which segments of a path does one segment of a template match?
//!
//! `orders` matches itself; `{id}` any non-empty segment; `{id:[0-9]+}` what its regular expression
//! matches as a whole; `{id}.json` and `{a}-{b}` what their literal parts leave room for. Bytes are
//! matched as they came: `%2F` is no `/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder, bytes};

/// The largest compiled form of one constraint, in bytes.
const MAX_COMPILED_BYTES: usize = 256 * 1024;
/// The most different constraints of one API.
const MAX_CONSTRAINTS: usize = 1_000;

/// One segment of a template.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Literal(Box<str>),
    /// `{name}`.
    Any,
    /// Everything else.
    Shaped(Arc<Shape>),
}

/// A segment of which some is fixed.
#[derive(Debug)]
pub(crate) struct Shape {
    /// How many characters are literal: the more, the earlier it is tried.
    pub(crate) literal: usize,
    /// Without the names of its parameters: equal spellings match equal segments.
    pub(crate) spelling: Box<str>,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    /// `prefix{name}suffix`.
    Around(Box<str>, Box<str>),
    Expression(Regex),
}

impl Shape {
    pub(crate) fn matches(&self, segment: &str) -> bool {
        match &self.matcher {
            Matcher::Around(prefix, suffix) => segment
                .strip_prefix(&**prefix)
                .and_then(|rest| rest.strip_suffix(&**suffix))
                .is_some_and(|middle| !middle.is_empty()),
            Matcher::Expression(expression) => expression.is_match(segment),
        }
    }
}

/// A part of a segment as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    Literal(&'t str),
    /// `{name}` or `{name:constraint}`.
    Parameter(Option<&'t str>),
}

/// The shapes of one API; equal ones are compiled once.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    known: BTreeMap<Box<str>, Arc<Shape>>,
    /// Expressions for values, by their pattern.
    values: BTreeMap<Box<str>, bytes::Regex>,
}

impl Constraints {
    /// The segment of these parts, or what is wrong with it.
    pub(crate) fn segment(&mut self, parts: &[Part<'_>]) -> Result<Segment, String> {
        match parts {
            [Part::Literal(text)] => return Ok(Segment::Literal((*text).into())),
            [Part::Parameter(None)] => return Ok(Segment::Any),
            _ => {}
        }
        let spelling = spelling(parts);
        if let Some(known) = self.known.get(spelling.as_str()) {
            return Ok(Segment::Shaped(Arc::clone(known)));
        }
        self.check_room()?;
        let literal = parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.len(),
                Part::Parameter(_) => 0,
            })
            .sum();
        let (matcher, spelling) = (matcher(parts)?, Box::<str>::from(spelling));
        let shape = Arc::new(Shape { literal, spelling: spelling.clone(), matcher });
        self.known.insert(spelling, Arc::clone(&shape));
        Ok(Segment::Shaped(shape))
    }

    /// The expression that a whole value has to match, or what is wrong with it.
    pub(crate) fn expression(&mut self, pattern: &str) -> Result<bytes::Regex, String> {
        if let Some(known) = self.values.get(pattern) {
            return Ok(known.clone());
        }
        self.check_room()?;
        // On its own first: `a)(b` would be balanced only inside the group.
        bounded(pattern)?;
        let expression = bytes::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES)
            .nest_limit(50)
            .build()
            .map_err(|error| said(&error))?;
        self.values.insert(pattern.into(), expression.clone());
        Ok(expression)
    }

    fn check_room(&self) -> Result<(), String> {
        if self.known.len() + self.values.len() >= MAX_CONSTRAINTS {
            return Err(format!("an API has at most {MAX_CONSTRAINTS} different constraints"));
        }
        Ok(())
    }
}

pub(crate) fn spelling(parts: &[Part<'_>]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Parameter(None) => text.push_str("{}"),
            Part::Parameter(Some(constraint)) => {
                text.push_str("{:");
                text.push_str(constraint);
                text.push('}');
            }
        }
    }
    text
}

fn matcher(parts: &[Part<'_>]) -> Result<Matcher, String> {
    match parts {
        [Part::Literal(prefix), Part::Parameter(None)] => {
            return Ok(Matcher::Around((*prefix).into(), "".into()));
        }
        [Part::Parameter(None), Part::Literal(suffix)] => {
            return Ok(Matcher::Around("".into(), (*suffix).into()));
        }
        [Part::Literal(prefix), Part::Parameter(None), Part::Literal(suffix)] => {
            return Ok(Matcher::Around((*prefix).into(), (*suffix).into()));
        }
        _ => {}
    }
    let mut pattern = String::from("^");
    for part in parts {
        match part {
            Part::Literal(text) => pattern.push_str(&regex::escape(text)),
            Part::Parameter(None) => pattern.push_str(".+"),
            Part::Parameter(Some(constraint)) => {
                // On its own first: `a)(b` would be balanced only inside the group.
                bounded(constraint)?;
                pattern.push_str("(?:");
                pattern.push_str(constraint);
                pattern.push(')');
            }
        }
    }
    pattern.push('$');
    bounded(&pattern).map(Matcher::Expression)
}

fn bounded(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .nest_limit(50)
        .build()
        .map_err(|error| said(&error))
}

fn said(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the constraint compiles to more than {limit} bytes")
        }
        // The regex crate draws a picture on several lines; its last line says what is wrong.
        other => format!(
            "the constraint does not compile: {}",
            other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ")
        ),
    }
}
