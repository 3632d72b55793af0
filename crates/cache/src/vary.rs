//! Which requests does an answer fit?
//!
//! RFC 9111 §4.1. Values are compared in a form that leaves out what makes no difference: how lines
//! are folded, blanks around commas and, where preferences are listed, letter case and order.

use http::header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderName};

use crate::directives::items;

/// Fields that an answer may depend on; more are as good as `*`.
const MOST_FIELDS: usize = 16;

/// The request fields that an answer was chosen by, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant(Vec<(HeaderName, Option<Vec<u8>>)>);

impl Variant {
    /// What the answer's `Vary` names, as the request said it; `None`: it fits no other request.
    pub(crate) fn of(answer: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut fields: Vec<(HeaderName, Option<Vec<u8>>)> = Vec::new();
        for name in items(answer, &VARY) {
            // `*` is no name of a field, and neither is what nobody can say.
            let name = HeaderName::from_bytes(name).ok().filter(|name| name.as_str() != "*")?;
            if fields.len() >= MOST_FIELDS {
                return None;
            }
            if !fields.iter().any(|(known, _)| *known == name) {
                let value = normal(request, &name);
                fields.push((name, value));
            }
        }
        Some(Self(fields))
    }

    /// Whether the request says the same.
    pub(crate) fn fits(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| normal(request, name) == *value)
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| 64 + name.as_str().len() + value.as_ref().map_or(0, Vec::len))
            .sum()
    }
}

/// A field's value in the form in which values are compared.
pub(crate) fn normal(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    if !request.contains_key(name) {
        return None;
    }
    let listed = [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE].contains(name);
    let mut members: Vec<Vec<u8>> = items(request, name)
        .map(|item| {
            if listed {
                item.iter().filter(|byte| **byte != b' ').map(u8::to_ascii_lowercase).collect()
            } else {
                item.to_vec()
            }
        })
        .collect();
    if listed {
        members.sort_unstable();
    }
    Some(members.join(&b','))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reuse_tests::headers;

    /// Whether an answer with this `vary` that was given to `first` may be given to `second`.
    #[track_caller]
    fn check(vary: &str, first: &str, second: &str, expected: bool) {
        let variant = Variant::of(&headers(vary), &headers(first));
        let fits = variant.is_some_and(|variant| variant.fits(&headers(second)));
        assert_eq!(fits, expected, "{vary}: {first} / {second}");
    }

    #[test]
    fn an_answer_fits_whoever_says_the_same_in_the_named_fields() {
        check("vary: foo", "foo: 1\nbar: 2", "foo: 1\nbar: 3", true);
        check("vary: foo", "foo: 1", "foo: 2", false);
        check("vary: foo", "foo: 1", "bar: 1", false);
        check("vary: foo", "bar: 1", "foo: 1", false);
        check("vary: foo, bar\nvary: baz", "foo: 1\nbaz: 2", "foo: 1\nbaz: 3", false);
        check("x: y", "foo: 1", "foo: 2", true);
    }

    #[test]
    fn a_star_fits_nobody() {
        for vary in ["vary: *", "vary: *, *", "vary: , *", "vary: foo, *", "vary: *, foo"] {
            check(vary, "foo: 1", "foo: 1", false);
        }
        check("vary: foo\nvary: *", "foo: 1", "foo: 1", false);
    }

    #[test]
    fn spellings_that_say_the_same_are_the_same() {
        check("vary: foo", "foo: 1, 2", "foo: 1\nfoo: 2", true);
        check("vary: foo", "foo: 1,2", "foo: 1 ,  2", true);
        check("vary: foo", "foo: a", "foo: A", false);
        check(
            "vary: accept-language",
            "accept-language: en, DE;q=0.5",
            "accept-language: de;q=0.5,en",
            true,
        );
    }
}
