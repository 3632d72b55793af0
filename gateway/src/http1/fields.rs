//! How is a header field written, and which does `Connection` name?

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

/// Writes one line of a head.
///
/// INVARIANT: `value` holds no line break; it comes from a `HeaderValue` or was made here.
pub fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The fields that `Connection` names beyond the ones that always end here.
#[derive(Debug, Default)]
pub struct Named<'a>(Vec<&'a str>);

impl<'a> Named<'a> {
    /// Those named in `headers`.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut named = Self::default();
        for value in headers.get_all(CONNECTION) {
            named.add(value.to_str().unwrap_or_default());
        }
        named
    }

    /// Those named in one `Connection` field.
    pub fn add(&mut self, value: &'a str) {
        let always = |name: &str| {
            ["keep-alive", "close", "upgrade", "te"].iter().any(|a| name.eq_ignore_ascii_case(a))
        };
        self.0.extend(
            value.split(',').map(str::trim).filter(|name| !name.is_empty() && !always(name)),
        );
    }

    /// All of them, as they are spelled.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

/// Whether `word` (in lower case) stands in the list that the field called `name` is.
pub fn has_word(headers: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    headers.get_all(name).iter().any(|list| lists(list.as_bytes(), word))
}

/// Whether `word` stands in the value of a field that is a list.
pub fn lists(value: &[u8], word: &[u8]) -> bool {
    let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    words.any(|other| other.eq_ignore_ascii_case(word))
}
