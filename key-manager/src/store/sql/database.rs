//! How is the database reached, and with which promises?
//!
//! SQLite has one connection that writes and a few that read; `synchronous = FULL` makes a commit
//! reach the disk before it is answered. PostgreSQL has one pool.

use std::fs::OpenOptions;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use serde::Deserialize;
use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions as _, Executor as _, Transaction};
use url::Url;

use super::audit;
use super::failure::is_lost;
use super::url::DatabaseUrl;
use crate::store::{Noted, StoreError};

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub url: DatabaseUrl,
    pub connections: u32,
    #[serde(with = "chassis::config::duration")]
    pub timeout: Duration,
    #[serde(with = "chassis::config::duration")]
    pub poll: Duration,
}

/// Work on everything that came from a client may take so many times `store.timeout`.
const WHOLE: u32 = 15;
/// How many dead connections one piece of work may meet.
const ATTEMPTS: u32 = 4;

/// The pools. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Database {
    engine: Engine,
    read: AnyPool,
    write: AnyPool,
    clock: Clock,
    timeout: Duration,
    /// What every change says in the audit log.
    noted: Option<Arc<Noted>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// A transaction that writes. Dropped half-way, it rolls back.
#[derive(Debug)]
pub(super) struct Change {
    transaction: Transaction<'static, Any>,
    noted: Option<Arc<Noted>>,
}

impl Change {
    /// Makes the change durable, with its line of the audit log, both or none.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        if let Some(noted) = &self.noted {
            // Last, so that the lock on the head of the log is held for a moment only, and always
            // taken after any other.
            audit::append(&mut self.transaction, &noted.note, noted.chain.as_ref()).await?;
        }
        self.transaction.commit().await
    }

    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}

impl Deref for Change {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

impl Database {
    pub(super) async fn open(
        url: &DatabaseUrl,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let timeout = config.timeout;
        let connections = config.connections.max(1);
        match url {
            DatabaseUrl::Own => {
                let path = Path::new("key-manager.db");
                Self::open_file(path, connections, clock, timeout).await
            }
            DatabaseUrl::Sqlite(path) => Self::open_file(path, connections, clock, timeout).await,
            DatabaseUrl::Postgres(url) => {
                let pool = AnyPoolOptions::new()
                    .max_connections(connections)
                    .acquire_timeout(timeout)
                    // A dead connection shows at its first statement, which is then tried on
                    // another; so no request pays for a ping.
                    .test_before_acquire(false)
                    .connect_with(options(url)?)
                    .await?;
                let (read, write) = (pool.clone(), pool);
                Ok(Self { engine: Engine::Postgres, read, write, clock, timeout, noted: None })
            }
        }
    }

    async fn open_file(
        path: &Path,
        connections: u32,
        clock: Clock,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let options = options(&file_url(path)?)?;
        let pool = |most: u32| {
            AnyPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(timeout)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        connection.execute("PRAGMA journal_mode = WAL").await?;
                        connection.execute("PRAGMA synchronous = FULL").await?;
                        Ok(())
                    })
                })
                .connect_with(options.clone())
        };
        // The writer comes first: it makes the file.
        let write = pool(1).await?;
        let read = pool(connections).await?;
        Ok(Self { engine: Engine::Sqlite, read, write, clock, timeout, noted: None })
    }

    pub(super) const fn reader(&self) -> &AnyPool {
        &self.read
    }

    /// The same database, each of whose changes says this in the audit log.
    pub(super) fn noting(&self, noted: Noted) -> Self {
        Self { noted: Some(Arc::new(noted)), ..self.clone() }
    }

    /// Begins a change. On SQLite it takes the write lock at once, so that it never fails half-way
    /// for a lock.
    pub(super) async fn begin(&self) -> Result<Change, sqlx::Error> {
        let mut attempts = 1;
        loop {
            let begun = match self.engine {
                Engine::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await,
                Engine::Postgres => self.write.begin().await,
            };
            match begun {
                // Nothing was written yet, so a dead connection of the pool costs another try.
                Err(failure) if is_lost(&failure) && attempts < ATTEMPTS => attempts += 1,
                begun => {
                    return begun
                        .map(|transaction| Change { transaction, noted: self.noted.clone() });
                }
            }
        }
    }

    /// Bounds a piece of work. Dropped half-way, a transaction rolls back.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.clock.timeout(self.timeout, work).await.unwrap_or(Err(StoreError::Late))
    }

    /// Bounds a piece of work that touches everything that came from a client, which may be hundreds of
    /// thousands of rows: what ends tokens must not fail because there are many.
    pub(super) async fn bounded_whole<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = self.timeout.saturating_mul(WHOLE);
        self.clock.timeout(bound, work).await.unwrap_or(Err(StoreError::Late))
    }

    /// Runs one statement in a transaction of its own; answers how many rows it changed.
    pub(super) async fn write_one(
        &self,
        statement: Query<'_, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        self.bounded(async {
            let mut change = self.begin().await?;
            let changed = statement.execute(&mut *change).await?.rows_affected();
            // What changed nothing has no line in the audit log.
            if changed > 0 {
                change.commit().await?;
            }
            Ok(changed)
        })
        .await
    }

    /// Bounds a read and tries it again on another connection when the first was dead.
    pub(super) async fn read<T, F>(&self, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.bounded(async {
            let mut attempts = 1;
            loop {
                match work().await {
                    Err(StoreError::Unavailable(_)) if attempts < ATTEMPTS => attempts += 1,
                    other => return other,
                }
            }
        })
        .await
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn options(url: &Url) -> Result<AnyConnectOptions, StoreError> {
    // Slow or not, a statement is no log line: failures reach the log through their callers.
    Ok(AnyConnectOptions::from_url(url)?.disable_statement_logging())
}

fn file_url(path: &Path) -> Result<Url, StoreError> {
    let failed = |source| StoreError::File { path: path.display().to_string(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    if let Some(parent) = absolute.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // Made here, so that nobody else may read it; its companions get the same mode.
    OpenOptions::new().append(true).create(true).mode(0o600).open(&absolute).map_err(failed)?;
    let invalid = || failed(std::io::ErrorKind::InvalidInput.into());
    // A file URL escapes what has a meaning in URLs; only the scheme is another.
    let file = Url::from_file_path(&absolute).map_err(|()| invalid())?;
    let text = file.as_str().replacen("file://", "sqlite://", 1);
    Url::parse(&format!("{text}?mode=rwc")).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sqlx::Row as _;

    use super::*;

    const FULL: i64 = 2;

    #[tokio::test]
    async fn an_embedded_commit_reaches_the_disk_before_it_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("a b%20c?d.db"));
        let second = Duration::from_secs(1);
        let config =
            Config { url: DatabaseUrl::Own, connections: 1, timeout: second, poll: second };
        let database = Database::open(&url, &config, Clock::system()).await.expect("open");
        let mut change = database.begin().await.expect("begun");
        let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *change).await.expect("mode");
        assert_eq!(mode.try_get::<String, _>(0).expect("a text"), "wal");
        let sync = sqlx::query("PRAGMA synchronous").fetch_one(&mut *change).await.expect("sync");
        assert_eq!(sync.try_get::<i64, _>(0).expect("a number"), FULL);
        let file = std::fs::metadata(folder.path().join("a b%20c?d.db")).expect("the file");
        assert_eq!(file.permissions().mode() & 0o077, 0, "others may read the database");
    }
}
