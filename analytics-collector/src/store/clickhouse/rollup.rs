//! How do old calls become counts in the ClickHouse, each of them counted once?
//!
//! A day at a time: a try writes down which blocks it counts, has the server count them beside everything
//! that is seen, and is in force by one row (`ledger`). Nothing is deleted before that row has been there for
//! longer than a question lasts. A stop between any two steps leaves rows that nobody sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use detect::span::{DAY_US, HOUR_US};

use super::counts;
use super::ledger::{Ledger, Step, Try};
use super::schema::{BLOCK, Table};
use super::server::{Server, ServerError};
use super::ship::writer;
use super::tables::{self, Tables};
use crate::store::arguments::Arguments;
use crate::store::error::StoreError;
use crate::store::levels::Levels;
use crate::store::open::Store;
use crate::store::probe;
use crate::store::sql::Dialect;

/// How long one statement may take.
pub const LONGEST: Duration = Duration::from_mins(30);
/// Groups take so much memory of the server before they go to its disk, bytes.
const IN_MEMORY: u32 = 256 << 20;

/// How long somebody waits for others.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A question has its answer after so long; what it may read is there until then, microseconds.
    pub question_us: i64,
    /// Whoever counts is done after so long, or has been stopped.
    pub claim_us: i64,
}

impl Default for Patience {
    /// A question may take an hour, and as long again to learn what it may read. A try is four
    /// statements.
    fn default() -> Self {
        Self { question_us: 3 * HOUR_US, claim_us: 3 * HOUR_US }
    }
}

/// Why a day was not counted.
#[derive(Debug, thiserror::Error)]
pub enum RollupError {
    /// The server did not do it.
    #[error("ClickHouse does not count calls")]
    Server(#[from] ServerError),
    /// Our own files are in the way.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Some of it is missing, so that the calls stay.
    #[error("{counted} of {calls} calls of day {day} are in its counts")]
    Uneven {
        /// The day, from 1970.
        day: i64,
        /// How many calls it has.
        calls: u64,
        /// How many were counted.
        counted: u64,
    },
}

/// Counts what is too old to be kept call by call.
#[derive(Debug)]
pub struct Roller {
    store: Arc<Store>,
    server: Server,
    tables: Tables,
    threads: usize,
    patience: Patience,
    /// Tells this folder's claims from those of other collectors.
    collector: String,
    /// The tables are there.
    prepared: bool,
}

impl Roller {
    /// Nothing is counted yet. Counting takes so many threads of the server.
    pub fn new(
        store: Arc<Store>,
        server: Server,
        tables: Tables,
        threads: usize,
    ) -> Result<Self, StoreError> {
        let writer = writer(&store.settings.folder)?;
        let collector = data_encoding::HEXLOWER.encode(&writer);
        let patience = Patience::default();
        Ok(Self { store, server, tables, threads, patience, collector, prepared: false })
    }

    /// With another patience.
    #[cfg(test)]
    pub(super) const fn with(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Counts every day of which calls, or counts, are older than their level, and deletes what
    /// counts have replaced long enough ago. Says how many rows of calls were counted.
    /// After an error the same days are tried again.
    pub async fn roll_up(&mut self, now_us: i64) -> Result<u64, RollupError> {
        if !self.prepared {
            self.tables.prepare(&self.server).await?;
            self.prepared = true;
        }
        let ever = i64::from(i32::MIN)..i64::from(i32::MAX);
        let ledger = Ledger::read(&self.server, &self.tables, ever).await?;
        for one in ledger.given_up(&self.collector, DAY_US.max(self.patience.claim_us)) {
            self.leave(one).await?;
        }
        for one in ledger.all_in_force().filter(|one| !one.swept) {
            let done_us = one.done_us.unwrap_or(ledger.now_us);
            if ledger.now_us.saturating_sub(done_us) >= self.patience.question_us {
                self.sweep(one, one.turn.checked_sub(1).and_then(|it| ledger.winner(one.day, it)))
                    .await?;
            }
        }
        let (mut rows, mut failed) = (0_u64, None);
        for (day, grain_us) in self.due(&ledger, now_us).await? {
            match self.count(&ledger, day, grain_us).await {
                Ok(counted) => rows = rows.saturating_add(counted),
                // One day must not stop the others, unless it would go the same way with them.
                Err(error @ RollupError::Uneven { .. }) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    /// The days to count, and by what. One of which something waits to be deleted is left alone until
    /// that is gone.
    async fn due(&self, ledger: &Ledger, now_us: i64) -> Result<BTreeMap<i64, i64>, ServerError> {
        let levels = &self.store.settings.levels;
        let age_us = |day: i64| now_us.saturating_sub(day.saturating_add(1).saturating_mul(DAY_US));
        let mut due = BTreeMap::new();
        for one in ledger.all_in_force().filter(|one| one.swept) {
            let grain_us = levels.grain_at(one.grain_us, age_us(one.day));
            if let Some(grain_us) = grain_us.filter(|grain_us| *grain_us > one.grain_us) {
                due.insert(one.day, grain_us);
            }
        }
        for day in self.days_with_old_calls(ledger, levels, now_us).await? {
            let grain_us = ledger.in_force(day).map_or(0, |one| one.grain_us);
            // Beyond the last level the server itself forgets.
            if let Some(grain_us) = levels.grain_at(grain_us, age_us(day)) {
                due.insert(day, grain_us);
            }
        }
        Ok(due)
    }

    async fn days_with_old_calls(
        &self,
        ledger: &Ledger,
        levels: &Levels,
        now_us: i64,
    ) -> Result<Vec<i64>, ServerError> {
        // The age of a day is that of its end.
        let before_us = now_us.saturating_sub(levels.events_us()).saturating_sub(1);
        let before_us = before_us.div_euclid(DAY_US).saturating_mul(DAY_US);
        let unswept = ledger.all_in_force().filter(|one| !one.swept).map(|one| {
            let window = one.window();
            format!(" AND NOT (at_us >= {} AND at_us < {})", window.since_us, window.until_us)
        });
        let sql = format!(
            "SELECT DISTINCT intDiv(at_us, {DAY_US}) FROM {} \
             WHERE at_us >= 0 AND at_us < {before_us}{} AND \"{BLOCK}\" <> ''",
            self.tables.sql(Table::Events),
            unswept.collect::<String>()
        );
        let lines = self.server.rows(&sql, "", &Arguments::of(Dialect::ClickHouse)).await?;
        let days = lines.iter().map(|line| line.first()?.as_i64());
        days.collect::<Option<_>>().ok_or(ServerError::Odd)
    }

    /// Counts a day, unless somebody else does.
    async fn count(&self, ledger: &Ledger, day: i64, grain_us: i64) -> Result<u64, RollupError> {
        let before = ledger.in_force(day);
        let turn = before.map_or(1, |before| before.turn.saturating_add(1));
        let one = Try {
            day,
            turn,
            name: data_encoding::HEXLOWER.encode(&chassis::random::bytes::<8>()),
            collector: self.collector.clone(),
            grain_us,
            claimed_us: 0,
            done_us: None,
            swept: false,
            left: false,
        };
        let claim_us = self.patience.claim_us;
        let others = ledger.holder(day, turn, claim_us);
        if others.is_some_and(|other| other.collector != self.collector) {
            return Ok(0);
        }
        one.mark(Step::Claimed, &self.server, &self.tables).await?;
        self.pass(probe::Step::DayClaimed)?;
        let now = Ledger::read(&self.server, &self.tables, day..day.saturating_add(1)).await?;
        let holder = now.holder(day, turn, claim_us).is_some_and(|it| it.name == one.name);
        if !holder || now.in_force(day) != before {
            // Nothing of it was written yet.
            one.mark(Step::Left, &self.server, &self.tables).await?;
            one.mark(Step::Swept, &self.server, &self.tables).await?;
            return Ok(0);
        }
        let rows = self.write(&one, before).await?;
        one.mark(Step::Done, &self.server, &self.tables).await?;
        self.pass(probe::Step::DayDone)?;
        tracing::info!(day, grain_us, turn, rows, "the calls of a day are counted");
        Ok(rows)
    }

    /// Writes counts that nobody sees yet.
    async fn write(&self, one: &Try, before: Option<&Try>) -> Result<u64, RollupError> {
        let tables = &self.tables;
        self.insert(counts::replaced(tables, one)).await?;
        self.pass(probe::Step::BlocksNamed)?;
        self.insert(counts::counts(tables, one, before)).await?;
        self.pass(probe::Step::DayCounted)?;
        self.insert(counts::sketches(tables, one, before)).await?;
        self.pass(probe::Step::DaySketched)?;
        let sums = counts::sums(tables, one, before);
        let lines = self.server.rows(&sums, "", &Arguments::of(Dialect::ClickHouse)).await?;
        let sum = |at: usize| lines.first()?.get(at)?.as_u64();
        let (Some(rows), Some(calls), Some(counted)) = (sum(0), sum(1), sum(2)) else {
            return Err(ServerError::Odd.into());
        };
        // A replica that lags, or somebody who deletes: the calls are still there.
        if calls != counted {
            return Err(RollupError::Uneven { day: one.day, calls, counted });
        }
        Ok(rows)
    }

    async fn insert(&self, sql: String) -> Result<(), ServerError> {
        let (threads, quorum) = (self.threads, self.tables.quorum());
        let longest_s = LONGEST.as_secs();
        let settings = format!(
            "SETTINGS async_insert = 0, max_threads = {threads}, \
             max_execution_time = {longest_s}, \
             max_bytes_before_external_group_by = {IN_MEMORY}{quorum}"
        );
        tables::run(&self.server, format!("{sql} {settings}")).await
    }

    /// Deletes what the counts of a day have replaced: the calls, and the counts of the turn before.
    async fn sweep(&self, one: &Try, before: Option<&Try>) -> Result<(), RollupError> {
        let names = std::slice::from_ref(&one.name);
        let calls = counts::is_replaced(&self.tables, (one.day, one.day), names);
        self.delete(Table::Events, one.day, &calls).await?;
        self.pass(probe::Step::CallsSwept)?;
        if let Some(before) = before {
            self.delete_counts(before).await?;
        }
        one.mark(Step::Swept, &self.server, &self.tables).await?;
        Ok(self.pass(probe::Step::DaySwept)?)
    }

    /// Gives up a try, and then deletes what it has written.
    async fn leave(&self, one: &Try) -> Result<(), RollupError> {
        // INVARIANT: this first. A try that is left never counts, also when the server is still
        // busy with the row that says that it is done.
        one.mark(Step::Left, &self.server, &self.tables).await?;
        self.delete_counts(one).await?;
        let named = format!("name = '{}'", one.name);
        self.delete(Table::Replaced, one.day, &named).await?;
        Ok(one.mark(Step::Swept, &self.server, &self.tables).await?)
    }

    async fn delete_counts(&self, of: &Try) -> Result<(), ServerError> {
        let which = format!("\"{BLOCK}\" = '{}'", of.name);
        self.delete(Table::Counts, of.day, &which).await?;
        self.delete(Table::Sketches, of.day, &which).await
    }

    async fn delete(&self, kind: Table, day: i64, which: &str) -> Result<(), ServerError> {
        match self.tables.delete(kind, day, which) {
            Some(sql) => tables::run(&self.server, sql).await,
            None => Ok(()),
        }
    }

    fn pass(&self, step: probe::Step) -> Result<(), StoreError> {
        let folder = &self.store.settings.folder;
        self.store.probe.pass(step).map_err(StoreError::io("go on in", folder))
    }
}
