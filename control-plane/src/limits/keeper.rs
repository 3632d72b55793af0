//! Which control plane counts, and who writes down what it must not forget?
//!
//! Where control planes share a store, the one counts that has written so last, and it writes so each
//! second. It counts for `HOLDS` after it began to write at most, and another one takes over when nothing
//! was written for `SILENT` by its own clock: two never count at once, whatever their clocks say. A store
//! of its own needs no such care, because nobody else can have it open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::{Backoff, Host};

use super::authority::Entries;
use super::book::{Book, Holder};
use super::figures::Figures;
use super::sharing::Sharing;
use crate::store::{Store, StoreError};

/// How often it is written who counts, where several might.
const RENEW: Duration = Duration::from_secs(1);
/// How long who has written so counts, from when it began to write.
const HOLDS: Duration = Duration::from_secs(3);
/// How long nothing is written before another one takes over.
const SILENT: Duration = Duration::from_secs(5);
/// How often it is looked whether something is to be done.
const LOOK: Duration = Duration::from_millis(250);
/// For how long who counts promises to at a time.
const PROMISE_US: u64 = 10_000_000;

/// Keeps one control plane counting, or waiting for its turn.
#[derive(Debug)]
pub struct Keeper {
    /// Clock, tasks and shutdown.
    pub host: Host,
    /// Where it is written down.
    pub store: Arc<dyn Store>,
    /// Whether other control planes write there, too.
    pub is_shared: bool,
    /// What is counted.
    pub sharing: Arc<Sharing>,
    /// How it goes.
    pub figures: Figures,
}

/// How a term of counting ended.
enum Ended {
    /// The process drains.
    Drains(Box<Book>),
    Error(StoreError),
}

impl Keeper {
    /// Until the process drains.
    pub async fn run(self) {
        let mut backoff = Backoff::new();
        let mut seen = None;
        while !self.host.shutdown.requested() {
            let wait = match self.step(&mut seen, &mut backoff).await {
                Ok(None) => return,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "limits are not counted");
                    self.sharing.end("the store of counters does not answer".to_owned());
                    backoff.next()
                }
            };
            tokio::select! {
                () = self.host.clock.sleep(wait) => {}
                () = self.host.shutdown.wait() => {}
            }
        }
    }

    /// Counts, if it is its turn; says how long to wait before the next try, or that all is done.
    async fn step(
        &self,
        seen: &mut Option<(Holder, Instant)>,
        backoff: &mut Backoff,
    ) -> Result<Option<Duration>, StoreError> {
        if self.is_shared
            && let Some(holder) = Book::holder_in(&self.store).await?
            && let Some(other) = self.other(holder, seen)
        {
            self.sharing.end(format!("limits are counted by the control plane `{other}`"));
            return Ok(Some(RENEW));
        }
        *seen = None;
        let book = Book::read(&self.store).await?;
        let begun = self.host.clock.instant();
        let ended = self.count(book).await;
        if self.host.clock.instant().duration_since(begun) > SILENT {
            backoff.reset();
        }
        match ended {
            Ended::Drains(book) => {
                self.finish(*book).await;
                Ok(None)
            }
            Ended::Error(StoreError::Conflict { .. }) => {
                self.sharing.end("another control plane counts limits".to_owned());
                Ok(Some(RENEW))
            }
            Ended::Error(error) => Err(error),
        }
    }

    /// Whose turn it is, if it is not this one's: who writes that it counts, or did a moment ago.
    fn other(&self, holder: Holder, seen: &mut Option<(Holder, Instant)>) -> Option<String> {
        if holder.ended {
            return None;
        }
        let now = self.host.clock.instant();
        match seen {
            Some((before, since)) if *before == holder => {
                (now.duration_since(*since) < SILENT).then_some(holder.name)
            }
            _ => {
                *seen = Some((holder.clone(), now));
                Some(holder.name)
            }
        }
    }

    /// Counts until it cannot be written down any more, or the process drains.
    async fn count(&self, mut book: Book) -> Ended {
        let mut begun = self.host.clock.instant();
        let before = book.before();
        let holder = self.holder(&book, self.promise_us(), false);
        if let Err(error) = self.write(&mut book, &Entries::default(), &holder).await {
            return Ended::Error(error);
        }
        self.sharing.begin(before, self.is_shared.then(|| begun + HOLDS));
        tracing::info!("limits that gateways share are counted here");
        let mut looked = begun;
        loop {
            let since = self.host.clock.instant().duration_since(looked);
            tokio::select! {
                () = self.sharing.stirred() => {}
                () = self.host.clock.sleep(LOOK.saturating_sub(since)) => {}
                () = self.host.shutdown.wait() => return Ended::Drains(Box::new(book)),
            }
            let now = self.host.clock.instant();
            if now.duration_since(looked) >= LOOK {
                looked = now;
                self.sharing.tick();
                self.figures.set(self.sharing.counted());
            }
            let mut entries = self.sharing.entries(book.most());
            if self.is_shared && now.duration_since(begun) >= RENEW {
                entries.promise_us = entries.promise_us.or(Some(self.promise_us()));
            }
            if entries.is_empty() {
                continue;
            }
            let promised_us = book.holder.as_ref().map_or(0, |holder| holder.promised_us);
            let holder = self.holder(&book, entries.promise_us.unwrap_or(promised_us), false);
            match self.write(&mut book, &entries, &holder).await {
                Ok(()) => {
                    if entries.promise_us.is_some() {
                        begun = now;
                        self.sharing.go_on(begun + HOLDS);
                    }
                    self.sharing.written(&entries);
                }
                Err(error) => {
                    self.sharing.unwritten(entries);
                    return Ended::Error(error);
                }
            }
        }
    }

    /// The next one may begin at once, and knows when this one has stopped.
    async fn finish(&self, mut book: Book) {
        self.sharing.end("the control plane stops".to_owned());
        let holder = self.holder(&book, self.sharing.now_us(), true);
        if let Err(error) = self.write(&mut book, &Entries::default(), &holder).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "it is not written down that limits are counted no more");
        }
    }

    fn promise_us(&self) -> u64 {
        self.sharing.now_us().saturating_add(PROMISE_US)
    }

    fn holder(&self, book: &Book, promised_us: u64, ended: bool) -> Holder {
        let before = book.holder.as_ref();
        let turn = before.map_or(0, |holder| holder.turn);
        // Nothing is written where nothing has changed.
        let same = before.is_some_and(|it| {
            it.promised_us == promised_us && it.ended == ended && it.name == self.host.instance
        });
        let turn = if same { turn } else { turn.saturating_add(1) };
        Holder { name: self.host.instance.clone(), promised_us, ended, turn }
    }

    /// Writes it down; a store that does not answer is asked again with the same transaction, so that it is
    /// known in the end whether it was made.
    async fn write(
        &self,
        book: &mut Book,
        entries: &Entries,
        holder: &Holder,
    ) -> Result<(), StoreError> {
        let transaction = book.transaction(entries, holder);
        let begun = self.host.clock.instant();
        let mut backoff = Backoff::between(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            match book.commit(&transaction, holder).await {
                Err(error) if error.is_retryable() => {
                    let passed = self.host.clock.instant().duration_since(begun);
                    if self.host.shutdown.requested() || passed > SILENT {
                        return Err(error);
                    }
                    self.host.clock.sleep(backoff.next()).await;
                }
                done => return done,
            }
        }
    }
}
