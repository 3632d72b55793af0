//! What does a path template say?
//!
//! `/orders/{id}/items`: literal segments, parameters, and at the end `/*` for any rest. `/` and
//! the empty path are the same. A slash at the end is a segment of its own. Escapes are brought
//! into the form that the gateway brings those of a call into, so that equal paths have equal bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::segment::{Constraints, Part, Segment, spelling};
use crate::problem::shown;

/// The longest template, in bytes.
const MAX_BYTES: usize = 2_048;
/// The most segments of a template.
const MAX_SEGMENTS: usize = 64;

/// A path template, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    /// Whether it ends with `/*`.
    pub(crate) rest: bool,
    /// The template without the names of its parameters: equal spellings match equal paths.
    pub(crate) spelling: String,
}

impl Template {
    /// Reads a template, or says what is wrong with it and what would be right.
    pub(crate) fn parse(
        text: &str,
        constraints: &mut Constraints,
    ) -> Result<Self, (String, &'static str)> {
        let Some(body) = text.strip_prefix('/') else {
            return Err(("a path starts with `/`".to_owned(), "put a `/` in front"));
        };
        if text.len() > MAX_BYTES {
            return Err((format!("a path has at most {MAX_BYTES} bytes"), ""));
        }
        let canonical = canonical(body);
        let body = canonical.as_ref();
        let mut template = Self { segments: Vec::new(), rest: false, spelling: String::new() };
        if body.is_empty() {
            return Ok(template);
        }
        let (mut names, mut left) = (BTreeSet::new(), Some(body));
        while let Some(segment) = left {
            if segment == "*" {
                template.rest = true;
                template.spelling.push_str("/*");
                break;
            }
            let (parts, next) = read_segment(segment, &mut names)?;
            if parts.is_empty() && next.is_some() {
                return Err(("a path has no empty segment".to_owned(), "write one `/`"));
            }
            let parts = if parts.is_empty() { vec![Part::Literal("")] } else { parts };
            template.spelling.push('/');
            template.spelling.push_str(&spelling(&parts));
            let built = constraints.segment(&parts).map_err(|reason| (reason, ""))?;
            template.segments.push(built);
            if template.segments.len() > MAX_SEGMENTS {
                return Err((format!("a path has at most {MAX_SEGMENTS} segments"), ""));
            }
            left = next;
        }
        Ok(template)
    }
}

/// Outside of braces, escapes of characters that need none are undone and the others are in upper
/// case (RFC 3986 §6.2.2). What is no escape is left for the check of literals.
fn canonical(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut depth) = (String::with_capacity(text.len()), 0_usize);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let two = letters.as_str().get(..2).filter(|_| letter == '%' && depth == 0);
        let Some((two, byte)) = two.and_then(|two| Some((two, u8::from_str_radix(two, 16).ok()?)))
        else {
            out.push(letter);
            continue;
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&two.to_ascii_uppercase());
        }
        letters = letters.as_str().get(2..).unwrap_or_default().chars();
    }
    Cow::Owned(out)
}

type Read<'t> = (Vec<Part<'t>>, Option<&'t str>);

/// The parts of the first segment, and what follows its slash.
fn read_segment<'t>(
    text: &'t str,
    names: &mut BTreeSet<&'t str>,
) -> Result<Read<'t>, (String, &'static str)> {
    let (mut parts, mut left) = (Vec::new(), text);
    loop {
        let end = left.find(['/', '{']).unwrap_or(left.len());
        let (literal, tail) = left.split_at_checked(end).unwrap_or((left, ""));
        check_literal(literal)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let Some(inside) = tail.strip_prefix('{') else {
            if let [Part::Literal("." | "..")] = parts.as_slice() {
                return Err(("a path has no `.` or `..` segment".to_owned(), "leave it out"));
            }
            return Ok((parts, tail.strip_prefix('/')));
        };
        let close = closing(inside)
            .ok_or_else(|| (format!("`{{{}` is not closed", shown(inside)), "close it with `}`"))?;
        let (content, rest) = inside.split_at_checked(close).unwrap_or((inside, ""));
        let (name, constraint) = match content.split_once(':') {
            Some((name, constraint)) => (name, Some(constraint)),
            None => (content, None),
        };
        check_parameter(name, constraint)?;
        if !names.insert(name) {
            let reason = format!("the parameter `{}` stands twice", shown(name));
            return Err((reason, "give each parameter a name of its own"));
        }
        parts.push(Part::Parameter(constraint));
        left = rest.strip_prefix('}').unwrap_or(rest);
    }
}

/// Where the brace that is open at the start closes; braces of the constraint are counted.
pub(super) fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    text.bytes().position(|byte| {
        let plain = !escaped;
        escaped = byte == b'\\' && plain;
        match byte {
            b'{' if plain => depth += 1,
            b'}' if plain && depth == 0 => return true,
            b'}' if plain => depth -= 1,
            _ => {}
        }
        false
    })
}

fn check_parameter(name: &str, constraint: Option<&str>) -> Result<(), (String, &'static str)> {
    if name.is_empty() || name.len() > 128 || name.contains(['{', '}', '/', '*']) {
        let reason = format!("`{{{}}}` names no parameter", shown(name));
        return Err((reason, "write `{name}` or `{name:constraint}`"));
    }
    if constraint.is_some_and(|it| it.is_empty() || it.contains('/')) {
        let reason = "a constraint is a regular expression for one segment, without `/`";
        return Err((reason.to_owned(), "write for example `{id:[0-9]+}`"));
    }
    Ok(())
}

/// RFC 3986 §3.3: what cannot stand in a path cannot be matched.
fn check_literal(text: &str) -> Result<(), (String, &'static str)> {
    if text.contains('}') {
        return Err(("a `}` closes nothing".to_owned(), "open it with `{`"));
    }
    // Inside a segment it is a character like others (RFC 3986 §3.3); at an end somebody means a
    // wildcard.
    if text.starts_with('*') || text.ends_with('*') {
        return Err(("`*` stands alone, at the end".to_owned(), "write `/*` at the end"));
    }
    let wrong = |byte: u8| !byte.is_ascii_graphic() || b"?#\"<>\\^`|".contains(&byte);
    if let Some(byte) = text.bytes().find(|byte| wrong(*byte)) {
        let reason = format!("`{}` cannot stand in a path", char::from(byte).escape_default());
        return Err((reason, "write it percent-encoded, or leave it out"));
    }
    let mut pieces = text.split('%');
    pieces.next();
    let hexadecimal =
        |piece: &str| piece.get(..2).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    if !pieces.all(hexadecimal) {
        return Err(("`%` is followed by two hexadecimal digits".to_owned(), "write `%25`"));
    }
    Ok(())
}
