//! What would have been raised about the calls that are stored, by given rules?
//!
//! A watch of its own is shown the calls in their order, part of time by part of time; a part is as long as
//! its calls fit into memory. Nothing is raised, and nothing is learnt beyond the replay. Where clients
//! were and which scopes tokens had is not kept, so journeys are not found again.

use std::sync::Arc;

use detect::span::MINUTE_US;
use detect::{Finding, Rules, Watch};
use futures_util::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;

use super::history::Alert;
use super::look::look;
use super::lookout::alert;
use crate::event::Row;
use crate::question::{Search, Window};
use crate::store::{QueryError, Reader};
use detect::span::SECOND_US;

/// Calls that are read at once, about.
const PART: usize = 20_000;
/// Calls of one second that are looked at.
const MOST_OF_SECOND: usize = 10 * PART;
/// A replay ends after so many.
const MOST: u64 = 10_000_000;
const LONGEST_US: i64 = 60 * MINUTE_US;
/// Over a gap without any call time goes on for so many minutes at most.
const MOST_MINUTES: i64 = 7 * 24 * 60;

/// A replay that is under way.
#[derive(Debug)]
pub struct Replay {
    reader: Arc<Reader>,
    /// What is left of the time.
    window: Window,
    /// How long the next part is.
    length_us: i64,
    eye: Eye,
    calls: u64,
    cut: bool,
    /// One runs at a time.
    _turn: OwnedSemaphorePermit,
}

/// What looks, on a thread for it.
#[derive(Debug)]
struct Eye {
    watch: Watch,
    /// The minute of the newest call.
    minute: Option<i64>,
}

/// A part of a replay.
#[derive(Debug)]
pub struct Part {
    /// What would have been raised, at the time of the calls.
    pub alerts: Vec<Alert>,
    /// Events that were looked at so far.
    pub calls: u64,
    /// All calls before that were looked at, microseconds since the Unix epoch.
    pub until_us: i64,
    /// Whether there were more calls than are looked at.
    pub cut: bool,
}

/// Why a replay ended.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The calls cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The watch failed.
    #[error("the replay stopped half-way")]
    Broken,
}

impl Replay {
    /// A replay of the calls of a window.
    pub fn new(
        reader: Arc<Reader>,
        rules: Rules,
        window: Window,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        let eye = Eye { watch: Watch::new(rules), minute: None };
        let length_us = MINUTE_US;
        Self { reader, window, length_us, eye, calls: 0, cut: false, _turn: turn }
    }

    /// Its parts, in the order of time. Who stops asking for them ends it.
    pub fn parts(self) -> impl Stream<Item = Result<Part, ReplayError>> + Send {
        stream::unfold(Some(self), |replay| async move {
            let replay = replay?;
            if replay.window.since_us >= replay.window.until_us || replay.calls >= MOST {
                return None;
            }
            match replay.part().await {
                Ok((part, replay)) => Some((Ok(part), Some(replay))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn part(mut self) -> Result<(Part, Self), ReplayError> {
        let (mut rows, until_us) = self.read().await?;
        // They came newest first.
        rows.reverse();
        self.calls = self.calls.saturating_add(rows.len() as u64);
        self.window.since_us = until_us;
        self.cut |= self.calls >= MOST && until_us < self.window.until_us;
        let Self { eye, .. } = self;
        let looked = tokio::task::spawn_blocking(move || eye.look(&rows)).await;
        let (found, eye) = looked.map_err(|_| ReplayError::Broken)?;
        let alerts = found.into_iter().map(|found| {
            let at_us = found.at_us;
            alert(found, at_us)
        });
        let part = Part { alerts: alerts.collect(), calls: self.calls, until_us, cut: self.cut };
        Ok((part, Self { eye, ..self }))
    }

    /// The calls of the next part, newest first, and where it ends.
    async fn read(&mut self) -> Result<(Vec<Row>, i64), ReplayError> {
        loop {
            let since_us = self.window.since_us;
            let until_us = since_us.saturating_add(self.length_us).min(self.window.until_us);
            let mut search = Search {
                window: Window { since_us, until_us },
                conditions: Vec::new(),
                request_id: None,
                slower_than_us: None,
                after: None,
                most: PART,
            };
            let found = self.reader.search(&search).await?;
            if found.next.is_some() && self.length_us > SECOND_US {
                self.length_us = (self.length_us / 4).max(SECOND_US);
                continue;
            }
            let (mut rows, mut next) = (found.rows, found.next);
            while next.is_some() && rows.len() < MOST_OF_SECOND {
                search.after = next;
                let found = self.reader.search(&search).await?;
                rows.extend(found.rows);
                next = found.next;
            }
            self.cut |= next.is_some();
            if rows.len() < PART / 4 {
                self.length_us = self.length_us.saturating_mul(2).min(LONGEST_US);
            }
            return Ok((rows, until_us));
        }
    }
}

impl Eye {
    fn look(mut self, rows: &[Row]) -> (Vec<Finding>, Self) {
        let mut found = Vec::new();
        let minute_of = |row: &Row| row.at_us.div_euclid(MINUTE_US);
        for rows in rows.chunk_by(|one, next| minute_of(one) == minute_of(next)) {
            let Some(here) = rows.first().map(minute_of) else { continue };
            let last = self.minute.map_or(here, |last| last.max(here));
            let before = self.minute.unwrap_or(here).max(here.saturating_sub(MOST_MINUTES));
            for minute in before..here {
                found.extend(self.watch.pass(minute.saturating_mul(MINUTE_US)));
            }
            self.minute = Some(last);
            look(&mut self.watch, rows, |_, it| found.push(it));
        }
        (found, self)
    }
}
