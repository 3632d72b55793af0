//! How far is each gateway?
//!
//! One row per node, written by its session and read by people, by the barrier and by metrics. A
//! node that comes back takes its row over, and the session it had before is told to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Clock;
use tokio::sync::watch;
use turnpike_proto::config::v1::Rejected;

use super::slice::Labels;
use crate::store::Revision;

/// How long a gateway that went away is shown.
const SHOWN_US: i64 = 3600 * 1_000_000;
/// More nodes than any fleet has; a peer that invents names is refused beyond.
const MOST: usize = 10_000;

/// All gateways of this control plane.
#[derive(Debug)]
pub struct Gateways {
    rows: Mutex<BTreeMap<String, Row>>,
    changed: watch::Sender<u64>,
    clock: Clock,
}

/// How far one gateway is.
#[derive(Clone, Debug, PartialEq)]
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
    /// In microseconds since the Unix epoch.
    pub last_seen_us: i64,
    /// Whether what it holds is what it should hold.
    pub in_sync: bool,
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
        Self { rows: Mutex::default(), changed: watch::Sender::new(0), clock }
    }

    /// Ordered by node; those that are connected or were within the last hour.
    pub fn rows(&self) -> Vec<GatewayRow> {
        let since = self.clock.unix_us().saturating_sub(SHOWN_US);
        let mut rows = self.lock();
        rows.retain(|_, row| row.shown.connected || row.shown.last_seen_us >= since);
        rows.values().map(|row| row.shown.clone()).collect()
    }

    /// Hears whenever a row changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
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
        let shown = GatewayRow {
            node: node.to_owned(),
            labels,
            build,
            connected: true,
            epoch: "".into(),
            offered: 0,
            applied: 0,
            rejected,
            last_seen_us: self.clock.unix_us(),
            in_sync: false,
        };
        let mut rows = self.lock();
        if rows.len() >= MOST && !rows.contains_key(node) {
            return None;
        }
        let number = rows.get(node).map_or(0, |row| row.session).saturating_add(1);
        rows.insert(node.to_owned(), Row { shown, session: number });
        drop(rows);
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
        Some(Session { gateways: self.clone(), node: node.to_owned(), number })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
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
            row.rejected = rejected;
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

    /// Whether the node has come back on another stream.
    pub(super) fn is_superseded(&self) -> bool {
        self.gateways.lock().get(&self.node).is_none_or(|row| row.session != self.number)
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
        let mut rows = self.gateways.lock();
        let Some(row) = rows.get_mut(&self.node).filter(|row| row.session == self.number) else {
            return;
        };
        let before = row.shown.clone();
        write(&mut row.shown);
        let same = row.shown == before;
        drop(rows);
        if !same {
            self.gateways.changed.send_modify(|n| *n = n.wrapping_add(1));
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
