//! Who watches calls as they are stored?
//!
//! The commit never waits for a watcher: one that reads too slowly misses calls, and is told how
//! many with the next one that it gets.

use std::sync::Mutex;

use tokio::sync::mpsc;

use super::matches::holds;
use crate::event::Row;
use crate::guard::lock;
use crate::question::Condition;

/// Watchers at the same time; further ones are refused.
pub const MOST_WATCHERS: usize = 32;
/// Calls that wait for one watcher; further ones are left out.
pub const WAITING: usize = 1000;

/// Which calls a watcher wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All of these hold.
    pub conditions: Vec<Condition>,
    /// They took so many microseconds or more.
    pub slower_than_us: u64,
}

/// A call that a watcher sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The call.
    pub row: Row,
    /// So many before it were left out.
    pub left_out: u64,
}

/// All watchers.
#[derive(Debug, Default)]
pub struct Tail(Mutex<Vec<Watcher>>);

#[derive(Debug)]
struct Watcher {
    wanted: Wanted,
    to: mpsc::Sender<Seen>,
    left_out: u64,
}

impl Tail {
    /// Calls from now on; nothing where too many watch already. It ends when the receiver is
    /// dropped.
    pub fn watch(&self, wanted: Wanted) -> Option<mpsc::Receiver<Seen>> {
        let mut watchers = lock(&self.0);
        watchers.retain(|watcher| !watcher.to.is_closed());
        if watchers.len() >= MOST_WATCHERS {
            return None;
        }
        let (to, receiver) = mpsc::channel(WAITING);
        watchers.push(Watcher { wanted, to, left_out: 0 });
        Some(receiver)
    }

    /// Shows calls that were stored just now to whoever wants them, and never waits.
    pub fn offer(&self, rows: &[Row]) {
        let mut watchers = lock(&self.0);
        if watchers.is_empty() {
            return;
        }
        watchers.retain_mut(|watcher| {
            for row in rows {
                watcher.offer(row);
            }
            !watcher.to.is_closed()
        });
    }
}

impl Watcher {
    fn offer(&mut self, row: &Row) {
        let Wanted { conditions, slower_than_us } = &self.wanted;
        if row.total_us < *slower_than_us || !holds(conditions, row) {
            return;
        }
        match self.to.try_reserve() {
            Ok(place) => {
                place.send(Seen { row: row.clone(), left_out: self.left_out });
                self.left_out = 0;
            }
            Err(_) => self.left_out = self.left_out.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Dimension, Test};

    fn rows(from: u64, count: u64) -> Vec<Row> {
        (from..from + count)
            .map(|n| Row { total_us: n, api: (n % 2).to_string(), ..Row::default() })
            .collect()
    }

    /// What the watcher gets now: "time+left out".
    fn read(receiver: &mut mpsc::Receiver<Seen>) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|seen| format!("{}+{}", seen.row.total_us, seen.left_out))
            .collect()
    }

    #[test]
    fn a_watcher_sees_the_calls_that_it_wants_and_no_others() {
        let tail = Tail::default();
        let odd = Condition { of: Dimension::Api, test: Test::OneOf(vec!["1".to_owned()]) };
        let wanted = Wanted { conditions: vec![odd], slower_than_us: 3 };
        let mut receiver = tail.watch(wanted).unwrap();
        tail.offer(&rows(0, 8));
        assert_eq!(read(&mut receiver), ["3+0", "5+0", "7+0"]);
    }

    #[test]
    fn a_slow_watcher_is_told_how_many_it_missed() {
        let tail = Tail::default();
        let mut receiver = tail.watch(Wanted::default()).unwrap();
        tail.offer(&rows(0, WAITING as u64 + 17));
        assert_eq!(read(&mut receiver).len(), WAITING);
        tail.offer(&rows(5000, 2));
        assert_eq!(read(&mut receiver), ["5000+17", "5001+0"]);
    }

    #[test]
    fn who_has_left_makes_room() {
        let tail = Tail::default();
        let mut watching: Vec<_> =
            (0..MOST_WATCHERS).map(|_| tail.watch(Wanted::default()).unwrap()).collect();
        assert!(tail.watch(Wanted::default()).is_none());
        watching.pop();
        assert!(tail.watch(Wanted::default()).is_some());
    }
}
