//! Which documents are parsed at all?
//!
//! One look at the bytes before a tree is made of them: no document type and thus no entities, and
//! bounds on everything that would cost the parser, or whoever reads the tree, more than its length.
//! What is not well-formed may be misread here; the parser refuses it at the same place.

use crate::problem::Problem;

/// The largest document, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most elements.
const MAX_ELEMENTS: usize = 50_000;
/// How deeply elements may nest: readers of the tree go down by calling themselves.
const MAX_DEPTH: usize = 64;
/// The most attributes of one element, each of which the parser compares with all others.
const MAX_ATTRIBUTES: usize = 32;
/// The most declarations of namespaces in a document, which the parser carries down to each element.
const MAX_NAMESPACES: usize = 256;
/// The longest name of an element, with its prefix, in bytes.
const MAX_NAME: usize = 256;

/// What stands at a `<`.
enum Markup {
    /// The number of bytes that are passed over.
    Skipped(usize),
    End(usize),
    Start {
        length: usize,
        name: usize,
        attributes: usize,
        closes: bool,
    },
}

/// Whether a text may be parsed.
pub(crate) fn check(text: &str) -> Result<(), Problem> {
    let refuse = |reason: String| Err(Problem::of_document(reason, "divide it into smaller ones"));
    if text.len() > MAX_BYTES {
        return refuse(format!("it has {} bytes, at most {MAX_BYTES}", text.len()));
    }
    if text.matches("xmlns").count() > MAX_NAMESPACES {
        return refuse(format!("it declares more than {MAX_NAMESPACES} namespaces"));
    }
    let mut rest = text;
    let (mut elements, mut depth) = (0_usize, 0_usize);
    while let Some(at) = rest.find('<') {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with("<!DOCTYPE") {
            let reason = "it has a document type, and nothing is declared or fetched that way";
            return Err(Problem::of_document(reason, "leave out `<!DOCTYPE …>`"));
        }
        let length = match markup(rest) {
            Markup::Skipped(length) => length,
            Markup::End(length) => {
                depth = depth.saturating_sub(1);
                length
            }
            Markup::Start { length, name, attributes, closes } => {
                elements += 1;
                depth += usize::from(!closes);
                if name > MAX_NAME {
                    return refuse(format!("an element's name has more than {MAX_NAME} bytes"));
                }
                if attributes > MAX_ATTRIBUTES {
                    return refuse(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
                }
                length
            }
        };
        if elements > MAX_ELEMENTS {
            return refuse(format!("it has more than {MAX_ELEMENTS} elements"));
        }
        if depth > MAX_DEPTH {
            return refuse(format!("its elements nest deeper than {MAX_DEPTH}"));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

fn markup(text: &str) -> Markup {
    let until = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("<!--") {
        return Markup::Skipped(until("-->"));
    }
    if text.starts_with("<![CDATA[") {
        return Markup::Skipped(until("]]>"));
    }
    if text.starts_with("<?") {
        return Markup::Skipped(until("?>"));
    }
    if text.starts_with("</") {
        return Markup::End(until(">"));
    }
    let ends_name = |c: char| c.is_whitespace() || c == '>' || c == '/';
    let name = text.find(ends_name).unwrap_or(text.len());
    let (mut quote, mut attributes, mut before) = (None, 0_usize, b' ');
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
            }
            (None, b'>') => {
                return Markup::Start { length: at + 1, name, attributes, closes: before == b'/' };
            }
            (None, _) => before = byte,
        }
    }
    Markup::Start { length: text.len(), name, attributes, closes: false }
}
