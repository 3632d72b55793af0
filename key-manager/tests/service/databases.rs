//! On which databases does a test run?

use std::sync::Arc;

use key_manager::store::DatabaseUrl;
use tempfile::TempDir;

use crate::postgres::{self, Server};

/// An empty database of a test's own, and a folder for what belongs to the process.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) text: String,
    pub(crate) url: DatabaseUrl,
    pub(crate) folder: TempDir,
    server: Option<(Arc<Server>, String)>,
}

/// Runs a test on SQLite, and on PostgreSQL where there is one.
pub(crate) async fn each(test: impl AsyncFn(Scratch)) {
    test(Scratch::sqlite()).await;
    match postgres::shared().await {
        Some(server) => test(Scratch::on(server).await).await,
        None => eprintln!(
            "left out: no PostgreSQL in /usr/lib/postgresql, TURNPIKE_TEST_POSTGRES not set"
        ),
    }
}

impl Scratch {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("sqlite://{}", folder.path().join("key manager.db").display());
        let url = DatabaseUrl::parse(&text).expect("a url");
        Self { text, url, folder, server: None }
    }

    pub(crate) async fn on(server: Arc<Server>) -> Self {
        let name = format!("turnpike_test_{}", chassis::random::below(u64::MAX));
        server.execute(format!("CREATE DATABASE {name}")).await.expect("a database");
        let text = server.url(&name);
        let url = DatabaseUrl::parse(&text).expect("a url");
        let folder = tempfile::tempdir().expect("a folder");
        Self { text, url, folder, server: Some((server, name)) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else { return };
        // Best effort: the server is the test's own, or the name says whose the database is.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = runtime.block_on(server.execute(statement));
        });
        let _ = dropping.join();
    }
}
