//! Which line of revisions is this, and has the cluster gone back in time?
//!
//! The epoch is made of the cluster's identifier and of a random one stored beside the data.
//! Restoring a snapshot changes the first; where it does not (same URLs and token), a history that
//! is behind what was seen of it is noticed, and the second is replaced.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, Txn, TxnOp};

use super::super::contract::{Revision, StoreError};
use super::super::instance::Seen;
use super::connection::unavailable;
use super::store::{Shared, header};

impl Shared {
    /// The epoch in force. Writes the stored half when it is missing or when the cluster is
    /// behind what we have seen of it.
    pub(super) async fn epoch(&self) -> Result<String, StoreError> {
        let mut answer = self.get(self.keys.epoch(), GetOptions::new()).await?;
        let (cluster, revision) = header(&answer)?;
        let stored = answer.take_kvs().pop();
        if let Some(stored) = &stored {
            let epoch = epoch_of(cluster, stored.value());
            let behind = |seen: Seen| seen.epoch == epoch && seen.revision > revision;
            if !self.witness.read().is_some_and(behind) {
                return Ok(epoch);
            }
        }
        self.stamp(stored.map_or(0, |stored| stored.mod_revision())).await?;
        let answer = self.get(self.keys.epoch(), GetOptions::new()).await?;
        let stored = answer.kvs().first().map(KeyValue::value);
        let stored =
            stored.ok_or_else(|| unavailable("the epoch was removed while it was read"))?;
        let epoch = epoch_of(cluster, stored);
        self.testify(&epoch, header(&answer)?.1);
        Ok(epoch)
    }

    /// Begins a new epoch, unless somebody else has since revision `seen` of the key.
    pub(super) async fn stamp(&self, seen: i64) -> Result<(), StoreError> {
        let key = self.keys.epoch();
        let id = chassis::random::bytes::<16>();
        let stamp = Txn::new()
            .when([Compare::mod_revision(key.as_str(), CompareOp::Equal, seen)])
            .and_then([TxnOp::put(key.as_str(), id, None)]);
        self.connection.transact(&stamp).await.map(drop)
    }

    pub(super) fn testify(&self, epoch: &str, revision: Revision) {
        let seen = Seen { epoch: epoch.to_owned(), revision, file: 0 };
        // Without the file a restored snapshot may go unnoticed while we are down; no more.
        if let Err(error) = self.witness.write(&seen) {
            tracing::warn!(%error, "cannot remember how far etcd was seen");
        }
    }

    pub(super) fn testify_revision(&self, revision: Revision) {
        if let Some(seen) = self.witness.read() {
            self.testify(&seen.epoch, revision);
        }
    }
}

fn epoch_of(cluster: u64, stored: &[u8]) -> String {
    let both: Vec<u8> = cluster.to_le_bytes().iter().chain(stored).copied().collect();
    let digest = digest::digest(&digest::SHA256, &both);
    URL_SAFE_NO_PAD.encode(digest.as_ref().first_chunk::<12>().unwrap_or(&[0; 12]))
}
