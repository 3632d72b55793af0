//! What is done with a call that those permit who decide about it?
//!
//! Its request is changed before anything else looks at it: what is kept of answers, what policies
//! know of the call and what a mirror gets are all of the request as it goes on.

use std::rc::Rc;

use http::{HeaderMap, HeaderName};

use super::answer::{Change, How, Obligations, apply, is_out_of_reach};
use crate::escape::{decoded, encoded};
use crate::handlers::Permit;
use crate::identity::is_like;
use crate::received::Received;

/// What was decided about a call that may be made.
#[derive(Debug, Default)]
pub struct Decided {
    /// The request that goes on; `None`: the one that came.
    request: Option<Box<Received>>,
    /// The names of fields in it that its client has not written.
    given: Rc<[HeaderName]>,
    /// To the fields of the answer.
    answer: Vec<Change>,
}

/// The request cannot be what it was decided to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query that was decided cannot be written")]
pub(super) struct Unspeakable;

impl Decided {
    /// What `all` come to, one after the other. Nobody outside says what backends take as a word of
    /// the gateway, `reserved` fields included.
    pub(super) fn of(
        all: &[Obligations],
        permit: &Permit<'_>,
        received: &Received,
        reserved: &[HeaderName],
    ) -> Result<Self, Unspeakable> {
        let is_reserved =
            |name: &HeaderName| reserved.iter().any(|own| is_like(name.as_str(), own.as_str()));
        let within = |name: &HeaderName| {
            let within = !is_out_of_reach(name) && !is_reserved(name);
            if !within {
                let api = &permit.matched().api().id;
                tracing::debug!(%api, field = %name, "a decision says a field that is not its own");
            }
            within
        };
        let mut headers = None;
        let mut given = Vec::new();
        for one in all {
            for name in one.drops.iter().filter(|name| within(name)) {
                headers.get_or_insert_with(|| received.headers.clone()).remove(name);
            }
            for change in one.request.iter().filter(|change| within(&change.name)) {
                let headers = headers.get_or_insert_with(|| received.headers.clone());
                set(change, permit, &mut given, headers);
            }
        }
        let target = all.iter().fold(None, |target: Option<String>, one| {
            let before = target.as_deref().unwrap_or(received.target());
            retargeted(before, one).or(target)
        });
        let moved = target.map(|target| received.with_target(&target).ok_or(Unspeakable));
        let request = match (headers, moved.transpose()?) {
            (None, None) => None,
            (headers, moved) => {
                let mut request = moved.unwrap_or_else(|| received.clone());
                request.headers = headers.unwrap_or(request.headers);
                Some(Box::new(request))
            }
        };
        let answer = all.iter().flat_map(|one| &one.answer);
        let answer = answer.filter(|change| !is_out_of_reach(&change.name)).cloned().collect();
        Ok(Self { request, given: given.into(), answer })
    }

    /// The request as it goes on, and the permit for it.
    pub fn change<'h>(
        &'h self,
        received: &'h Received,
        permit: Permit<'h>,
    ) -> (&'h Received, Permit<'h>) {
        match self.request.as_deref() {
            Some(request) => (request, permit.changed(received, request, &self.given)),
            None => (received, permit),
        }
    }

    /// Changes the fields of the answer.
    pub fn change_answer(&self, headers: &mut HeaderMap) {
        apply(self.answer.iter(), headers);
    }
}

/// Makes one change. Of a field that held a credential for the gateway nothing is left beside what
/// the backend is told in it.
fn set(change: &Change, permit: &Permit<'_>, given: &mut Vec<HeaderName>, headers: &mut HeaderMap) {
    let Change { name, value, how } = change;
    if permit.takes(name.as_str()) && !given.contains(name) {
        if *how != How::ReplaceIfPresent {
            headers.insert(name.clone(), value.clone());
            given.push(name.clone());
        }
        return;
    }
    apply(std::iter::once(change), headers);
    given.push(name.clone());
}

/// The target with another query; `None`: it stays.
fn retargeted(target: &str, obligations: &Obligations) -> Option<String> {
    let Obligations { parameters, drops_parameters, .. } = obligations;
    if parameters.is_empty() && drops_parameters.is_empty() {
        return None;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let stays = |pair: &&str| {
        let name = decoded(pair.split_once('=').map_or(*pair, |(name, _)| name), true);
        let is = |known: &String| known.as_bytes() == name;
        !pair.is_empty()
            && !drops_parameters.iter().any(is)
            && !parameters.iter().any(|(known, _)| is(known))
    };
    let mut pairs: Vec<String> = query.split('&').filter(stays).map(str::to_owned).collect();
    let written = |text: &String| encoded(text.as_bytes(), b"");
    pairs.extend(parameters.iter().map(|(name, value)| written(name) + "=" + &written(value)));
    let mark = if pairs.is_empty() { "" } else { "?" };
    Some(format!("{path}{mark}{}", pairs.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `set` is "name=value …", `drops` "name …".
    #[track_caller]
    fn check(target: &str, set: &str, drops: &str, expected: Option<&str>) {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        let obligations = Obligations {
            parameters: set.split_whitespace().map(pair).collect(),
            drops_parameters: drops.split_whitespace().map(str::to_owned).collect(),
            ..Obligations::default()
        };
        assert_eq!(retargeted(target, &obligations).as_deref(), expected);
    }

    #[test]
    fn what_is_not_named_stays_byte_for_byte() {
        check("/a?b=%63&&d", "", "", None);
        check("/a?b=%63&d", "e=f", "", Some("/a?b=%63&d&e=f"));
        check("/a?b=%63&d&x", "", "d", Some("/a?b=%63&x"));
    }

    #[test]
    fn what_is_named_is_found_however_it_is_spelled_and_written_safely() {
        check("/a?%62=1&b=2&c", "b=&x#%", "", Some("/a?c&b=%26x%23%25"));
        check("/a?%62=1&b", "", "b", Some("/a"));
        check("/a", "b=c", "d", Some("/a?b=c"));
    }
}
