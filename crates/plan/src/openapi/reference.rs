//! Where does a `$ref` lead?
//!
//! Only references inside the document are followed (RFC 6901), a bounded number of steps, so that
//! circles end. Nothing is ever fetched: a document from outside must not make us call anybody.

use std::collections::HashSet;

use crate::document::Tree;

const MAX_STEPS: usize = 16;

/// What became of a reference.
pub(super) enum Followed<'d> {
    /// There is none, or it led here.
    Here(&'d Tree),
    /// It leads out of the document.
    Outside(&'d str),
    /// It leads nowhere, or in a circle.
    Nowhere(&'d str),
}

/// `value`, or what its `$ref` stands for.
pub(super) fn follow<'d>(document: &'d Tree, value: &'d Tree) -> Followed<'d> {
    let mut here = value;
    for _ in 0..MAX_STEPS {
        let Some(Tree::Text(reference)) = here.get("$ref") else { return Followed::Here(here) };
        match reference.strip_prefix('#') {
            None if reference.is_empty() => return Followed::Nowhere(reference),
            None => return Followed::Outside(reference),
            Some(pointer) => match find(document, pointer) {
                Some(target) => here = target,
                None => return Followed::Nowhere(reference),
            },
        }
    }
    Followed::Nowhere(value.get("$ref").and_then(Tree::as_text).unwrap_or_default())
}

/// The value that a JSON pointer (after the `#`) names.
fn find<'d>(document: &'d Tree, pointer: &str) -> Option<&'d Tree> {
    let pointer = percent_decoded(pointer)?;
    if pointer.is_empty() {
        return Some(document);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(document, |here, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match here {
            Tree::List(list) => list.get(step.parse::<usize>().ok()?),
            other => other.get(&step),
        }
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The references below a value.
#[derive(Debug, Default)]
pub(super) struct Census<'d> {
    /// Where they stand, and what they say: inside the document, but leading nowhere.
    pub(super) dangling: Vec<(String, &'d str)>,
    /// How many lead out of the document.
    pub(super) outside: usize,
    known: HashSet<&'d str>,
}

impl<'d> Census<'d> {
    /// Counts every reference below `value`; examples and extensions are data and not looked at.
    pub(super) fn take(&mut self, document: &'d Tree, value: &'d Tree, at: &str) {
        match value {
            Tree::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.take(document, item, &format!("{at}[{index}]"));
                }
            }
            Tree::Map(map) => {
                for (name, item) in map {
                    match (name.as_str(), item) {
                        ("$ref", Tree::Text(reference)) => self.count(document, reference, at),
                        ("example" | "examples" | "default" | "enum" | "const", _) => {}
                        (name, _) if name.starts_with("x-") => {}
                        _ => self.take(document, item, &format!("{at}.{name}")),
                    }
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, document: &'d Tree, reference: &'d str, at: &str) {
        match reference.strip_prefix('#') {
            None if !reference.is_empty() => self.outside += 1,
            // `#name` is an anchor of JSON Schema 2020-12, which only a schema resolver can judge.
            Some(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => {}
            pointer => {
                if self.known.contains(reference) {
                    return;
                }
                if pointer.is_some_and(|pointer| find(document, pointer).is_some()) {
                    self.known.insert(reference);
                } else {
                    self.dangling.push((at.to_owned(), reference));
                }
            }
        }
    }
}
