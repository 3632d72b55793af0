//! How far is each gateway?
//!
//! One row per node, written by its session and read by people, by the barrier and by metrics. A
//! node that comes back takes its row over, and the session it had before is told to end. Beside
//! them stand the rows that other control planes tell of theirs; of a node with several rows the one
//! with an open stream counts, and of those the one that was opened last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Clock;
use tokio::sync::watch;
use turnpike_proto::config::v1::{Rejected, Report};

use super::slice::Labels;
use crate::store::Revision;

/// How long a gateway that went away is shown.
const SHOWN_US: i64 = 3600 * 1_000_000;
/// How long a gateway that went away is still expected back: it may be on its way to another
/// control plane, and nobody knows what it serves meanwhile.
const EXPECTED_US: i64 = 10 * 1_000_000;
/// More nodes than any fleet has; a peer that invents names is refused beyond.
const MOST: usize = 10_000;

/// All gateways of the fleet.
#[derive(Debug)]
pub struct Gateways {
    known: Mutex<Known>,
    changed: watch::Sender<u64>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Known {
    own: BTreeMap<String, Row>,
    /// Of other control planes, by what they call themselves.
    others: BTreeMap<String, BTreeMap<String, GatewayRow>>,
}

/// How far one gateway is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatewayRow {
    /// Its name.
    pub node: String,
    /// Its labels.
    pub labels: Labels,
    /// Version of its program.
    pub build: String,
    /// Whether its stream is open.
    pub connected: bool,
    /// The epoch that the revisions belong to.
    pub epoch: Arc<str>,
    /// The last revision that was sent.
    pub offered: Revision,
    /// The last revision that it is at.
    pub applied: Revision,
    /// What it could not put in force.
    pub rejected: Vec<Rejected>,
    /// When that was heard first of each, in microseconds since the Unix epoch; as long as `rejected`.
    pub rejected_since_us: Vec<i64>,
    /// In microseconds since the Unix epoch.
    pub last_seen_us: i64,
    /// When its stream was opened, in microseconds since the Unix epoch.
    pub connected_at_us: i64,
    /// Whether what it holds is what it should hold.
    pub in_sync: bool,
    /// What was left out for it, because its version does not know it.
    pub left_out: Vec<String>,
    /// How its calls are; none: it was not asked, or cannot tell.
    pub report: Option<Arc<Report>>,
    /// The control plane that it speaks with; empty: this one.
    pub control_plane: Arc<str>,
}

impl GatewayRow {
    /// Whether it has answered for `revision` of `epoch`, or for a later one.
    pub fn is_at(&self, epoch: &str, revision: Revision) -> bool {
        *self.epoch == *epoch && self.applied >= revision
    }

    /// For how long it is still expected, from `now_us` on: as if it were connected. None: not any
    /// more.
    pub fn expected_for(&self, now_us: i64) -> Option<Duration> {
        if self.connected {
            return Some(Duration::MAX);
        }
        let left = self.last_seen_us.saturating_add(EXPECTED_US).saturating_sub(now_us);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_micros)
    }

    /// What is refused from now on. What was refused before keeps its time.
    fn refuses(&mut self, rejected: Vec<Rejected>, now_us: i64) {
        let before = std::mem::take(&mut self.rejected);
        let since = before.into_iter().map(|one| one.key).zip(self.rejected_since_us.drain(..));
        let since: BTreeMap<String, i64> = since.collect();
        let of = |one: &Rejected| since.get(&one.key).copied().unwrap_or(now_us);
        self.rejected_since_us = rejected.iter().map(of).collect();
        self.rejected = rejected;
    }

    /// Which of several rows of a node counts.
    fn rank(&self) -> (bool, i64, i64) {
        (self.connected, self.connected_at_us, self.last_seen_us)
    }
}

#[derive(Debug)]
struct Row {
    shown: GatewayRow,
    session: u64,
}

/// The hold of one session on its row; the row is disconnected when it drops.
#[derive(Debug)]
pub(super) struct Session {
    gateways: Arc<Gateways>,
    node: String,
    number: u64,
}

impl Gateways {
    /// No gateway yet.
    pub fn new(clock: Clock) -> Self {
        Self { known: Mutex::default(), changed: watch::Sender::new(0), clock }
    }

    /// Of the whole fleet, ordered by node; those that are connected or were within the last hour.
    pub fn rows(&self) -> Vec<GatewayRow> {
        let mut known = self.lock();
        known.forget(self.clock.unix_us().saturating_sub(SHOWN_US));
        let mut rows: BTreeMap<&str, &GatewayRow> = BTreeMap::new();
        let own = known.own.values().map(|row| &row.shown);
        for row in own.chain(known.others.values().flat_map(BTreeMap::values)) {
            let best = rows.entry(&row.node).or_insert(row);
            if row.rank() > best.rank() {
                *best = row;
            }
        }
        rows.into_values().cloned().collect()
    }

    /// Those that are connected here or were within the last hour, as the other control planes are
    /// to know them.
    pub(super) fn own(&self) -> Vec<GatewayRow> {
        let mut known = self.lock();
        known.forget(self.clock.unix_us().saturating_sub(SHOWN_US));
        known.own.values().map(|row| row.shown.clone()).collect()
    }

    /// Another control plane tells of a gateway; none: it does not any more, and nobody knows where
    /// the gateway is.
    pub(super) fn told(&self, replica: &str, node: &str, row: Option<GatewayRow>) {
        let mut known = self.lock();
        let most = known.others.values().map(BTreeMap::len).sum::<usize>() >= MOST;
        let rows = known.others.entry(replica.to_owned()).or_default();
        match row {
            Some(row) if !most || rows.contains_key(node) => {
                drop(rows.insert(node.to_owned(), row));
            }
            Some(_) => {}
            None => lost(rows.get_mut(node), self.clock.unix_us()),
        }
        drop(known);
        self.announce();
    }

    /// All that other control planes tell, anew.
    pub(super) fn told_all(&self, told: BTreeMap<String, BTreeMap<String, GatewayRow>>) {
        let now = self.clock.unix_us();
        let mut known = self.lock();
        for (replica, rows) in &mut known.others {
            let still = told.get(replica);
            for (node, row) in rows {
                if still.is_none_or(|still| !still.contains_key(node)) {
                    lost(Some(row), now);
                }
            }
        }
        for (replica, rows) in told {
            known.others.entry(replica).or_default().extend(rows);
        }
        drop(known);
        self.announce();
    }

    /// Hears whenever a row changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Opens a session; none: there are too many nodes.
    pub(super) fn connect(
        self: &Arc<Self>,
        node: &str,
        labels: Labels,
        build: String,
        rejected: Vec<Rejected>,
    ) -> Option<Session> {
        let now = self.clock.unix_us();
        let mut shown = GatewayRow {
            node: node.to_owned(),
            labels,
            build,
            connected: true,
            last_seen_us: now,
            connected_at_us: now,
            ..GatewayRow::default()
        };
        let mut known = self.lock();
        if known.own.len() >= MOST && !known.own.contains_key(node) {
            return None;
        }
        // What it refused at another control plane it refuses since then.
        let before = known.others.values().filter_map(|rows| rows.get(node));
        let before = known.own.get(node).map(|row| &row.shown).into_iter().chain(before);
        if let Some(before) = before.max_by_key(|row| row.rank()) {
            shown.rejected.clone_from(&before.rejected);
            shown.rejected_since_us.clone_from(&before.rejected_since_us);
        }
        shown.refuses(rejected, now);
        let number = known.own.get(node).map_or(0, |row| row.session).saturating_add(1);
        known.own.insert(node.to_owned(), Row { shown, session: number });
        drop(known);
        self.announce();
        Some(Session { gateways: self.clone(), node: node.to_owned(), number })
    }

    fn announce(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Gateways that were not seen since then.
    fn forget(&mut self, since_us: i64) {
        let shown = |row: &GatewayRow| row.connected || row.last_seen_us >= since_us;
        self.own.retain(|_, row| shown(&row.shown));
        self.others.retain(|_, rows| {
            rows.retain(|_, row| shown(row));
            !rows.is_empty()
        });
    }
}

/// The control plane of a gateway tells of it no more: the gateway is looking for another one.
fn lost(row: Option<&mut GatewayRow>, now_us: i64) {
    if let Some(row) = row.filter(|row| row.connected) {
        row.connected = false;
        row.in_sync = false;
        row.last_seen_us = now_us;
    }
}

impl Session {
    /// The name of the gateway.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// How its calls are. Nobody is woken for it.
    pub(super) fn reported(&self, report: Report) {
        let mut known = self.gateways.lock();
        let row = known.own.get_mut(&self.node).filter(|row| row.session == self.number);
        if let Some(row) = row {
            row.shown.report = Some(Arc::new(report));
        }
    }

    /// A transaction is on its way.
    pub(super) fn offered(&self, epoch: &Arc<str>, revision: Revision) {
        self.write(|row| {
            row.epoch = epoch.clone();
            row.offered = revision;
            row.in_sync = false;
        });
    }

    /// It answered the transaction of `revision`, or spoke by itself; `in_sync`: and holds what it
    /// should hold.
    pub(super) fn answered(
        &self,
        revision: Option<Revision>,
        in_sync: bool,
        rejected: Vec<Rejected>,
    ) {
        let now = self.gateways.clock.unix_us();
        self.write(|row| {
            if let Some(revision) = revision.filter(|_| in_sync) {
                row.applied = revision;
            }
            row.in_sync = in_sync;
            row.refuses(rejected, now);
            row.last_seen_us = now;
        });
    }

    /// It holds what it should hold at this revision, without having been sent anything for it.
    pub(super) fn is_at(&self, epoch: &Arc<str>, revision: Revision) {
        self.write(|row| {
            row.epoch = epoch.clone();
            row.offered = revision;
            row.applied = revision;
            row.in_sync = true;
        });
    }

    /// What its version does not know was left out.
    pub(super) fn left_out(&self, left_out: Vec<String>) {
        self.write(|row| row.left_out = left_out);
    }

    /// Whether the node has come back on another stream.
    pub(super) fn is_superseded(&self) -> bool {
        self.gateways.lock().own.get(&self.node).is_none_or(|row| row.session != self.number)
    }

    /// Returns when the node has come back on another stream.
    pub(super) async fn superseded(&self) {
        let mut changes = self.gateways.changes();
        while !self.is_superseded() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn write(&self, write: impl FnOnce(&mut GatewayRow)) {
        let mut known = self.gateways.lock();
        let row = known.own.get_mut(&self.node).filter(|row| row.session == self.number);
        let Some(row) = row else { return };
        let before = row.shown.clone();
        write(&mut row.shown);
        let same = row.shown == before;
        drop(known);
        if !same {
            self.gateways.announce();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let now = self.gateways.clock.unix_us();
        self.write(|row| {
            row.connected = false;
            row.last_seen_us = now;
        });
    }
}
