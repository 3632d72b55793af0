//! Is the log whole?
//!
//! Each line must follow the one before it and carry the hash that only the key makes. The first line
//! is the first ever, or the one behind what a checkpoint says was dropped for its age; the last one is
//! the one that the head of the log names. Whoever can put everything back to an earlier state can put
//! the log back with it: against that helps what an earlier look said, kept elsewhere.

use std::fmt;

use serde::Deserialize;

use super::line::{Chain, Head, Line};

/// The event of a line that tells that older ones were dropped.
pub const CHECKPOINT: &str = "audit.checkpoint";

/// A line that somebody has seen and noted down elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its place.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

/// What a look at the whole log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many lines there are.
    pub lines: u64,
    /// The last line, to be noted down.
    pub last: Anchor,
    /// The first thing that is wrong.
    pub broken: Option<Break>,
}

/// What is wrong, and at which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// At which line.
    pub sequence: u64,
    /// What.
    pub why: &'static str,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.sequence, self.why)
    }
}

/// What a checkpoint says in its details.
#[derive(Deserialize)]
struct Checkpoint {
    until: String,
    hash: String,
}

/// The details of a checkpoint behind which the line `until` with this hash was the last to go.
pub fn checkpoint(until: u64, hash: &str) -> String {
    serde_json::json!({ "hash": hash, "until": until.to_string() }).to_string()
}

/// A look at the log, line by line, oldest first.
#[derive(Debug)]
pub struct Walk<'w> {
    chain: &'w dyn Chain,
    anchor: Option<&'w Anchor>,
    lines: u64,
    last: Option<Anchor>,
    /// The line in front of the first one, until a checkpoint tells of it.
    begun: Option<Anchor>,
    broken: Option<Break>,
}

impl<'w> Walk<'w> {
    /// A look at the lines that `chain` ties; `anchor` is what an earlier look said, if there was one.
    pub const fn new(chain: &'w dyn Chain, anchor: Option<&'w Anchor>) -> Self {
        Self { chain, anchor, lines: 0, last: None, begun: None, broken: None }
    }

    /// The next line.
    pub fn step(&mut self, line: &Line) {
        self.lines = self.lines.saturating_add(1);
        let before = line.sequence.saturating_sub(1);
        match &self.last {
            Some(last) if last.sequence != before => {
                self.break_at(line.sequence, "the lines before it are gone");
            }
            Some(last) if last.hash != line.former => {
                self.break_at(line.sequence, "it does not follow the line before it");
            }
            Some(_) => {}
            None if before == 0 && line.former.is_empty() => {}
            None => {
                self.begun = Some(Anchor { sequence: before, hash: line.former.clone() });
            }
        }
        if self.chain.link(line.sequence, &line.former, &line.note) != line.hash {
            self.break_at(line.sequence, "it was changed");
        }
        if self
            .anchor
            .is_some_and(|anchor| anchor.sequence == line.sequence && anchor.hash != line.hash)
        {
            self.break_at(line.sequence, "it is not the line that was there");
        }
        if line.note.event == CHECKPOINT
            && let Ok(Checkpoint { until, hash }) = serde_json::from_str(&line.note.details)
            && self
                .begun
                .as_ref()
                .is_some_and(|begun| begun.hash == hash && begun.sequence.to_string() == until)
        {
            self.begun = None;
        }
        self.last = Some(Anchor { sequence: line.sequence, hash: line.hash.clone() });
    }

    /// There are no more lines; `head` is what the log says its last one is.
    pub fn end(mut self, head: &Head) -> Verdict {
        let last = self.last.clone().unwrap_or(Anchor { sequence: 0, hash: String::new() });
        if (last.sequence, &last.hash) != (head.sequence, &head.hash) {
            self.break_at(head.sequence, "the last line is not the one that was written last");
        }
        if let Some(begun) = self.begun.take() {
            self.break_at(begun.sequence, "lines before it are gone, and no checkpoint says so");
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.sequence > last.sequence) {
            self.break_at(anchor.sequence, "a line that was there is gone");
        }
        Verdict { lines: self.lines, last, broken: self.broken }
    }

    /// The first break is the one that is told.
    fn break_at(&mut self, sequence: u64, why: &'static str) {
        self.broken.get_or_insert(Break { sequence, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Note, text};

    #[derive(Debug)]
    struct Plain;

    impl Chain for Plain {
        fn link(&self, sequence: u64, former: &str, note: &Note) -> String {
            format!("<{sequence} {}>", text(former, note).len())
        }
    }

    /// Lines 1 to 5 are written, `harm` is done to them, and the look says this.
    #[track_caller]
    fn check(harm: fn(&mut Vec<Line>), said: &str) {
        let (mut lines, mut former) = (Vec::new(), String::new());
        for sequence in 1..=5 {
            let note = Note { event: "e".repeat(sequence), ..Note::default() };
            let sequence = sequence as u64;
            let hash = Plain.link(sequence, &former, &note);
            lines.push(Line { sequence, note, former, hash: hash.clone() });
            former = hash;
        }
        harm(&mut lines);
        let mut walk = Walk::new(&Plain, None);
        for line in &lines {
            walk.step(line);
        }
        let verdict = walk.end(&Head { sequence: 5, hash: former });
        let found = verdict.broken.map_or_else(|| "whole".to_owned(), |found| found.to_string());
        assert_eq!(found, said);
    }

    #[test]
    fn what_was_changed_removed_or_moved_is_told() {
        check(|_| {}, "whole");
        check(|lines| lines[2].note.event.push('x'), "line 3: it was changed");
        check(|lines| drop(lines.remove(2)), "line 4: the lines before it are gone");
        check(|lines| lines.swap(1, 2), "line 3: the lines before it are gone");
        check(
            |lines| drop(lines.pop()),
            "line 5: the last line is not the one that was written last",
        );
        check(
            |lines| drop(lines.remove(0)),
            "line 1: lines before it are gone, and no checkpoint says so",
        );
    }
}
