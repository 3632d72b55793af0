//! Which days are counted, by which rollup, and who is about to count one?
//!
//! A day is counted in turns, each of which replaces the counts of the one before. Every try of a turn has a
//! name of its own and writes down here what became of it. **A try counts when it is `done`, not
//! `left`, and the first of its turn**: by the server's time, then by name. Everybody who reads the
//! same rows sees the same one, so of two collectors that count a day at once one does it in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use detect::span::DAY_US;
use serde_json::Value as Json;

use super::schema::{BLOCK, Table};
use super::server::{Server, ServerError};
use super::tables::{self, Tables};
use crate::question::Window;
use crate::store::arguments::Arguments;
use crate::store::sql::Dialect;

/// What becomes of a try, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody counts.
    Claimed,
    /// The counts are there.
    Done,
    /// What it replaces is gone; of one that was given up, what it has written.
    Swept,
    /// Given up: it never counts again, whatever else is said of it.
    Left,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Done => "done",
            Self::Swept => "swept",
            Self::Left => "left",
        }
    }
}

/// One try to count a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// The day, counted from 1970.
    pub day: i64,
    /// How often the day was counted, with this time.
    pub turn: u32,
    /// Tells it from all others.
    pub name: String,
    /// The folder of the collector.
    pub collector: String,
    /// By how many microseconds calls are counted.
    pub grain_us: i64,
    /// When it was claimed, by the server's time.
    pub claimed_us: i64,
    /// When it was done.
    pub done_us: Option<i64>,
    /// What it replaces is gone, or, if it was given up, what it has written.
    pub swept: bool,
    /// It was given up.
    pub left: bool,
}

impl Try {
    /// What the server is told.
    pub async fn mark(&self, step: Step, server: &Server, to: &Tables) -> Result<(), ServerError> {
        let Self { day, turn, name, collector, grain_us, .. } = self;
        let (table, step, quorum) = (to.sql(Table::Rollups), step.name(), to.quorum());
        // All of it is ours, none was said by a caller.
        let sql = format!(
            "INSERT INTO {table} (day, turn, name, collector, step, grain_us) \
             SELECT {day}, {turn}, '{name}', '{collector}', '{step}', {grain_us} \
             SETTINGS async_insert = 0{quorum}"
        );
        tables::run(server, sql).await
    }

    /// The time of the day.
    pub const fn window(&self) -> Window {
        let since_us = self.day.saturating_mul(DAY_US);
        Window { since_us, until_us: since_us.saturating_add(DAY_US) }
    }

    const fn is_open(&self) -> bool {
        !self.left && self.done_us.is_none()
    }
}

/// The tries of some days.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The server's time when they were read.
    pub now_us: i64,
    /// By day and turn.
    turns: BTreeMap<(i64, u32), Vec<Try>>,
}

/// What is seen of a time that reaches back to counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The rollups that count.
    pub rollups: Vec<String>,
    /// Those whose calls are still there, and are not seen any more.
    pub unswept: Vec<String>,
    /// By how many microseconds calls are counted at most; absent: none are counted.
    pub coarsest_us: Option<i64>,
}

impl Ledger {
    /// Reads what is known of some days.
    pub async fn read(
        server: &Server,
        tables: &Tables,
        days: Range<i64>,
    ) -> Result<Self, ServerError> {
        let table = tables.sql(Table::Rollups);
        let when = |step: Step| format!("minIf(at_us, step = '{}')", step.name());
        let has = |step: Step| format!("max(step = '{}')", step.name());
        let sql = format!(
            "SELECT toUnixTimestamp64Micro(now64(6)), day, turn, name, any(collector), \
                max(grain_us), {}, {}, {}, {} \
             FROM {table} WHERE day >= {} AND day < {} GROUP BY day, turn, name",
            when(Step::Claimed),
            when(Step::Done),
            has(Step::Swept),
            has(Step::Left),
            days.start,
            days.end
        );
        let lines = server.rows(&sql, "", &Arguments::of(Dialect::ClickHouse)).await?;
        lines.iter().map(|line| said(line)).collect::<Option<_>>().ok_or(ServerError::Odd)
    }

    /// The try that counts of a day.
    pub fn in_force(&self, day: i64) -> Option<&Try> {
        let mut turns = self.turns.range((day, 0)..=(day, u32::MAX)).rev();
        turns.find_map(|(_, tries)| first(tries))
    }

    /// The try that counts, or counted, of a turn.
    pub fn winner(&self, day: i64, turn: u32) -> Option<&Try> {
        first(self.turns.get(&(day, turn))?)
    }

    /// The tries that count, by day.
    pub fn all_in_force(&self) -> impl Iterator<Item = &Try> {
        let days: BTreeSet<i64> = self.turns.keys().map(|(day, _)| *day).collect();
        days.into_iter().filter_map(|day| self.in_force(day))
    }

    /// The one that may go on with a turn that nobody has ended: who claimed it first, unless that is
    /// longer ago than anybody takes.
    pub fn holder(&self, day: i64, turn: u32, longest_us: i64) -> Option<&Try> {
        let fresh = |one: &&Try| self.now_us.saturating_sub(one.claimed_us) <= longest_us;
        let open = self.turns.get(&(day, turn))?.iter().filter(|one| one.is_open());
        open.filter(fresh).min_by_key(|one| (one.claimed_us, &one.name))
    }

    /// Tries that came to nothing and of which rows may have stayed: those of a collector that
    /// counts nothing now, and those of others that were claimed so long ago.
    pub fn given_up(&self, collector: &str, longest_us: i64) -> Vec<&Try> {
        let over = |one: &&Try| {
            let old = self.now_us.saturating_sub(one.claimed_us) > longest_us;
            let counts = self.winner(one.day, one.turn) == Some(*one);
            let is_gone = one.left && one.swept;
            !counts && !is_gone && (old || one.collector == collector)
        };
        self.turns.values().flatten().filter(over).collect()
    }

    /// What a question sees.
    pub fn past(&self) -> Past {
        let mut past = Past::default();
        for one in self.all_in_force() {
            past.rollups.push(one.name.clone());
            if !one.swept {
                past.unswept.push(one.name.clone());
            }
            past.coarsest_us = past.coarsest_us.max(Some(one.grain_us));
        }
        past
    }
}

/// How many tries have counted a block of a day, as SQL.
pub fn counted(tables: &Tables, day: i64, block: &str) -> String {
    let (replaced, rollups) = (tables.sql(Table::Replaced), tables.sql(Table::Rollups));
    format!(
        "SELECT count() FROM {replaced} WHERE day = {day} AND \"{BLOCK}\" = '{block}' AND name IN ( \
            SELECT name FROM {rollups} WHERE day = {day} GROUP BY name \
            HAVING max(step = '{}') AND NOT max(step = '{}'))",
        Step::Done.name(),
        Step::Left.name()
    )
}

fn first(tries: &[Try]) -> Option<&Try> {
    let done = tries.iter().filter(|one| !one.left && one.done_us.is_some());
    done.min_by_key(|one| (one.done_us, &one.name))
}

impl FromIterator<(i64, Try)> for Ledger {
    fn from_iter<T: IntoIterator<Item = (i64, Try)>>(read: T) -> Self {
        let mut ledger = Self::default();
        for (now_us, one) in read {
            ledger.now_us = now_us;
            ledger.turns.entry((one.day, one.turn)).or_default().push(one);
        }
        ledger
    }
}

/// The server's time and a try.
fn said(line: &[Json]) -> Option<(i64, Try)> {
    let number = |at: usize| line.get(at)?.as_i64();
    let text = |at: usize| Some(line.get(at)?.as_str()?.to_owned());
    let one = Try {
        day: number(1)?,
        turn: number(2)?.try_into().ok()?,
        name: text(3)?,
        collector: text(4)?,
        grain_us: number(5)?,
        claimed_us: number(6)?,
        done_us: number(7).filter(|done_us| *done_us > 0),
        swept: number(8)? > 0,
        left: number(9)? > 0,
    };
    Some((number(0)?, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries of one day, each "turn name claimed done what", with `-` for never and `s` and `l` for swept
    /// and left, at 100; the answer is which counts, which calls are hidden, who may go on with the
    /// turn after it, and what collector `me` clears away. Names that begin with `m` are of `me`.
    #[track_caller]
    fn check(tries: &str, answer: &str) {
        let ledger: Ledger = tries
            .split(", ")
            .map(|one| {
                let words: Vec<&str> = one.split(' ').collect();
                let collector = if words[1].starts_with('m') { "me" } else { "other" };
                let one = Try {
                    day: 7,
                    turn: words[0].parse().unwrap(),
                    name: words[1].to_owned(),
                    collector: collector.to_owned(),
                    grain_us: 60,
                    claimed_us: words[2].parse().unwrap(),
                    done_us: words[3].parse().ok(),
                    swept: words[4].contains('s'),
                    left: words[4].contains('l'),
                };
                (100, one)
            })
            .collect();
        let past = ledger.past();
        let next = ledger.in_force(7).map_or(1, |one| one.turn + 1);
        let holder = ledger.holder(7, next, 50).map(|one| one.name.clone());
        let mut cleared: Vec<_> =
            ledger.given_up("me", 50).into_iter().map(|one| one.name.clone()).collect();
        cleared.sort();
        let said = format!(
            "counts {}, hidden {}, holds {}, cleared {}",
            past.rollups.concat(),
            past.unswept.concat(),
            holder.unwrap_or_default(),
            cleared.concat()
        );
        assert_eq!(said, answer);
    }

    #[test]
    fn a_try_counts_when_it_is_done_and_not_before() {
        check("1 m 90 - -", "counts , hidden , holds m, cleared m");
        check("1 m 90 95 -", "counts m, hidden m, holds , cleared ");
        check("1 m 90 95 s", "counts m, hidden , holds , cleared ");
    }

    #[test]
    fn of_two_tries_of_a_turn_the_first_to_be_done_counts() {
        check("1 m 90 97 -, 1 o 91 95 -", "counts o, hidden o, holds , cleared m");
        check("1 m 90 95 -, 1 o 91 95 -", "counts m, hidden m, holds , cleared ");
    }

    #[test]
    fn a_turn_replaces_the_one_before() {
        check("1 m 80 85 s, 2 o 90 95 -", "counts o, hidden o, holds , cleared ");
        check("1 m 80 85 s, 2 o 90 - -", "counts m, hidden , holds o, cleared ");
    }

    #[test]
    fn who_has_claimed_first_goes_on_unless_it_has_taken_too_long() {
        check("1 m 91 - -, 1 o 90 - -", "counts , hidden , holds o, cleared m");
        check("1 m 91 - -, 1 o 40 - -", "counts , hidden , holds m, cleared mo");
    }

    #[test]
    fn what_was_given_up_never_counts() {
        check("1 m 90 95 l", "counts , hidden , holds , cleared m");
        check("1 m 90 95 ls, 1 o 91 96 -", "counts o, hidden o, holds , cleared ");
    }
}
