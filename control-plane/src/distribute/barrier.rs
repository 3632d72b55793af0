//! When is a change served?
//!
//! When every connected gateway has answered for a revision at least as new. A gateway whose slice
//! the change does not touch is there without an answer, because what it holds is already right. One
//! that went away a moment ago counts as not there: it may serve on, on its way to another control
//! plane, and nobody knows what. For a quorum, more than half of the connected gateways of each
//! group are enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;

use super::gateways::{GatewayRow, Gateways};
use crate::catalog::State;
use crate::store::Revision;

/// Who has to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Every gateway.
    All,
    /// More than half of those that are connected, in each group.
    Quorum,
}

/// How the wait ended.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Whether enough gateways have applied it.
    pub applied: bool,
    /// How far they were.
    pub gateways: Vec<GatewayRow>,
}

/// Waits until the gateways have applied `revision`, which belongs to the epoch and groups of
/// `state`, at most for `limit`.
pub async fn wait(
    gateways: &Arc<Gateways>,
    clock: &Clock,
    state: &State,
    revision: Revision,
    whom: Whom,
    limit: Duration,
) -> Waited {
    let mut changes = gateways.changes();
    let reached = async {
        loop {
            let rows = gateways.rows();
            let now = clock.unix_us();
            let there = |row: &GatewayRow| row.is_at(&state.epoch, revision);
            let enough = match whom {
                Whom::All => rows.iter().all(|row| row.expected_for(now).is_none() || there(row)),
                Whom::Quorum => {
                    quorum(&rows, |row| plan::groups(&state.objects, &row.labels), there)
                }
            };
            if enough {
                return;
            }
            // Who is gone is not expected for ever, and nothing happens when that ends.
            let ends = rows.iter().filter(|row| !row.connected);
            let ends = ends.filter_map(|row| row.expected_for(now)).min();
            let ends = ends.unwrap_or(limit).saturating_add(Duration::from_millis(1));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = clock.sleep(ends) => {}
            }
        }
    };
    let applied = clock.timeout(limit, reached).await.is_ok();
    Waited { applied, gateways: gateways.rows() }
}

/// Whether more than half of the connected gateways of each group are `there`.
fn quorum(
    rows: &[GatewayRow],
    groups: impl Fn(&GatewayRow) -> Vec<String>,
    there: impl Fn(&GatewayRow) -> bool,
) -> bool {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.connected) {
        let is_there = usize::from(there(row));
        for group in groups(row) {
            let (of, reached) = counts.entry(group).or_default();
            *of = of.saturating_add(1);
            *reached = reached.saturating_add(is_there);
        }
    }
    counts.values().all(|(of, reached)| reached.saturating_mul(2) > *of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gateways as `group:revision`, a minus before one that is away: do they make a quorum for
    /// revision 5?
    #[track_caller]
    fn check(gateways: &str, expected: bool) {
        let row = |(n, text): (usize, &str)| {
            let (away, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
            let (group, applied) = text.split_once(':').unwrap();
            GatewayRow {
                node: n.to_string(),
                labels: [("group".to_owned(), group.to_owned())].into(),
                connected: !away,
                applied: applied.parse().unwrap(),
                ..GatewayRow::default()
            }
        };
        let rows: Vec<GatewayRow> = gateways.split_whitespace().enumerate().map(row).collect();
        let groups = |row: &GatewayRow| row.labels.values().cloned().collect();
        assert_eq!(quorum(&rows, groups, |row| row.is_at("", 5)), expected);
    }

    #[test]
    fn more_than_half_of_each_group_make_a_quorum() {
        check("eu:5 eu:6 eu:4 us:5", true);
        check("eu:5 eu:5 eu:5 us:4", false);
    }

    #[test]
    fn half_of_a_group_is_no_quorum() {
        check("eu:5 eu:4", false);
    }

    #[test]
    fn who_is_away_does_not_count() {
        check("eu:5 -eu:4 -eu:4", true);
        check("-eu:4", true);
    }
}
