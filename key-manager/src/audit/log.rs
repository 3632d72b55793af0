//! How does an event become a line?

use std::sync::Arc;

use chassis::clock::Clock;

use super::chain::Keyed;
use super::event::Event;
use super::tally::{Counted, Tally};
use super::verify::{Anchor, Verdict, verify};
use crate::store::{AuditLine, Chain, Note, Noted, Store, StoreError};
use crate::vault::Pepper;

/// `[audit]`, as far as it concerns the log.
#[derive(Clone, Copy, Debug)]
pub struct AuditRules {
    /// Lines are kept for so many seconds.
    pub keep_seconds: i64,
    /// How many different things are counted at a time.
    pub counted: usize,
}

/// The log shrinks at most this often, so that few lines are about its own shrinking.
const PRUNE_SECONDS: i64 = 24 * 3600;

/// The log, opened for somebody; cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    store: Arc<dyn Store>,
    chain: Arc<dyn Chain>,
    clock: Clock,
    rules: AuditRules,
    tally: Arc<Tally>,
    /// Who does what is written, where an event names nobody else.
    who: Arc<str>,
}

impl Audit {
    pub fn new(store: Arc<dyn Store>, key: Pepper, clock: Clock, rules: AuditRules) -> Self {
        let chain = Arc::new(Keyed(key));
        let tally = Arc::new(Tally::new(rules.counted));
        Self { store, chain, clock, rules, tally, who: Arc::from("") }
    }

    /// The same log, opened for somebody else.
    #[must_use]
    pub fn by(&self, who: &str) -> Self {
        Self { who: Arc::from(who), ..self.clone() }
    }

    /// The store through which a change writes its line with it.
    pub fn noting(&self, event: Event) -> Arc<dyn Store> {
        self.store.noting(self.noted(event))
    }

    /// What a change writes with it.
    pub fn noted(&self, event: Event) -> Noted {
        Noted { note: self.note(event), chain: Arc::clone(&self.chain) }
    }

    /// Writes what belongs to no change; durable when it answers.
    pub async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.store.note(&[self.note(event)], self.chain.as_ref()).await
    }

    /// Counts what happens too often for a line each. `client` is one that is registered, or empty.
    pub fn count(
        &self,
        event: &'static str,
        client: &str,
        outcome: &'static str,
        kind: &'static str,
    ) {
        self.tally.add(Counted { event, client: client.to_owned(), outcome, kind }, 1);
    }

    /// Writes what was counted. What could not be written stays counted.
    pub async fn flush(&self) -> Result<usize, StoreError> {
        let counts = self.tally.take();
        if counts.is_empty() {
            return Ok(0);
        }
        let notes: Vec<Note> = counts
            .iter()
            .map(|(counted, times)| {
                let event =
                    Event::of(counted.event).client(&counted.client).outcome(counted.outcome);
                let event = event.with("times", &times.to_string());
                let kind = Some(counted.kind).filter(|kind| !kind.is_empty());
                self.note(kind.into_iter().fold(event, |event, kind| event.with("kind", kind)))
            })
            .collect();
        let written = self.store.note(&notes, self.chain.as_ref()).await;
        if written.is_err() {
            for (counted, times) in counts {
                self.tally.add(counted, times);
            }
        }
        written.map(|()| notes.len())
    }

    /// Drops lines that are older than they are kept, at most once a day.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        let before = self.clock.unix_seconds().saturating_sub(self.rules.keep_seconds);
        let first = self.store.audit(0, 0, 1).await?;
        let due = before.saturating_sub(PRUNE_SECONDS);
        if first.first().is_none_or(|line| line.note.at >= due) {
            return Ok(0);
        }
        let checkpoint = self.note(Event::of("audit.checkpoint").by("key-manager"));
        self.store.prune_audit(before, &checkpoint, self.chain.as_ref()).await
    }

    pub async fn lines(
        &self,
        after: u64,
        since: i64,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        self.store.audit(after, since, limit).await
    }

    /// Looks at every line. `anchor` is what an earlier look said, if there was one.
    pub async fn verify(&self, anchor: Option<&Anchor>) -> Result<Verdict, StoreError> {
        verify(self.store.as_ref(), self.chain.as_ref(), anchor).await
    }

    fn note(&self, event: Event) -> Note {
        let Event { name, who, client, address, outcome, details } = event;
        Note {
            at: self.clock.unix_seconds(),
            event: name.to_owned(),
            who: who.unwrap_or_else(|| self.who.as_ref().to_owned()),
            client,
            address: address.map(|address| address.to_canonical().to_string()).unwrap_or_default(),
            outcome: outcome.to_owned(),
            details: serde_json::json!(details).to_string(),
        }
    }
}
