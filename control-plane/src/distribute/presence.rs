//! How does each control plane know the gateways of the others?
//!
//! Where control planes share a store, each writes the rows of its gateways there, below a name of
//! its own, and reads those of the others. Rows hang on a lease: those of a control plane that died
//! end with it, and come back from wherever its gateways go. What changes is written together, a
//! few times a second at most; nothing is written while nothing changes.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::{Backoff, Host};
use prost::Message;
use turnpike_proto::config::v1::{Rejected, Report};

use super::gateways::{GatewayRow, Gateways};
use super::slices::Slices;
use crate::store::{Lease, Leased, StoreError, Watch};

/// How long rows outlive a control plane that died.
const LEASE_SECONDS: i64 = 10;
/// Well within the lease, even when one renewal fails.
const RENEW: Duration = Duration::from_secs(3);
/// Changes that come faster are written together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often it is looked for what changes without a word: how calls are.
const LOOK: Duration = Duration::from_secs(1);
/// How many refused objects of a gateway the others get to know; a row must stay small.
const REFUSED: usize = 200;

const ROWS: &str = "rows/";

/// Exchanges rows with the other control planes.
#[derive(Debug)]
pub struct Presence {
    host: Host,
    gateways: Arc<Gateways>,
    slices: Arc<Slices>,
    leased: Leased,
    /// Another one after each start: rows of before have another writer.
    replica: String,
}

/// A row as it is written.
#[derive(Clone, PartialEq, Message)]
struct Written {
    #[prost(string, tag = "1")]
    node: String,
    #[prost(btree_map = "string, string", tag = "2")]
    labels: BTreeMap<String, String>,
    #[prost(string, tag = "3")]
    build: String,
    #[prost(bool, tag = "4")]
    connected: bool,
    #[prost(string, tag = "5")]
    epoch: String,
    #[prost(uint64, tag = "6")]
    offered: u64,
    #[prost(uint64, tag = "7")]
    applied: u64,
    #[prost(message, repeated, tag = "8")]
    rejected: Vec<Rejected>,
    #[prost(int64, repeated, tag = "9")]
    rejected_since_us: Vec<i64>,
    #[prost(int64, tag = "10")]
    last_seen_us: i64,
    #[prost(int64, tag = "11")]
    connected_at_us: i64,
    #[prost(bool, tag = "12")]
    in_sync: bool,
    #[prost(message, optional, tag = "13")]
    report: Option<Report>,
    /// How people know the control plane.
    #[prost(string, tag = "14")]
    control_plane: String,
    #[prost(string, repeated, tag = "15")]
    left_out: Vec<String>,
}

impl Presence {
    /// Exchanges the rows of `gateways` over `leased`; `slices` get to know which labels there are.
    pub fn new(host: Host, gateways: Arc<Gateways>, slices: Arc<Slices>, leased: Leased) -> Self {
        let replica = chassis::random::token(12);
        Self { host, gateways, slices, leased, replica }
    }

    /// Until the process drains.
    pub async fn run(self) {
        tokio::join!(self.tell(), self.hear());
    }

    async fn tell(&self) {
        let mut backoff = Backoff::new();
        while !self.host.shutdown.requested() {
            let Err(error) = self.term(&mut backoff).await else { return };
            warn(&error);
            tokio::select! {
                () = self.host.clock.sleep(backoff.next()) => {}
                () = self.host.shutdown.wait() => {}
            }
        }
    }

    /// Writes under one lease until it ends; `Ok`: the process drains.
    async fn term(&self, backoff: &mut Backoff) -> Result<(), StoreError> {
        let lease = self.leased.grant(LEASE_SECONDS).await?;
        let mut renewed = self.host.clock.instant();
        let mut written = BTreeMap::new();
        let mut changes = self.gateways.changes();
        loop {
            changes.mark_unchanged();
            self.write(lease, &mut written).await?;
            backoff.reset();
            let now = self.host.clock.instant();
            if now.duration_since(renewed) >= RENEW {
                self.leased.renew(lease).await?;
                renewed = now;
            }
            tokio::select! {
                () = self.host.clock.sleep(TOGETHER) => {}
                () = self.host.shutdown.wait() => break,
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = self.host.clock.sleep(LOOK) => {}
                () = self.host.shutdown.wait() => break,
            }
        }
        // The gateways go elsewhere now. Without this their rows end a few seconds later.
        self.leased.revoke(lease).await
    }

    /// Writes what is not written yet.
    async fn write(
        &self,
        lease: Lease,
        written: &mut BTreeMap<String, Bytes>,
    ) -> Result<(), StoreError> {
        let name = &self.host.instance;
        let key = |node: &str| format!("{ROWS}{}/{node}", self.replica);
        let now: BTreeMap<String, Bytes> = self
            .gateways
            .own()
            .into_iter()
            .map(|row| (key(&row.node), Bytes::from(row.written(name).encode_to_vec())))
            .collect();
        let changed = now.iter().filter(|(key, value)| written.get(*key) != Some(value));
        let changed = changed.map(|(key, value)| (key.clone(), Some(value.clone())));
        let gone = written.keys().filter(|key| !now.contains_key(*key));
        let rows: Vec<_> = changed.chain(gone.map(|key| (key.clone(), None))).collect();
        if !rows.is_empty() {
            self.leased.write(lease, &rows).await?;
            *written = now;
        }
        Ok(())
    }

    async fn hear(&self) {
        let mut backoff = Backoff::new();
        while !self.host.shutdown.requested() {
            let heard = async {
                let watch = self.listed().await?;
                backoff.reset();
                self.follow(watch).await
            };
            let ended = tokio::select! {
                ended = heard => ended,
                () = self.host.shutdown.wait() => return,
            };
            if let Err(error) = ended {
                inform(&error);
            }
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    async fn listed(&self) -> Result<Box<dyn Watch>, StoreError> {
        let store = self.leased.as_store();
        let listing = store.list(ROWS).await?;
        let mut told: BTreeMap<String, BTreeMap<String, GatewayRow>> = BTreeMap::new();
        for entry in listing.entries {
            if let Some((replica, node)) = self.of_another(&entry.key)
                && let Some(row) = read(entry.value)
            {
                self.prepare(&row);
                told.entry(replica.to_owned()).or_default().insert(node.to_owned(), row);
            }
        }
        self.gateways.told_all(told);
        store.watch(listing.position).await
    }

    /// Until the watch cannot go on.
    async fn follow(&self, mut watch: Box<dyn Watch>) -> Result<(), StoreError> {
        loop {
            let batch = match watch.next().await {
                Err(error) if error.is_retryable() => continue,
                other => other?,
            };
            for event in batch.events {
                let Some((replica, node)) = self.of_another(&event.key) else { continue };
                match event.value.map(read) {
                    // What a later version writes may be unreadable here; the row before stays.
                    Some(None) => {}
                    Some(Some(row)) => {
                        self.prepare(&row);
                        self.gateways.told(replica, node, Some(row));
                    }
                    None => self.gateways.told(replica, node, None),
                }
            }
        }
    }

    /// What such gateways need is asked for soon, and may take long to find out.
    fn prepare(&self, row: &GatewayRow) {
        if row.connected && !self.slices.know(&row.labels) {
            let (slices, labels) = (self.slices.clone(), row.labels.clone());
            self.host.tasks.blocking(move || drop(slices.of(&labels)));
        }
    }

    /// Whose row it is, and of which gateway; none: ours, or none at all.
    fn of_another<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        let (replica, node) = key.strip_prefix(ROWS)?.split_once('/')?;
        (replica != self.replica).then_some((replica, node))
    }
}

impl GatewayRow {
    fn written(self, control_plane: &str) -> Written {
        let Self { mut rejected, mut rejected_since_us, .. } = self;
        rejected.truncate(REFUSED);
        rejected_since_us.truncate(REFUSED);
        Written {
            node: self.node,
            labels: self.labels,
            build: self.build,
            connected: self.connected,
            epoch: self.epoch.to_string(),
            offered: self.offered,
            applied: self.applied,
            rejected,
            rejected_since_us,
            last_seen_us: self.last_seen_us,
            connected_at_us: self.connected_at_us,
            in_sync: self.in_sync,
            report: self.report.map(|report| Report::clone(&report)),
            control_plane: control_plane.to_owned(),
            left_out: self.left_out,
        }
    }
}

fn warn(error: &StoreError) {
    let error = error as &dyn Error;
    tracing::warn!(error, "other control planes do not hear of the gateways here");
}

fn inform(error: &StoreError) {
    let error = error as &dyn Error;
    tracing::info!(error, "gateways of other control planes are listed again");
}

fn read(value: Bytes) -> Option<GatewayRow> {
    let row = Written::decode(value).ok()?;
    Some(GatewayRow {
        node: row.node,
        labels: row.labels,
        build: row.build,
        connected: row.connected,
        epoch: row.epoch.into(),
        offered: row.offered,
        applied: row.applied,
        rejected: row.rejected,
        rejected_since_us: row.rejected_since_us,
        last_seen_us: row.last_seen_us,
        connected_at_us: row.connected_at_us,
        in_sync: row.in_sync,
        report: row.report.map(Arc::new),
        control_plane: row.control_plane.into(),
        left_out: row.left_out,
    })
}
