//! Who tried in vain, and how often?
//!
//! Whoever is refused can ask as often as they like, so not every attempt is a line of the audit log. The
//! first one of its kind is written a moment later, together with others; those that are like it are counted
//! and written as one line when the window is over. What is remembered has a bound, for one source and for
//! all of them; beyond it attempts are only counted, and no count is lost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use audit_chain::Note;

use super::told::{TENANT, shortened};
use crate::network::network;

/// For so many seconds attempts that are alike are one line.
const WINDOW_S: i64 = 300;
/// So many different attempts of one source are told apart in a window,
const PER_SOURCE: usize = 8;
/// and so many of all sources, for each event.
const MOST: usize = 32;
const LONGEST: usize = 256;
/// Stands for many.
const MANY: &str = "*";
const COUNTED: &str = "counted";

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// A change.
    Change,
    /// To ask for something that one may not.
    Access,
    /// To be known.
    SignIn,
}

impl Attempt {
    const fn event(self) -> &'static str {
        match self {
            Self::Change => "change.refused",
            Self::Access => "access.refused",
            Self::SignIn => "sign_in.refused",
        }
    }

    /// How the line names what it was about.
    const fn about(self) -> &'static str {
        match self {
            Self::Change => "resources",
            Self::Access | Self::SignIn => "operation",
        }
    }
}

/// An attempt that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What it was.
    pub attempt: Attempt,
    /// Who tried; empty: nobody that is known.
    pub by: String,
    /// Their tenant, whose administrators are told; empty: the operator.
    pub tenant: String,
    /// From where; none: it is not known.
    pub address: Option<IpAddr>,
    /// What about: the keys of resources, as far as they are known, or the operation.
    pub what: Vec<String>,
    /// Why not.
    pub why: String,
    /// Why it was tried, in the words of who tried.
    pub reason: String,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<Alike, Count>>);

/// What attempts have in common that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    attempt: Attempt,
    by: String,
    tenant: String,
    /// Whoever has an address of IPv6 has its /64.
    network: Option<IpAddr>,
    what: String,
    why: String,
    reason: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// The address that was the first.
    address: Option<IpAddr>,
    /// Those that are in no line yet.
    times: u64,
    /// When the last line was written, in Unix seconds; none: there is none.
    written: Option<i64>,
}

/// Attempts that are one line.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    alike: Alike,
    address: Option<IpAddr>,
    times: u64,
}

impl Refusals {
    pub(super) fn add(&self, refusal: Refusal) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = refusal.address;
        let alike = known(&waiting, Alike::of(refusal));
        // Of many it would be one of them.
        let address = address.filter(|_| alike.by != MANY);
        let count = waiting.entry(alike).or_insert(Count { address, ..Count::default() });
        count.times = count.times.saturating_add(1);
    }

    /// What is to be written at `now`, in Unix seconds; `all`: also what could wait.
    pub(super) fn take(&self, now: i64, all: bool) -> Vec<Counted> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        waiting.retain(|alike, count| {
            // A clock that was put back keeps nobody waiting.
            let open =
                count.written.is_some_and(|then| (0..WINDOW_S).contains(&now.saturating_sub(then)));
            if count.times == 0 || (open && !all) {
                return open || count.times > 0;
            }
            let times = std::mem::take(&mut count.times);
            count.written = Some(now);
            due.push(Counted { alike: alike.clone(), address: count.address, times });
            true
        });
        due
    }

    /// Gives back what could not be written.
    pub(super) fn put_back(&self, counted: Vec<Counted>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Counted { alike, address, times } in counted {
            let count = waiting.entry(alike).or_insert(Count { address, ..Count::default() });
            count.times = count.times.saturating_add(times);
            count.written = None;
        }
    }
}

impl Alike {
    fn of(refusal: Refusal) -> Self {
        let Refusal { attempt, by, tenant, address, what, why, reason } = refusal;
        Self {
            attempt,
            by: shortened(&by, LONGEST),
            tenant,
            network: address.map(network),
            what: shortened(&what.join(", "), LONGEST),
            why: shortened(&why, LONGEST),
            reason: shortened(&reason, LONGEST),
        }
    }
}

/// Under what an attempt is counted, within the bounds.
fn known(waiting: &BTreeMap<Alike, Count>, alike: Alike) -> Alike {
    if waiting.contains_key(&alike) {
        return alike;
    }
    let attempt = alike.attempt;
    let of_event = || waiting.keys().filter(move |one| one.attempt == attempt);
    let source = |one: &&Alike| {
        (&one.by, &one.tenant, one.network) == (&alike.by, &alike.tenant, alike.network)
    };
    let alike = if of_event().filter(source).count() < PER_SOURCE {
        alike
    } else {
        counted(attempt, (alike.by.as_str(), alike.tenant.as_str()), alike.network)
    };
    if of_event().count() < MOST || waiting.contains_key(&alike) {
        return alike;
    }
    counted(attempt, (MANY, ""), None)
}

/// `by`: who tried, and their tenant.
fn counted(attempt: Attempt, by: (&str, &str), network: Option<IpAddr>) -> Alike {
    Alike {
        attempt,
        by: by.0.to_owned(),
        tenant: by.1.to_owned(),
        network,
        what: MANY.to_owned(),
        why: COUNTED.to_owned(),
        reason: String::new(),
    }
}

impl Counted {
    pub(super) fn note(&self, at: i64) -> Note {
        let Alike { attempt, by, tenant, what, why, reason, .. } = &self.alike;
        let times = if self.times > 1 { self.times.to_string() } else { String::new() };
        let mut details = serde_json::Map::new();
        let about = attempt.about();
        for (name, value) in
            [(about, what), ("reason", reason), ("times", &times), (TENANT, tenant)]
        {
            if !value.is_empty() {
                details.insert(name.to_owned(), value.as_str().into());
            }
        }
        Note {
            at,
            event: attempt.event().to_owned(),
            who: by.clone(),
            address: self.address.map(|address| address.to_string()).unwrap_or_default(),
            outcome: why.clone(),
            details: serde_json::Value::Object(details).to_string(),
            ..Note::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts, each `who@address what times`, and when lines are written; the lines.
    #[track_caller]
    fn check(refusals: &Refusals, tried: &[&str], now: i64, lines: &[&str]) {
        for text in tried {
            let [source, what, times] = text.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            let (by, address) = source.split_once('@').unwrap();
            for _ in 0..times.parse().unwrap() {
                refusals.add(Refusal {
                    attempt: Attempt::SignIn,
                    by: by.to_owned(),
                    tenant: String::new(),
                    address: Some(address.parse().unwrap()),
                    what: vec![what.to_owned()],
                    why: "no".to_owned(),
                    reason: String::new(),
                });
            }
        }
        let found: Vec<String> =
            refusals.take(now, false).iter().map(|one| told(one, now)).collect();
        assert_eq!(found, lines);
    }

    fn told(one: &Counted, now: i64) -> String {
        let Note { who, address, outcome, details, .. } = one.note(now);
        format!("{who}@{address} {outcome} {details}")
    }

    #[test]
    fn the_first_attempt_is_written_at_once_and_those_like_it_when_the_window_is_over() {
        let refusals = Refusals::default();
        let first = r#"ann@192.0.2.1 no {"operation":"/a"}"#;
        check(&refusals, &["ann@192.0.2.1 /a 1"], 0, &[first]);
        check(&refusals, &["ann@192.0.2.1 /a 500"], WINDOW_S - 1, &[]);
        let more = r#"ann@192.0.2.1 no {"operation":"/a","times":"501"}"#;
        check(&refusals, &["ann@192.0.2.1 /a 1"], WINDOW_S, &[more]);
        check(&refusals, &[], 2 * WINDOW_S, &[]);
        check(&refusals, &["ann@192.0.2.1 /a 1"], 2 * WINDOW_S, &[first]);
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let tried = ["@2001:db8::1 /a 1", "@2001:db8::2 /a 1", "@2001:db8:0:1::1 /a 1"];
        let one = r#"@2001:db8::1 no {"operation":"/a","times":"2"}"#;
        let other = r#"@2001:db8:0:1::1 no {"operation":"/a"}"#;
        check(&Refusals::default(), &tried, 0, &[one, other]);
    }

    #[test]
    fn beyond_the_bounds_attempts_are_counted_and_none_is_lost() {
        let refusals = Refusals::default();
        let same: Vec<String> = (0..100).map(|n| format!("@192.0.2.1 /{n} 1")).collect();
        let same: Vec<&str> = same.iter().map(String::as_str).collect();
        let mut lines: Vec<String> =
            (0..PER_SOURCE).map(|n| format!(r#"@192.0.2.1 no {{"operation":"/{n}"}}"#)).collect();
        lines.insert(0, r#"@192.0.2.1 counted {"operation":"*","times":"92"}"#.to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(&refusals, &same, 0, &lines);

        for n in 0..=u8::MAX {
            refusals.add(Refusal {
                attempt: Attempt::SignIn,
                by: String::new(),
                tenant: String::new(),
                address: Some(IpAddr::from([198, 51, 100, n])),
                what: vec!["/a".to_owned()],
                why: "no".to_owned(),
                reason: String::new(),
            });
        }
        let lines = refusals.take(0, false);
        let sources = MOST - PER_SOURCE - 1;
        assert_eq!(lines.len(), sources + 1);
        let rest = format!(r#"*@ counted {{"operation":"*","times":"{}"}}"#, 256 - sources);
        assert_eq!(told(lines.last().unwrap(), 0), rest);
        // The store was away.
        refusals.put_back(lines);
        let again = refusals.take(1, false);
        assert_eq!(again.iter().map(|one| one.times).sum::<u64>(), 256);
        assert!(refusals.take(2, true).is_empty());
    }
}
