//! Which credential stands in the Authorization field?

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What a request shows of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Nothing that this gateway reads.
    Nothing,
    /// A bearer token (RFC 6750 §2.1). The other ways to show one, in the body and in the query, are
    /// not read: they end up in logs.
    Bearer(&'a str),
    /// More than one Authorization field: which of them counts would be a guess.
    TooMuch,
}

/// The credential in `headers`.
pub fn shown(headers: &HeaderMap) -> Shown<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Shown::Nothing };
    if fields.next().is_some() {
        return Shown::TooMuch;
    }
    // What is no plain text is no token either, whoever looks at it closer.
    let text = str::from_utf8(field.as_bytes()).ok();
    let bearer = text.and_then(|text| text.split_once(' '));
    match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Shown::Bearer(token.trim_ascii())
        }
        _ => Shown::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: Shown<'_>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        assert_eq!(shown(&headers), expected);
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        check(&["Bearer a.b.c"], Shown::Bearer("a.b.c"));
        check(&["bEARER  a.b.c "], Shown::Bearer("a.b.c"));
    }

    #[test]
    fn other_schemes_show_nothing() {
        check(&[], Shown::Nothing);
        check(&["Basic YTpi"], Shown::Nothing);
        check(&["Bearer"], Shown::Nothing);
    }

    #[test]
    fn two_fields_are_too_much() {
        check(&["Bearer a", "Bearer a"], Shown::TooMuch);
    }
}
