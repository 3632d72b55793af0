//! What does a `Cache-Control` field say?
//!
//! RFC 9111 §5.2. A number that is none counts as 0 and of two the smaller one holds (§4.2.1): who
//! is not understood is asked again.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Numbers above this are read as this (§1.2.2).
const MOST_SECONDS: u64 = 1 << 31;

static CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
static SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// What a surrogate tells its server about itself in `Surrogate-Capability` (W3C Edge Architecture):
/// the name by which `Surrogate-Control` may address it, and that it understands that field.
pub const CAPABILITY: &str = "turnpike=\"Surrogate/1.0\"";
/// The name in it.
const DEVICE: &str = "turnpike";

/// The directives of a message; those that nobody knows are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one directive that is there or not")]
pub struct Directives {
    /// `no-store`
    pub no_store: bool,
    /// `no-cache` without fields
    pub no_cache: bool,
    /// `no-cache="…"`: fields that are not sent again unasked.
    pub no_cache_fields: Vec<HeaderName>,
    /// `private`, also with fields: nothing of the answer is kept.
    pub private: bool,
    /// `public`
    pub public: bool,
    /// `must-revalidate` or `proxy-revalidate`
    pub must_revalidate: bool,
    /// `must-understand`
    pub must_understand: bool,
    /// `no-transform`
    pub no_transform: bool,
    /// `only-if-cached`
    pub only_if_cached: bool,
    /// `max-age`
    pub max_age: Option<u64>,
    /// `s-maxage`
    pub s_maxage: Option<u64>,
    /// `min-fresh`
    pub min_fresh: Option<u64>,
    /// `max-stale`; without a number any staleness is fine.
    pub max_stale: Option<u64>,
    /// `stale-while-revalidate` (RFC 5861)
    pub stale_while_revalidate: Option<u64>,
    /// `stale-if-error` (RFC 5861)
    pub stale_if_error: Option<u64>,
    /// Whether they were said to shared caches in front of a server and not to everybody: `Expires`
    /// says nothing then.
    pub targeted: bool,
}

impl Directives {
    /// What a request says.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        directives.read(headers, &CACHE_CONTROL, |_, _| true);
        directives
    }

    /// What an answer says to a shared cache in front of its server: `CDN-Cache-Control` (RFC 9213)
    /// or `Surrogate-Control` where there is one, else `Cache-Control`.
    pub fn of_answer(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        if headers.contains_key(&CDN_CACHE_CONTROL) {
            directives.targeted = true;
            directives.read(headers, &CDN_CACHE_CONTROL, |_, _| true);
        } else if headers.contains_key(&SURROGATE_CONTROL) {
            directives.targeted = true;
            // A directive that is addressed to this device goes before the same one that is said to
            // all; what is addressed to another is not for this one.
            let mut addressed: Vec<String> = Vec::new();
            directives.read(headers, &SURROGATE_CONTROL, |name, target| {
                let ours = target.eq_ignore_ascii_case(DEVICE);
                if ours {
                    addressed.push(name.to_owned());
                }
                ours
            });
            directives.read(headers, &SURROGATE_CONTROL, |name, target| {
                target.is_empty() && !addressed.iter().any(|known| known == name)
            });
        } else {
            directives.read(headers, &CACHE_CONTROL, |_, _| true);
        }
        if directives.targeted {
            // It is about storing; what may be done to the content is said to everybody.
            let mut to_all = Self::default();
            to_all.read(headers, &CACHE_CONTROL, |name, _| name == "no-transform");
            directives.no_transform |= to_all.no_transform;
        }
        directives
    }

    /// Whether a freshness lifetime is given in words.
    pub const fn is_explicit(&self) -> bool {
        self.max_age.is_some() || self.s_maxage.is_some()
    }

    fn read(
        &mut self,
        headers: &HeaderMap,
        field: &HeaderName,
        mut takes: impl FnMut(&str, &str) -> bool,
    ) {
        for line in headers.get_all(field) {
            for item in Items(line.as_bytes()) {
                let Ok(item) = str::from_utf8(item) else { continue };
                // A device is named behind a semicolon, in `Surrogate-Control` only.
                let (item, target) = split_target(field, item);
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                let name = name.to_ascii_lowercase();
                if takes(&name, target) {
                    self.take(&name, &unquoted(value));
                }
            }
        }
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" if value.is_empty() => self.no_cache = true,
            "no-cache" => {
                let names = value.split(',').map(str::trim);
                self.no_cache_fields.extend(names.filter_map(|name| name.parse().ok()));
            }
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "no-transform" => self.no_transform = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => smaller(&mut self.max_age, seconds(value)),
            "s-maxage" => smaller(&mut self.s_maxage, seconds(value)),
            "min-fresh" => smaller(&mut self.min_fresh, seconds(value)),
            "max-stale" if value.is_empty() => smaller(&mut self.max_stale, MOST_SECONDS),
            "max-stale" => smaller(&mut self.max_stale, seconds(value)),
            "stale-while-revalidate" => smaller(&mut self.stale_while_revalidate, seconds(value)),
            "stale-if-error" => smaller(&mut self.stale_if_error, seconds(value)),
            _ => {}
        }
    }
}

fn smaller(known: &mut Option<u64>, said: u64) {
    *known = Some(known.map_or(said, |known| known.min(said)));
}

fn seconds(value: &str) -> u64 {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if digits { value.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS) } else { 0 }
}

fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.map_or_else(|| value.to_owned(), |inside| inside.replace('\\', ""))
}

fn split_target<'a>(field: &HeaderName, item: &'a str) -> (&'a str, &'a str) {
    let target = (*field == SURROGATE_CONTROL).then(|| item.rsplit_once(';')).flatten();
    match target {
        // A semicolon within quotes is part of a value.
        Some((item, target)) if !target.contains('"') => (item.trim_end(), target.trim()),
        _ => (item, ""),
    }
}

/// The members of a list, split at commas outside of quotes.
pub(crate) struct Items<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let (mut quoted, mut escaped) = (false, false);
            let end = self.0.iter().position(|byte| {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b',' if !quoted => return true,
                    _ => {}
                }
                false
            });
            let end = end.unwrap_or(self.0.len());
            let (item, rest) = self.0.split_at_checked(end)?;
            self.0 = rest.get(1..).unwrap_or_default();
            let item = item.trim_ascii();
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// All members of a field's list, over all its lines.
pub(crate) fn items<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(field).iter().map(HeaderValue::as_bytes).flat_map(Items)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lines` are "field: value" lines; the answer is what stands out from no directives at all.
    #[track_caller]
    fn check(lines: &str, change: impl FnOnce(&mut Directives)) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let mut expected = Directives::default();
        change(&mut expected);
        assert_eq!(Directives::of_answer(&headers), expected, "{lines}");
    }

    #[test]
    fn names_are_read_in_any_case_and_over_several_lines() {
        check("cache-control: No-StOrE, MaX-aGe=5\ncache-control: public", |d| {
            d.no_store = true;
            d.max_age = Some(5);
            d.public = true;
        });
    }

    #[test]
    fn what_stands_in_quotes_is_a_value_and_no_directive() {
        check("cache-control: extension=\"max-age=3600, no-store\", max-age=1", |d| {
            d.max_age = Some(1);
        });
        check("cache-control: max-age=1, x=\"a\\\"b, max-age=9\"", |d| d.max_age = Some(1));
        check("cache-control: max-age=\"60\"", |d| d.max_age = Some(60));
        check("cache-control: no-cache=\"a, b\"", |d| {
            d.no_cache_fields = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        });
    }

    #[test]
    fn a_number_that_is_none_makes_stale() {
        for value in ["a100", "100a", "3600.5", "-1", "'60'", ""] {
            check(&format!("cache-control: max-age={value}"), |d| d.max_age = Some(0));
        }
        check("cache-control: max-age=99999999999", |d| d.max_age = Some(MOST_SECONDS));
        check("cache-control: max-age=003600", |d| d.max_age = Some(3600));
        check("cache-control: max-age =60", |_| {});
    }

    #[test]
    fn the_smaller_of_two_numbers_holds() {
        check("cache-control: max-age=60, max-age=5", |d| d.max_age = Some(5));
        check("cache-control: max-age=5\ncache-control: max-age=60", |d| d.max_age = Some(5));
    }

    #[test]
    fn what_is_said_to_caches_in_front_of_the_server_wins() {
        check("cache-control: no-store\ncdn-cache-control: max-age=60", |d| {
            d.targeted = true;
            d.max_age = Some(60);
        });
        check("cache-control: max-age=9\nsurrogate-control: no-store", |d| {
            d.targeted = true;
            d.no_store = true;
        });
        check("surrogate-control: max-age=60;another", |d| d.targeted = true);
    }

    #[test]
    fn what_is_said_to_this_device_goes_before_what_is_said_to_all() {
        let minute = |d: &mut Directives| {
            d.targeted = true;
            d.max_age = Some(60);
        };
        assert!(CAPABILITY.starts_with(&format!("{DEVICE}=")));
        check("cache-control: no-store\nsurrogate-control: max-age=60;turnpike", minute);
        check("surrogate-control: max-age=5, max-age=60;Turnpike, max-age=9;another", minute);
        check("surrogate-control: max-age=60 ; turnpike\nsurrogate-control: max-age=5", minute);
        check("surrogate-control: max-age=60, no-store;turnpike", |d| {
            minute(d);
            d.no_store = true;
        });
        check("surrogate-control: max-age=60, no-store;another", minute);
        check("surrogate-control: content=\"a;turnpike\", max-age=60", minute);
    }
}
