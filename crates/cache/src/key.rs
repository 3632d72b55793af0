//! Which requests ask for the same thing?
//!
//! The target as the client named it, scheme and authority included: a server may answer with links
//! that it makes of them, and an answer that somebody fetched under a name of their own must reach
//! nobody else. Besides, what the rules say: whose answers are kept apart, which fields count.

use http::HeaderMap;

use crate::rules::{Rules, Share};
use crate::vary::normal;

/// Parts that the key is made of. Nothing else separates two answers of one API.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The API.
    pub api: &'a str,
    /// Which of its backends is asked.
    pub backend: &'a str,
    /// The variant that this backend belongs to; empty: it is the API's own.
    pub variant: &'a str,
    /// Whether the client came by TLS.
    pub secure: bool,
    /// The Host, port included.
    pub host: &'a str,
    /// Path and query below the API's context.
    pub target: &'a str,
    /// The application that calls; empty: nobody knows.
    pub application: &'a str,
    /// The user that calls; empty: nobody knows.
    pub user: &'a str,
}

/// What an answer is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub(crate) Box<[u8]>);

/// Stands in no part: not in a target, not in a field, not in a name.
const END: u8 = 0;

impl Key {
    /// The key of a request.
    pub fn of(place: Place<'_>, headers: &HeaderMap, rules: &Rules) -> Self {
        let mut key = Vec::with_capacity(64 + place.host.len() + place.target.len());
        key.extend_from_slice(&rules.revision.to_be_bytes());
        let mut part = |bytes: &[u8]| {
            key.extend_from_slice(bytes);
            key.push(END);
        };
        part(place.api.as_bytes());
        part(place.backend.as_bytes());
        part(place.variant.as_bytes());
        part(if place.secure { b"s" } else { b"" });
        part(place.host.as_bytes());
        let (application, user) = match rules.share {
            Share::Everyone => ("", ""),
            Share::Application => (place.application, ""),
            Share::User => (place.application, place.user),
        };
        part(application.as_bytes());
        part(user.as_bytes());
        for name in &rules.key_headers {
            // Absent and empty are two things.
            match normal(headers, name) {
                Some(value) => part(&[b"=", value.as_slice()].concat()),
                None => part(b""),
            }
        }
        target(&mut key, place.target, rules.key_query.as_deref());
        Self(key.into())
    }
}

fn target(key: &mut Vec<u8>, target: &str, named: Option<&[String]>) {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    key.extend_from_slice(path.as_bytes());
    let Some(query) = query else { return };
    key.push(b'?');
    let Some(named) = named else {
        key.extend_from_slice(query.as_bytes());
        return;
    };
    for parameter in query.split('&') {
        let name = parameter.split('=').next().unwrap_or_default();
        if named.iter().any(|known| known == name) {
            key.extend_from_slice(parameter.as_bytes());
            key.push(b'&');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        api: "orders:1.0",
        backend: "production",
        variant: "",
        secure: false,
        host: "api.example",
        target: "/items?a=1&b=2",
        application: "shop",
        user: "ann",
    };

    /// Whether two requests have the same key under rules.
    #[track_caller]
    fn check(rules: &Rules, change: impl FnOnce(&mut Place<'_>, &mut HeaderMap), same: bool) {
        let (mut place, mut headers) = (PLACE, HeaderMap::new());
        let first = Key::of(place, &headers, rules);
        change(&mut place, &mut headers);
        assert_eq!(first == Key::of(place, &headers, rules), same, "{place:?} {headers:?}");
    }

    #[test]
    fn every_part_of_the_target_counts() {
        let rules = Rules::default();
        check(&rules, |_, _| {}, true);
        check(&rules, |place, _| place.target = "/items?a=1&b=3", false);
        check(&rules, |place, _| place.target = "/items", false);
        check(&rules, |place, _| place.host = "evil.example", false);
        check(&rules, |place, _| place.secure = true, false);
        check(&rules, |place, _| place.backend = "sandbox", false);
        check(&rules, |place, _| place.variant = "canary", false);
        check(&rules, |place, _| place.api = "orders:2.0", false);
        let newer = Rules { revision: 1, ..Rules::default() };
        assert_ne!(
            Key::of(PLACE, &HeaderMap::new(), &rules),
            Key::of(PLACE, &HeaderMap::new(), &newer)
        );
    }

    #[test]
    fn callers_share_what_the_rules_let_them_share() {
        let share = |share| Rules { share, ..Rules::default() };
        check(&share(Share::Application), |place, _| place.application = "bank", false);
        check(&share(Share::Application), |place, _| place.user = "ben", true);
        check(&share(Share::User), |place, _| place.user = "ben", false);
        check(&share(Share::Everyone), |place, _| place.application = "bank", true);
    }

    #[test]
    fn named_fields_count() {
        let rules = Rules { key_headers: vec!["x-lang".parse().unwrap()], ..Rules::default() };
        let say = |value: &'static str| {
            move |_: &mut Place<'_>, headers: &mut HeaderMap| {
                headers.insert("x-lang", value.parse().unwrap());
            }
        };
        check(&rules, say("en"), false);
        check(&rules, say(""), false);
        check(&Rules::default(), say("en"), true);
    }

    #[test]
    fn of_the_query_named_parameters_count() {
        let rules = Rules { key_query: Some(vec!["a".to_owned()]), ..Rules::default() };
        check(&rules, |place, _| place.target = "/items?a=1&b=3&utm=x", true);
        check(&rules, |place, _| place.target = "/items?a=2&b=2", false);
        check(&rules, |place, _| place.target = "/items?ab=1&b=2", false);
    }
}
