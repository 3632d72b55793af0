//! How do control planes tell each other what must end with the one that said it?
//!
//! Keys that hang on a lease: the cluster removes them when nobody renews it. They stand below a
//! prefix of their own, so that the watch of the resources does not wake for them, and belong to no
//! transaction: each key has one writer.

use std::path::Path;

use bytes::Bytes;
use etcd_client::{PutOptions, Txn, TxnOp};

use super::super::contract::{Store, StoreError};
use super::config::Config;
use super::store::Etcd;

/// etcd takes 128 operations at once.
const AT_ONCE: usize = 100;
/// And 1.5 MiB.
const BYTES_AT_ONCE: usize = 1_000_000;

/// Keys under leases.
#[derive(Debug)]
pub struct Leased {
    etcd: Etcd,
}

/// A lease that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(i64);

impl Leased {
    /// Below the prefix of `config`; speaks to nobody yet. `beside` as for [`Etcd::new`].
    pub fn new(config: &Config, beside: &Path) -> Result<Self, StoreError> {
        Ok(Self { etcd: Etcd::new(config, beside)? })
    }

    /// To be listed and watched; nothing is committed there.
    pub fn as_store(&self) -> &dyn Store {
        &self.etcd
    }

    /// A lease that ends when it is not renewed for so many seconds.
    pub async fn grant(&self, seconds: i64) -> Result<Lease, StoreError> {
        let connection = &self.etcd.shared.connection;
        let granted = connection
            .call(|mut etcd| async move { etcd.lease_grant(seconds, None).await })
            .await?;
        Ok(Lease(granted.id()))
    }

    /// Begins its time anew. `Refused`: it has ended, and its keys with it.
    pub async fn renew(&self, lease: Lease) -> Result<(), StoreError> {
        let connection = &self.etcd.shared.connection;
        // Opening a stream of renewals renews; one that is kept would hang on one member.
        connection
            .call(|mut etcd| async move { etcd.lease_keep_alive(lease.0).await.map(drop) })
            .await
    }

    /// Ends it, and its keys with it.
    pub async fn revoke(&self, lease: Lease) -> Result<(), StoreError> {
        let connection = &self.etcd.shared.connection;
        let revoked = connection.call(|mut etcd| async move { etcd.lease_revoke(lease.0).await });
        revoked.await.map(drop)
    }

    /// Writes keys under a lease; `None` removes one. Each several of them at once, the last value
    /// being the one that counts. `Refused`: the lease has ended.
    pub async fn write(
        &self,
        lease: Lease,
        rows: &[(String, Option<Bytes>)],
    ) -> Result<(), StoreError> {
        let shared = &self.etcd.shared;
        let (mut operations, mut bytes) = (Vec::new(), 0_usize);
        for (key, value) in rows {
            let key = shared.keys.whole(key);
            bytes = bytes.saturating_add(value.as_ref().map_or(0, Bytes::len));
            operations.push(match value {
                Some(value) => {
                    let options = PutOptions::new().with_lease(lease.0);
                    TxnOp::put(key, value.to_vec(), Some(options))
                }
                None => TxnOp::delete(key, None),
            });
            if operations.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.send(std::mem::take(&mut operations)).await?;
                bytes = 0;
            }
        }
        if operations.is_empty() { Ok(()) } else { self.send(operations).await }
    }

    async fn send(&self, operations: Vec<TxnOp>) -> Result<(), StoreError> {
        let txn = Txn::new().and_then(operations);
        self.etcd.shared.connection.transact(&txn).await.map(drop)
    }
}
