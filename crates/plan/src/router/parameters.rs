//! What do the parameters of a path template stand for in a call?
//!
//! Looked for only where somebody asks, and never while an operation is found: most calls are of
//! nobody's interest.

use std::borrow::Cow;
use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

use super::template::closing;

/// The largest compiled form of one segment, in bytes.
const MAX_COMPILED_BYTES: usize = 256 * 1024;
/// The name of the group that is looked for.
const WANTED: &str = "turnpike";

/// Where the parameters of a template are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<Parameter>);

#[derive(Clone, Debug)]
struct Parameter {
    name: Box<str>,
    /// Which segment it is in.
    segment: usize,
    /// What it is within the segment, as the group [`WANTED`]; `None`: all of it.
    within: Option<Regex>,
}

impl Parameters {
    /// Those of `template` that are called one of `names`. The template is one that was read before.
    pub(crate) fn of(template: &str, names: &[&str]) -> Self {
        let mut found = Vec::new();
        let segments = template.strip_prefix('/').unwrap_or(template).split('/');
        for (segment, text) in segments.enumerate() {
            let pieces = pieces(text);
            for (place, piece) in pieces.iter().enumerate() {
                let Piece::Parameter(name, _) = piece else { continue };
                if !names.contains(name) {
                    continue;
                }
                let alone = pieces.len() == 1;
                let within = if alone { None } else { group(&pieces, place) };
                if alone || within.is_some() {
                    found.push(Parameter { name: (*name).into(), segment, within });
                }
            }
        }
        Self(found)
    }

    /// Whether the template has a parameter of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|one| *one.name == *name)
    }

    /// What the parameter called `name` is in `path`, which is below the context; decoded. `None`: it
    /// is not there, or no text.
    pub(crate) fn find<'p>(&self, name: &str, path: &'p str) -> Option<Cow<'p, str>> {
        let one = self.0.iter().find(|one| *one.name == *name)?;
        let path = path.split('?').next().unwrap_or_default();
        let segment = path.strip_prefix('/').unwrap_or(path).split('/').nth(one.segment)?;
        let text = match &one.within {
            None => segment,
            Some(within) => within.captures(segment)?.name(WANTED)?.as_str(),
        };
        decoded(text).filter(|text| !text.is_empty())
    }
}

enum Piece<'t> {
    Literal(&'t str),
    /// Its name and its constraint.
    Parameter(&'t str, Option<&'t str>),
}

/// The pieces of one segment.
fn pieces(segment: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), segment);
    while let Some((literal, inside)) = rest.split_once('{') {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let Some((content, after)) =
            closing(inside).and_then(|close| inside.split_at_checked(close))
        else {
            return pieces;
        };
        pieces.push(match content.split_once(':') {
            Some((name, constraint)) => Piece::Parameter(name, Some(constraint)),
            None => Piece::Parameter(content, None),
        });
        rest = after.strip_prefix('}').unwrap_or(after);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

/// An expression for the segment, where the piece at `place` is the group [`WANTED`]: constraints
/// may have groups of their own.
fn group(pieces: &[Piece<'_>], place: usize) -> Option<Regex> {
    let mut pattern = String::from("^");
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => pattern.push_str(&regex::escape(text)),
            Piece::Parameter(_, constraint) => {
                let name = if index == place { format!("P<{WANTED}>") } else { ":".to_owned() };
                // Writing to a String does not fail.
                let _ = write!(pattern, "(?{name}{})", constraint.unwrap_or(".+"));
            }
        }
    }
    pattern.push('$');
    let mut builder = RegexBuilder::new(&pattern);
    builder.size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).nest_limit(60);
    builder.build().ok()
}

/// `%41` is `A`; `None`: what comes out is no text.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        match (byte, after) {
            (b'%', [high, low, left @ ..]) => {
                out.push(digit(*high)? << 4 | digit(*low)?);
                rest = left;
            }
            _ => out.push(*byte),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, path: &str, expected: &[(&str, Option<&str>)]) {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let parameters = Parameters::of(template, &names);
        for (name, value) in expected {
            assert_eq!(parameters.find(name, path).as_deref(), *value, "{template} {path} {name}");
        }
    }

    #[test]
    fn a_parameter_is_what_stands_in_its_place() {
        check("/orders/{id}", "/orders/7?id=8", &[("id", Some("7")), ("other", None)]);
        check("/{a}/x/{b}", "/1/x/2/", &[("a", Some("1")), ("b", Some("2"))]);
        check("/{id:[0-9]+}", "/42", &[("id", Some("42"))]);
        check("/{id}.json", "/42.json", &[("id", Some("42"))]);
        check(
            "/{a:[a-z]{2}}-{b}.{c:x|y}",
            "/ab-c-d.y",
            &[("a", Some("ab")), ("b", Some("c-d")), ("c", Some("y"))],
        );
        check("/{id:(a|b)+}-{n}", "/ab-7", &[("id", Some("ab")), ("n", Some("7"))]);
        check("/{id}/*", "/a%2Fb%20c/rest", &[("id", Some("a/b c"))]);
        check("/{id}", "/%ff", &[("id", None)]);
        check("/{id}", "/", &[("id", None)]);
    }
}
