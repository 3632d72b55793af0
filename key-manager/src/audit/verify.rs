//! Is the log whole?
//!
//! Each line must follow the one before it and carry the hash that only the master key makes. The
//! first line is the first ever, or the one behind what a checkpoint says was dropped for its age;
//! the last one is the one that the head of the log names. Whoever can put the whole database back
//! to an earlier state can put the log back with it: against that helps what an earlier look said,
//! kept elsewhere.

use std::fmt;

use serde::Deserialize;

use crate::store::{AuditLine, Chain, Store, StoreError};

/// So many lines are read at a time.
const PAGE: u32 = 1000;

/// A line that somebody has seen and noted down elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub sequence: u64,
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
    pub sequence: u64,
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

pub async fn verify(
    store: &dyn Store,
    chain: &dyn Chain,
    anchor: Option<&Anchor>,
) -> Result<Verdict, StoreError> {
    // Read first: lines that are written meanwhile stand behind it.
    let head = store.audit_head().await?;
    let mut walk = Walk { chain, anchor, lines: 0, last: None, begun: None, broken: None };
    let mut after = 0;
    loop {
        let page = store.audit(after, i64::MIN, PAGE).await?;
        let page: Vec<_> = page.iter().filter(|line| line.sequence <= head.sequence).collect();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for line in page {
            walk.step(line);
        }
    }
    let last = walk.last.clone().unwrap_or(Anchor { sequence: 0, hash: String::new() });
    if (last.sequence, &last.hash) != (head.sequence, &head.hash) {
        walk.break_at(head.sequence, "the last line is not the one that was written last");
    }
    if let Some(begun) = walk.begun.take() {
        walk.break_at(begun.sequence, "lines before it are gone, and no checkpoint says so");
    }
    if let Some(anchor) = anchor.filter(|anchor| anchor.sequence > last.sequence) {
        walk.break_at(anchor.sequence, "a line that was there is gone");
    }
    Ok(Verdict { lines: walk.lines, last, broken: walk.broken })
}

struct Walk<'w> {
    chain: &'w dyn Chain,
    anchor: Option<&'w Anchor>,
    lines: u64,
    last: Option<Anchor>,
    /// The line in front of the first one, until a checkpoint tells of it.
    begun: Option<Anchor>,
    broken: Option<Break>,
}

impl Walk<'_> {
    fn step(&mut self, line: &AuditLine) {
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
        if line.note.event == "audit.checkpoint"
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

    /// The first break is the one that is told.
    fn break_at(&mut self, sequence: u64, why: &'static str) {
        self.broken.get_or_insert(Break { sequence, why });
    }
}
