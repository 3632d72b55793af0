//! What is read and written beside the line of transactions?
//!
//! Values only: neither the last revision nor the log change, so watchers hear nothing.

use redb::{ReadableDatabase, ReadableTable};

use super::super::contract::{Beside, Entry, Range, StoreError};
use super::tables::{LIMITS, Tables, VALUES, check_expected, entry, failed, put_all};

/// So many entries at once at most, and about so many bytes of them.
const MOST: usize = 1000;
const ENOUGH: usize = 8 * 1024 * 1024;
/// So many keys go at a time, so that writers wait for a moment only.
const ERASED: usize = 1000;

impl Tables {
    pub(super) fn write_beside(&self, beside: &Beside) -> Result<(), StoreError> {
        LIMITS.check_changes(&beside.changes)?;
        let write = self.database.begin_write().map_err(failed)?;
        {
            let mut values = write.open_table(VALUES).map_err(failed)?;
            check_expected(&values, &beside.expected)?;
            put_all(&mut values, &beside.changes, 0)?;
        }
        write.commit().map_err(failed)
    }

    pub(super) fn scan(&self, range: &Range) -> Result<Vec<Entry>, StoreError> {
        if range.from >= range.to {
            return Ok(Vec::new());
        }
        let read = self.database.begin_read().map_err(failed)?;
        let values = read.open_table(VALUES).map_err(failed)?;
        let mut rows = values.range(range.from.as_str()..range.to.as_str()).map_err(failed)?;
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        while found.len() < range.most.min(MOST) && bytes < ENOUGH {
            let row = if range.newest_first { rows.next_back() } else { rows.next() };
            let Some(row) = row else { break };
            let (key, value) = row.map_err(failed)?;
            let one = entry(key.value(), value.value());
            bytes = bytes.saturating_add(one.value.len());
            found.push(one);
        }
        Ok(found)
    }

    pub(super) fn erase(&self, from: &str, to: &str) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        loop {
            let write = self.database.begin_write().map_err(failed)?;
            let gone = {
                let mut values = write.open_table(VALUES).map_err(failed)?;
                let rows = values.range(from..to).map_err(failed)?.take(ERASED);
                let keys: Result<Vec<String>, _> =
                    rows.map(|row| row.map(|(key, _)| key.value().to_owned())).collect();
                let keys = keys.map_err(failed)?;
                for key in &keys {
                    values.remove(key.as_str()).map_err(failed)?;
                }
                keys.len()
            };
            if gone == 0 {
                return Ok(());
            }
            write.commit().map_err(failed)?;
        }
    }
}
