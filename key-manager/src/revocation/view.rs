//! Has a token ended, without a question to the store? (KM-113, KM-123)
//!
//! The lines of the log in memory, as this process last read them. They are asked only while they are
//! known to be all: nothing was written here that is not among them, and the store was read a moment
//! ago. Otherwise the store is asked.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::reader::Batch;
use crate::domain::{Ended, Entry, LiveToken};
use crate::store::Ledger;

/// Beyond so many lines the store is asked: they take some 100 bytes each.
const MOST: usize = 4_000_000;

/// What has ended, each with the second from which on it can be forgotten.
#[derive(Debug, Default)]
struct Lines {
    epoch: String,
    sequence: u64,
    tokens: HashMap<String, i64>,
    families: HashMap<String, i64>,
    /// Those of clients and of subjects that were issued until then.
    clients: HashMap<String, (i64, i64)>,
    subjects: HashMap<String, (i64, i64)>,
    full: bool,
}

/// What this process knows of the log.
#[derive(Debug)]
pub(super) struct View {
    issuer: String,
    lines: RwLock<Lines>,
}

impl View {
    pub(super) fn new(issuer: String) -> Self {
        Self { issuer, lines: RwLock::default() }
    }

    /// Learns what a watcher of the log hears.
    pub(super) fn learn(&self, batch: Batch) {
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        if lines.epoch != batch.epoch {
            *lines = Lines { epoch: batch.epoch, ..Lines::default() };
        }
        for revocation in batch.revocations {
            if revocation.entry.issuer == self.issuer {
                lines.add(revocation.entry);
            }
        }
        lines.sequence = batch.sequence;
        lines.full = lines.count() > MOST;
    }

    /// Forgets what can matter no more.
    pub(super) fn forget(&self, now: i64) {
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        lines.tokens.retain(|_, until| *until >= now);
        lines.families.retain(|_, until| *until >= now);
        lines.clients.retain(|_, (_, until)| *until >= now);
        lines.subjects.retain(|_, (_, until)| *until >= now);
    }

    /// Whether a token has ended. `None`: not everything up to `ledger` is known here.
    pub(super) fn has_ended(&self, token: &LiveToken, ledger: &Ledger) -> Option<bool> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let known = lines.epoch == ledger.epoch && lines.sequence >= ledger.head && !lines.full;
        known.then(|| token.issuer == self.issuer && lines.name(token))
    }
}

impl Lines {
    fn count(&self) -> usize {
        let people = self.clients.len().saturating_add(self.subjects.len());
        self.tokens.len().saturating_add(self.families.len()).saturating_add(people)
    }

    fn add(&mut self, entry: Entry) {
        let forget_after = entry.forget_after;
        let all = |known: &mut HashMap<String, (i64, i64)>, name: String, until: i64| {
            let line = known.entry(name).or_default();
            *line = (line.0.max(until), line.1.max(forget_after));
        };
        match entry.what {
            Ended::Token(jti) => drop(self.tokens.insert(jti, forget_after)),
            Ended::Family(id) => drop(self.families.insert(id, forget_after)),
            Ended::Client(id, until) => all(&mut self.clients, id.to_string(), until),
            Ended::Subject(subject, until) => all(&mut self.subjects, subject, until),
        }
    }

    fn name(&self, token: &LiveToken) -> bool {
        let all = |known: &HashMap<String, (i64, i64)>, name: &str| {
            known.get(name).is_some_and(|(until, _)| *until >= token.issued_at)
        };
        self.tokens.contains_key(&token.jti)
            || token.family.as_ref().is_some_and(|family| self.families.contains_key(family))
            || all(&self.clients, &token.client_id)
            || all(&self.subjects, &token.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClientId, Revocation};

    fn view(entries: &[Ended]) -> View {
        let view = View::new("i".to_owned());
        let line = |(sequence, what): (u64, &Ended)| Revocation {
            sequence,
            entry: Entry { issuer: "i".to_owned(), what: what.clone(), forget_after: 100 },
        };
        let revocations: Vec<_> = (1..).zip(entries).map(line).collect();
        let sequence = u64::try_from(revocations.len()).expect("a number");
        view.learn(Batch { epoch: "e".to_owned(), sequence, revocations, more: false });
        view
    }

    fn ledger(head: u64) -> Ledger {
        Ledger { epoch: "e".to_owned(), head, ..Ledger::default() }
    }

    /// A token of the client `c` and the subject `s`, from the family `f`, issued at 50.
    fn token() -> LiveToken {
        LiveToken {
            issuer: "i".to_owned(),
            client_id: "c".to_owned(),
            subject: "s".to_owned(),
            jti: "j".to_owned(),
            family: Some("f".to_owned()),
            issued_at: 50,
            ..LiveToken::default()
        }
    }

    #[track_caller]
    fn check(ended: &[Ended], expected: bool) {
        let head = u64::try_from(ended.len()).expect("a number");
        assert_eq!(view(ended).has_ended(&token(), &ledger(head)), Some(expected), "{ended:?}");
    }

    #[test]
    fn each_kind_of_line_names_its_tokens() {
        let client = |until| Ended::Client(ClientId::parse("c").expect("an id"), until);
        check(&[], false);
        check(&[Ended::Token("j".to_owned())], true);
        check(&[Ended::Token("k".to_owned()), Ended::Family("g".to_owned())], false);
        check(&[Ended::Family("f".to_owned())], true);
        check(&[client(49)], false);
        check(&[client(50)], true);
        check(&[client(50), client(49)], true);
        check(&[Ended::Subject("s".to_owned(), 49)], false);
        check(&[Ended::Subject("s".to_owned(), 60)], true);
    }

    #[test]
    fn what_is_not_all_says_nothing() {
        let known = view(&[Ended::Token("k".to_owned())]);
        assert_eq!(known.has_ended(&token(), &ledger(2)), None, "a line is missing");
        let anew = Ledger { epoch: "f".to_owned(), ..ledger(1) };
        assert_eq!(known.has_ended(&token(), &anew), None, "the log began anew");
        known.forget(101);
        let line = LiveToken { jti: "k".to_owned(), ..token() };
        assert_eq!(known.has_ended(&line, &ledger(1)), Some(false), "it was forgotten");
    }
}
