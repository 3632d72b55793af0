//! The store itself: which noun's statements answer which promise?

use async_trait::async_trait;
use chassis::clock::Clock;

use super::database::{Config, Database};
use super::migrate::migrate;
use super::url::DatabaseUrl;
use super::{clients, keys, ledger, revocations, used};
use crate::domain::{ClientId, Entry, LiveToken, Revocation};
use crate::store::{KeyChange, Ledger, Store, StoreError, StoredClient, StoredKey, Use, Used};

/// The contract on SQLite or PostgreSQL. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct SqlStore(Database);

impl SqlStore {
    /// Connects and brings the schema to this version. `url` is already put under the data folder.
    pub async fn open(
        url: &DatabaseUrl,
        config: &Config,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let database = Database::open(url, config, clock.clone()).await?;
        migrate(&database, clock.unix_seconds()).await?;
        Ok(Self(database))
    }

    /// Lets go of every connection.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn ledger(&self) -> Result<Ledger, StoreError> {
        ledger::read(&self.0).await
    }

    async fn claim_master(&self, id: &str) -> Result<String, StoreError> {
        ledger::claim_master(&self.0, id).await
    }

    async fn allow_life(&self, seconds: i64) -> Result<i64, StoreError> {
        ledger::allow_life(&self.0, seconds).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        clients::find(&self.0, id).await
    }

    async fn add_client(&self, client: &StoredClient) -> Result<(), StoreError> {
        clients::add(&self.0, client).await
    }

    async fn remove_client(&self, id: &ClientId, end: &Entry) -> Result<Option<u64>, StoreError> {
        clients::remove(&self.0, id, end).await
    }

    async fn revoke(&self, entry: &Entry) -> Result<Option<u64>, StoreError> {
        revocations::revoke(&self.0, entry).await
    }

    async fn revocations(
        &self,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        revocations::range(&self.0, after, until, limit).await
    }

    async fn is_revoked(&self, token: &LiveToken) -> Result<bool, StoreError> {
        revocations::names(&self.0, token).await
    }

    async fn forget(&self, now: i64) -> Result<u64, StoreError> {
        revocations::forget(&self.0, now).await
    }

    async fn begin_epoch(&self, before: &str, epoch: &str) -> Result<(), StoreError> {
        ledger::begin_epoch(&self.0, before, epoch).await
    }

    async fn use_once(&self, used: &Used<'_>) -> Result<Use, StoreError> {
        used::once(&self.0, used).await
    }

    async fn forget_used(&self, now: i64) -> Result<u64, StoreError> {
        used::forget(&self.0, now).await
    }

    async fn keys(&self) -> Result<(u64, Vec<StoredKey>), StoreError> {
        keys::all(&self.0).await
    }

    async fn change_keys(&self, version: u64, changes: &[KeyChange]) -> Result<bool, StoreError> {
        keys::change(&self.0, version, changes).await
    }
}
