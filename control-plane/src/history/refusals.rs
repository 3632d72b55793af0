//! Who tried in vain to change something?
//!
//! Such lines wait in memory for a moment and are written together, so that nobody fills the log, or
//! holds up those who may, by asking for what is refused. Beyond the bound they are only counted.

use std::sync::{Mutex, PoisonError};

use audit_chain::Note;

use super::journal::shortened;

/// So many are written in one go; the others of that second are counted.
const MOST: usize = 16;
const LONGEST: usize = 256;

/// An attempt that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When, in Unix seconds.
    pub at: i64,
    /// Who tried.
    pub by: String,
    /// What: the keys of resources, as far as they are known.
    pub what: Vec<String>,
    /// Why not.
    pub why: String,
    /// Why it was tried, in the words of who tried.
    pub reason: String,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    notes: Vec<Note>,
    beyond: u64,
}

impl Refusals {
    pub(super) fn add(&self, refusal: Refusal) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.notes.len() < MOST {
            waiting.notes.push(note(refusal));
        } else {
            waiting.beyond = waiting.beyond.saturating_add(1);
        }
    }

    /// What is to be written now.
    pub(super) fn take(&self, now: i64) -> Vec<Note> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { mut notes, beyond } = std::mem::take(&mut *waiting);
        if beyond > 0 {
            let details = serde_json::json!({ "times": beyond.to_string() }).to_string();
            let (event, outcome) = ("change.refused".to_owned(), "counted".to_owned());
            notes.push(Note {
                at: now,
                event,
                who: "*".to_owned(),
                outcome,
                details,
                ..Note::default()
            });
        }
        notes
    }

    /// Gives back what could not be written; what is beyond the bound is counted.
    pub(super) fn put_back(&self, notes: Vec<Note>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for note in notes {
            if waiting.notes.len() < MOST {
                waiting.notes.push(note);
            } else {
                waiting.beyond = waiting.beyond.saturating_add(1);
            }
        }
    }
}

fn note(refusal: Refusal) -> Note {
    let Refusal { at, by, what, why, reason } = refusal;
    let mut details = serde_json::Map::new();
    if !what.is_empty() {
        details.insert("resources".to_owned(), shortened(&what.join(", "), LONGEST).into());
    }
    if !reason.is_empty() {
        details.insert("reason".to_owned(), shortened(&reason, LONGEST).into());
    }
    Note {
        at,
        event: "change.refused".to_owned(),
        who: by,
        outcome: shortened(&why, LONGEST),
        details: serde_json::Value::Object(details).to_string(),
        ..Note::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_attempts_are_counted_and_none_is_lost() {
        let refusals = Refusals::default();
        let refusal = Refusal {
            at: 1,
            by: "ann".to_owned(),
            what: vec!["Tier/a".to_owned()],
            why: "no".to_owned(),
            reason: String::new(),
        };
        for _ in 0..100 {
            refusals.add(refusal.clone());
        }
        let written = refusals.take(2);
        assert_eq!(written.len(), MOST + 1);
        assert!(written[MOST].details.contains("\"84\""), "{written:?}");
        refusals.put_back(written);
        assert_eq!(refusals.take(3).len(), MOST + 1);
        assert_eq!(refusals.take(4).len(), 0);
    }
}
