//! What does the client's cookie of this name say?

use http::HeaderMap;
use http::header::COOKIE;

/// The value of the first cookie called `name`.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let fields = headers.get_all(COOKIE).iter();
    let mut pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], name: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, field.parse().unwrap());
        }
        assert_eq!(cookie(&headers, name), expected.map(str::as_bytes));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        check(&["a=1; b=2"], "b", Some("2"));
        check(&["a=1", "b=2"], "b", Some("2"));
        check(&["bb=1;b=x=y; b=3"], "b", Some("x=y"));
        check(&["bb=1; ab=2; b"], "b", None);
        check(&[], "b", None);
    }
}
