//! Was this token ended before its time?
//!
//! The key manager streams an ordered log; this is the set that the log adds up to. Readers take
//! no lock and allocate nothing. `version` moves with every entry that was added, so a worker
//! that has asked about a token need not ask again until it moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use jose::Claims;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

use crate::rpc::passwords::Person;

type Map<V> =
    imbl::GenericHashMap<Arc<str>, V, ahash::RandomState, imbl::shared_ptr::DefaultSharedPtr>;

/// How much later than the beginning of a call its caller may be looked at.
const MOST_AHEAD_SECONDS: i64 = 60;

/// The revocations in force, one for all workers.
#[derive(Debug, Default)]
pub struct Revocations {
    view: ArcSwap<View>,
    version: AtomicU64,
    fresh_us: AtomicI64,
    writer: Mutex<()>,
    moved: Notify,
}

#[derive(Clone, Debug, Default)]
struct View {
    issuers: Map<Ended>,
}

/// What has ended among the tokens of one issuer.
#[derive(Clone, Debug, Default)]
struct Ended {
    tokens: Map<i64>,
    families: Map<i64>,
    clients: Map<Watermark>,
    subjects: Map<Watermark>,
}

#[derive(Clone, Copy, Debug)]
struct Watermark {
    /// Tokens issued at this second or before have ended.
    issued_until: i64,
    forget_after: i64,
}

impl Revocations {
    /// Knows nothing yet: `as_of` is 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part of the log. A repeated entry changes nothing.
    pub fn apply(&self, revocations: &[Revocation]) {
        if revocations.is_empty() {
            return;
        }
        self.change(|view| revocations.iter().for_each(|one| view.add(one)));
    }

    /// Puts another log in the place of the one that was applied, at once: whoever looks sees one of
    /// them whole.
    pub fn replace(&self, revocations: &[Revocation]) {
        self.change(|view| {
            *view = View::default();
            for one in revocations {
                view.add(one);
            }
        });
    }

    /// Says that everything revoked until `unix_us` has been applied.
    pub fn fresh_until(&self, unix_us: i64) {
        // Also back: what a clock said that was ahead for a while is not good for later.
        self.fresh_us.store(unix_us, Ordering::Relaxed);
    }

    /// Until when the view is complete, microseconds since the Unix epoch; 0: never was.
    pub fn as_of(&self) -> i64 {
        self.fresh_us.load(Ordering::Relaxed)
    }

    /// Whether it may lack what was revoked more than `seconds` before `now_unix`.
    pub fn is_older_than(&self, seconds: i64, now_unix: i64) -> bool {
        let as_of = self.as_of().div_euclid(1_000_000);
        // By a clock that was turned back nobody can say how old it is.
        !(-MOST_AHEAD_SECONDS..=seconds).contains(&now_unix.saturating_sub(as_of))
    }

    /// Drops what names only tokens that are past their end by now.
    pub fn prune(&self, now_unix: i64) {
        let (_writer, mut view) = (self.lock(), View::clone(&self.view.load()));
        for issuer in view.issuers.keys().cloned().collect::<Vec<_>>() {
            if let Some(ended) = view.issuers.get_mut(&issuer) {
                ended.prune(now_unix);
            }
        }
        // Nothing was added, so nobody has to ask anew: the version stays.
        self.view.store(Arc::new(view));
    }

    /// Moves whenever an answer of [`Self::is_revoked`] may have changed to yes.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Ready when the version has moved since this was called.
    pub fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// Whether the token with these claims has ended.
    pub fn is_revoked(&self, issuer: &str, claims: &Claims) -> bool {
        let view = self.view.load();
        let Some(ended) = view.issuers.get(issuer) else { return false };
        let token = claims.jti.as_deref().is_some_and(|jti| ended.tokens.contains_key(jti));
        // A token that hides when it was issued cannot show that it is younger than the mark.
        let issued_at = claims.issued_at.unwrap_or(i64::MIN);
        let under = |mark: Option<&Watermark>| mark.is_some_and(|m| issued_at <= m.issued_until);
        let family = claims.other.get("km").and_then(|ours| ours.get("fam")?.as_str());
        token
            || family.is_some_and(|family| ended.families.contains_key(family))
            || under(claims.client_id.as_deref().and_then(|id| ended.clients.get(id)))
            || under(claims.subject.as_deref().and_then(|name| ended.subjects.get(name)))
    }

    /// Whether what a person has shown has ended, as their tokens of that time have.
    pub fn has_ended(&self, person: &Person) -> bool {
        let view = self.view.load();
        let ended = view.issuers.get(&*person.issuer);
        let mark = ended.and_then(|ended| ended.subjects.get(&*person.subject));
        mark.is_some_and(|mark| person.authenticated_at <= mark.issued_until)
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.view.load().issuers.values().map(Ended::len).sum()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn change(&self, edit: impl FnOnce(&mut View)) {
        let (_writer, mut view) = (self.lock(), View::clone(&self.view.load()));
        edit(&mut view);
        self.view.store(Arc::new(view));
        // INVARIANT: the view is stored before the version moves, so whoever sees the new version
        // also sees the new view.
        self.version.fetch_add(1, Ordering::Release);
        self.moved.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn add(&mut self, one: &Revocation) {
        let ended = self.issuers.entry(Arc::from(one.issuer.as_str())).or_default();
        let forget_after = one.forget_after.as_ref().map_or(i64::MAX, |at| at.seconds);
        // Seconds, rounded up: `iat` has no smaller unit, and a token of the same second counts
        // as issued before.
        let issued_until = one.issued_until.as_ref().map_or(i64::MAX, |at| at.seconds);
        let mark = Watermark { issued_until, forget_after };
        match &one.what {
            Some(What::Jti(jti)) => {
                ended.tokens.insert(Arc::from(jti.as_str()), forget_after);
            }
            Some(What::Family(family)) => {
                ended.families.insert(Arc::from(family.as_str()), forget_after);
            }
            Some(What::ClientId(id)) => raise(&mut ended.clients, id, mark),
            Some(What::Subject(subject)) => raise(&mut ended.subjects, subject, mark),
            None => tracing::warn!(sequence = one.sequence, "revocation names nothing"),
        }
    }
}

fn raise(marks: &mut Map<Watermark>, name: &str, mark: Watermark) {
    let known = marks.entry(Arc::from(name)).or_insert(mark);
    known.issued_until = known.issued_until.max(mark.issued_until);
    known.forget_after = known.forget_after.max(mark.forget_after);
}

impl Ended {
    fn len(&self) -> usize {
        self.tokens.len() + self.families.len() + self.clients.len() + self.subjects.len()
    }

    fn prune(&mut self, now_unix: i64) {
        self.tokens.retain(|_, forget_after| *forget_after > now_unix);
        self.families.retain(|_, forget_after| *forget_after > now_unix);
        self.clients.retain(|_, mark| mark.forget_after > now_unix);
        self.subjects.retain(|_, mark| mark.forget_after > now_unix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://issuer.example";

    /// `log` is "jti:a", "family:f", "client:c<=10" or "subject:s<=10", each to be forgotten at
    /// 100; `token` is "jti client subject issued-at family".
    #[track_caller]
    fn check(log: &str, pruned_at: i64, token: &str, revoked: bool) {
        let revocations = Revocations::new();
        let entries: Vec<Revocation> = log.split_whitespace().map(entry).collect();
        revocations.apply(&entries);
        revocations.prune(pruned_at);
        assert_eq!(revocations.is_revoked(ISSUER, &claims(token)), revoked);
        assert!(!revocations.is_revoked("https://other.example", &claims(token)));
        revocations.replace(&[]);
        assert!(!revocations.is_revoked(ISSUER, &claims(token)), "of another log");
    }

    fn entry(text: &str) -> Revocation {
        let stamp = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let (kind, rest) = text.split_once(':').unwrap();
        let (name, until) = rest.split_once("<=").unwrap_or((rest, "0"));
        let what = match kind {
            "jti" => What::Jti(name.to_owned()),
            "family" => What::Family(name.to_owned()),
            "client" => What::ClientId(name.to_owned()),
            _ => What::Subject(name.to_owned()),
        };
        Revocation {
            issuer: ISSUER.to_owned(),
            what: Some(what),
            issued_until: stamp(until.parse().unwrap()),
            forget_after: stamp(100),
            ..Revocation::default()
        }
    }

    fn claims(token: &str) -> Claims {
        let mut words = token.split_whitespace().map(str::to_owned);
        let mut next = || words.next();
        Claims {
            issuer: ISSUER.to_owned(),
            jti: next(),
            client_id: next(),
            subject: next(),
            issued_at: next().and_then(|at| at.parse().ok()),
            other: next()
                .map(|family| ("km".to_owned(), serde_json::json!({ "fam": family })))
                .into_iter()
                .collect(),
            audience: Vec::new(),
            audience_is_list: false,
            expires_at: 1_000,
            not_before: None,
            scopes: Vec::new(),
        }
    }

    #[test]
    fn a_revoked_token_is_known_by_its_identifier() {
        check("jti:a jti:b", 0, "b client ann 5", true);
        check("jti:a jti:b", 0, "c client ann 5", false);
    }

    #[test]
    fn a_family_that_ended_ends_all_that_came_from_it() {
        check("family:f", 0, "a c ann 5 f", true);
        check("family:f", 0, "a c ann 5 g", false);
        check("family:f", 0, "f f f 5", false);
        check("family:f", 100, "a c ann 5 f", false);
    }

    #[test]
    fn a_client_that_ended_ends_its_older_tokens_only() {
        check("client:c<=10", 0, "a c ann 10", true);
        check("client:c<=10", 0, "a c ann 11", false);
        check("client:c<=10 client:c<=4", 0, "a c ann 10", true);
    }

    #[test]
    fn a_subject_that_ended_ends_its_older_tokens_only() {
        check("subject:ann<=10", 0, "a c ann 10", true);
        check("subject:ann<=10", 0, "a c ben 10", false);
    }

    #[test]
    fn a_token_without_issue_time_falls_under_every_mark() {
        check("client:c<=10", 0, "a c ann", true);
    }

    #[test]
    fn its_age_is_counted_from_the_last_word_and_not_known_by_a_clock_that_went_back() {
        let revocations = Revocations::new();
        assert!(revocations.is_older_than(86_400, 1_000_000), "nothing was ever heard");
        revocations.fresh_until(1_000_999_999);
        for (now, old) in [(1_000, false), (1_005, false), (1_006, true), (940, false), (939, true)]
        {
            assert_eq!(revocations.is_older_than(5, now), old, "at {now}");
        }
        revocations.fresh_until(900_000_000);
        assert!(revocations.is_older_than(5, 1_000), "a clock that was ahead is not believed");
    }

    #[test]
    fn entries_are_forgotten_when_they_name_no_living_token() {
        check("jti:a", 99, "a c ann 5", true);
        check("jti:a", 100, "a c ann 5", false);
    }
}
