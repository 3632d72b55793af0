//! When is the past forgotten?
//!
//! In the background and beside the line of transactions: nobody who writes waits for it or meets it. The
//! oldest end goes first, so that what is left is without a gap.

use std::sync::Arc;
use std::time::Duration;

use audit_chain::{CHECKPOINT, Note, checkpoint};
use chassis::Host;

use super::config::{AuditConfig, Config};
use super::error::HistoryError;
use super::journal::{Journal, JournalError};
use super::ledger::line;
use super::record::numbers;
use crate::store::{
    AUDIT, HISTORY, HISTORY_PARTS, Range, audit_key, end_of, history_key, parts_key,
};

/// How long between two looks.
const EVERY: Duration = Duration::from_mins(10);
/// So many records or lines are looked at at a time.
const PAGE: usize = 100;
/// The log shrinks at most this often, so that few lines are about its own shrinking.
const A_DAY: i64 = 24 * 3600;

/// Why nothing was forgotten.
#[derive(Debug, thiserror::Error)]
enum RetentionError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<crate::store::StoreError> for RetentionError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Journal(error.into())
    }
}

/// Forgets what is too old.
#[derive(Debug)]
pub struct Retention {
    /// Whose past it is.
    pub journal: Arc<Journal>,
    /// How much of the history is kept.
    pub history: Config,
    /// How much of the audit log.
    pub audit: AuditConfig,
}

impl Retention {
    /// Until the process drains.
    pub async fn run(self, host: Host) {
        loop {
            tokio::select! {
                () = host.clock.sleep(EVERY) => {}
                () = host.shutdown.wait() => return,
            }
            self.look(host.clock.unix_us()).await;
        }
    }

    /// One look; what goes wrong is tried again with the next one.
    pub async fn look(&self, now_us: i64) {
        let forgotten = self.forget_records(now_us).await;
        let dropped = self.drop_lines(now_us.div_euclid(1_000_000)).await;
        for error in [forgotten.err(), dropped.err()].into_iter().flatten() {
            tracing::warn!(reason = chassis::causes(&error), "the past cannot be shortened");
        }
    }

    async fn forget_records(&self, now_us: i64) -> Result<(), RetentionError> {
        let store = self.journal.store();
        let all = |most, newest_first, from: String| Range {
            from,
            to: end_of(HISTORY),
            most,
            newest_first,
        };
        let newest = store.scan(&all(1, true, HISTORY.to_owned())).await?.pop();
        let Some(newest) = newest else { return Ok(()) };
        let (newest, _) = numbers(&newest)?;
        let oldest_us = now_us.saturating_sub(micros(self.history.keep));
        let mut cut = None;
        let mut from = HISTORY.to_owned();
        'looking: loop {
            let page = store.scan(&all(PAGE, false, from)).await?;
            let Some(last) = page.last() else { break };
            from = format!("{}\0", last.key);
            for entry in &page {
                let (record, base) = numbers(entry)?;
                let behind = newest.number.saturating_sub(record.number);
                let bytes = newest.total.saturating_sub(record.total);
                if behind < self.history.transactions
                    && bytes < self.history.bytes
                    && record.committed_at_us() >= oldest_us
                {
                    break 'looking;
                }
                cut = Some(base);
            }
        }
        if let Some(last) = cut {
            let behind = last.saturating_add(1);
            store.erase(HISTORY, &history_key(behind)).await?;
            store.erase(HISTORY_PARTS, &parts_key(behind)).await?;
            tracing::info!(upto = last, "older history is forgotten");
        }
        Ok(())
    }

    async fn drop_lines(&self, now: i64) -> Result<(), RetentionError> {
        let store = self.journal.store();
        let keep = i64::try_from(self.audit.keep.as_secs()).unwrap_or(i64::MAX);
        let before = now.saturating_sub(keep);
        let mut last = None;
        let mut from = AUDIT.to_owned();
        'looking: loop {
            let range = Range { from, to: end_of(AUDIT), most: PAGE, newest_first: false };
            let page = store.scan(&range).await?;
            let Some(end) = page.last() else { break };
            from = format!("{}\0", end.key);
            for entry in &page {
                let line = line(entry);
                let young = if last.is_none() { before.saturating_sub(A_DAY) } else { before };
                if line.note.at >= young {
                    break 'looking;
                }
                last = Some((line.sequence, line.hash));
            }
        }
        let Some((sequence, hash)) = last else { return Ok(()) };
        let note = Note {
            at: now,
            event: CHECKPOINT.to_owned(),
            who: "control-plane".to_owned(),
            outcome: "ok".to_owned(),
            details: checkpoint(sequence, &hash),
            ..Note::default()
        };
        self.journal.write(vec![note]).await?;
        store.erase(AUDIT, &audit_key(sequence.saturating_add(1))).await?;
        Ok(())
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
