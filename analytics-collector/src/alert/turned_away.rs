//! Who is turned away because an alert said so, and until when?
//!
//! Known from the history at the start and from each alert that turns somebody away; whoever is named by none
//! is found not to be without looking at any alert.

use std::collections::HashMap;
use std::sync::Mutex;

use super::history::Alert;
use super::respond::{BLOCKED, UNTIL};
use crate::guard::lock;

/// Those that are known; whose time is over makes room, and then whose time is over first.
const MOST: usize = 10_000;

/// Until when, in seconds since the Unix epoch, by who it is.
#[derive(Debug, Default)]
pub(super) struct TurnedAway(Mutex<HashMap<String, i64>>);

impl TurnedAway {
    /// Knows whom an alert has turned away, if it has somebody.
    pub(super) fn learn(&self, alert: &Alert, now_s: i64) {
        let named = alert.evidence.get(BLOCKED).zip(alert.evidence.get(UNTIL));
        let Some((who, until)) = named else { return };
        let Ok(until) = until.parse::<prost_types::Timestamp>() else { return };
        let mut known = lock(&self.0);
        if known.len() >= MOST && !known.contains_key(who) {
            known.retain(|_, until_s| *until_s > now_s);
        }
        if known.len() >= MOST && !known.contains_key(who) {
            let first = known.iter().min_by_key(|(_, until_s)| **until_s);
            if let Some(first) = first.map(|(who, _)| who.clone()) {
                known.remove(&first);
            }
        }
        let until_s = known.entry(who.clone()).or_insert(until.seconds);
        *until_s = (*until_s).max(until.seconds);
    }

    /// Whether that one is turned away at this time.
    pub(super) fn holds(&self, who: &str, at_s: i64) -> bool {
        lock(&self.0).get(who).is_some_and(|until_s| at_s < *until_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn alert(who: &str, until: &str) -> Alert {
        let words = [(BLOCKED, who), (UNTIL, until)].into_iter();
        let words = words.filter(|(_, value)| !value.is_empty());
        let evidence = words.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Alert { evidence: evidence.collect(), ..fixture::alert("") }
    }

    /// Alerts with `who` and `until` each: is `client a` turned away a minute after the Unix epoch?
    #[track_caller]
    fn check(alerts: &[(&str, &str)], expected: bool) {
        let turned_away = TurnedAway::default();
        for (who, until) in alerts {
            turned_away.learn(&alert(who, until), 0);
        }
        assert_eq!(turned_away.holds("client a", 60), expected);
    }

    #[test]
    fn a_block_holds_until_its_time_is_over() {
        check(&[("client a", "1970-01-01T00:01:01Z")], true);
        check(&[("client a", "1970-01-01T00:01:00Z")], false);
        check(&[("client b", "1970-01-01T00:01:01Z")], false);
        check(&[("client a", "1970-01-01T00:01:01Z"), ("client a", "1970-01-01T00:00:30Z")], true);
    }

    #[test]
    fn an_alert_that_turns_nobody_away_says_nothing() {
        check(&[("client a", "")], false);
        check(&[("", "1970-01-01T00:01:01Z")], false);
        check(&[("client a", "soon")], false);
    }

    #[test]
    fn those_whose_time_is_over_make_room() {
        let turned_away = TurnedAway::default();
        for number in 0..2 * MOST {
            let until = if number == 7 { "1970-01-02T00:00:00Z" } else { "1970-01-01T00:01:00Z" };
            turned_away.learn(&alert(&number.to_string(), until), 100);
            assert!(lock(&turned_away.0).len() <= MOST);
        }
        assert!(turned_away.holds("7", 100));
    }
}
