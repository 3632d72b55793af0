//! How do the tests of this crate speak to a real ClickHouse?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chassis::Secret;
use chassis::clock::Clock;

use super::rollup::Patience;
use super::{Account, Asker, Bounds, Roller, Server, Shipper, Tables};
use crate::store::{Arguments, Limits, Reader, Store};

#[path = "../../../tests/clickhouse_server/mod.rs"]
mod clickhouse_server;

use clickhouse_server::{ClickHouse, PASSWORD, USER};

/// A server.
#[derive(Debug)]
pub(crate) struct Front(pub(crate) ClickHouse);

impl Front {
    /// A server of its own; nothing where there is none to be had.
    pub(crate) fn start() -> Option<Self> {
        ClickHouse::start().map(Self)
    }

    /// One that speaks TLS and asks for a password.
    pub(crate) fn guarded() -> Option<Self> {
        ClickHouse::guarded().map(Self)
    }

    /// One that all tests of this process share; each has its own database.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Front>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Tables in a database that nobody else has.
    pub(crate) fn tables() -> Tables {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let database = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // The calls of tests get no older.
        Tables { database: database.parse().unwrap(), cluster: None, kept_us: i64::MAX }
    }

    pub(crate) fn server(&self) -> Server {
        Self::server_as(self.account())
    }

    /// As everybody may ask it.
    pub(crate) fn account(&self) -> Account {
        let (username, password, authorities) = (String::new(), None, Vec::new());
        Account { urls: vec![self.0.url().parse().unwrap()], username, password, authorities }
    }

    /// As the one may ask it whom a guarded one knows.
    pub(crate) fn own_account(&self) -> Account {
        let (username, password) = (USER.to_owned(), Some(Secret::new(PASSWORD)));
        let authorities = std::fs::read(self.0.authority()).unwrap();
        Account { username, password, authorities, ..self.account() }
    }

    pub(crate) fn server_as(account: Account) -> Server {
        let bounds = Bounds { timeout: Duration::from_mins(2), at_once: 4, largest: 128 << 20 };
        Server::new(account, bounds, Clock::system()).unwrap()
    }

    pub(crate) fn shipper(&self, store: &Arc<Store>, tables: &Tables) -> Shipper {
        Self::shipper_as(self.account(), store, tables)
    }

    pub(crate) fn shipper_as(account: Account, store: &Arc<Store>, tables: &Tables) -> Shipper {
        Shipper::new(Arc::clone(store), Self::server_as(account), tables.clone()).unwrap()
    }

    /// Deletes at once what counts have replaced.
    pub(crate) fn roller(&self, store: &Arc<Store>, tables: &Tables) -> Roller {
        let patience = Patience { question_us: 0, ..Patience::default() };
        let roller = Roller::new(Arc::clone(store), self.server(), tables.clone(), 2);
        roller.unwrap().with(patience)
    }

    pub(crate) fn reader(&self, tables: &Tables) -> Arc<Reader> {
        let timeout = Duration::from_mins(2);
        let limits = Limits { concurrency: 4, threads: 2, memory_mb: 1024, timeout };
        let asker = Asker::new(self.server(), tables.clone(), limits);
        Arc::new(Reader::ClickHouse(Box::new(asker)))
    }

    /// What it answers, tab-separated.
    pub(crate) async fn say(&self, sql: &str) -> String {
        let said = self.server().run(sql.to_owned(), &Arguments::default()).await.unwrap();
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}
