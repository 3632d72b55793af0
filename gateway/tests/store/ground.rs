//! What does a test stand on? A way to a server, as a worker has it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use gateway::limits::store::{Config, Connection, Counters, Link, Mode, Source};
use throttle::Subject;

/// The configuration for these addresses.
pub(crate) fn config(mode: Mode, urls: Vec<String>) -> Config {
    let (none, nothing) = (std::path::PathBuf::new(), String::new());
    Config {
        urls,
        mode,
        master: crate::redis::MASTER.to_owned(),
        database: 0,
        username: nothing.clone(),
        password_file: none.clone(),
        sentinel_username: nothing,
        sentinel_password_file: none.clone(),
        ca: none.clone(),
        certificate: none.clone(),
        key: none,
        // What is compared does not depend on how much else the machine has to do.
        timeout: Duration::from_secs(5),
        prefix: "test".to_owned(),
    }
}

/// One worker's way to a server.
pub(crate) struct Ground {
    pub(crate) link: Rc<Link>,
    pub(crate) counters: Counters,
}

impl Ground {
    pub(crate) fn new(mode: Mode, urls: Vec<String>) -> Self {
        Self::with(&config(mode, urls))
    }

    pub(crate) fn with(config: &Config) -> Self {
        let source = Arc::new(Source::open(config).expect("it makes sense"));
        let link = Rc::new(Link::new(source, Clock::system(), Tasks::default()));
        Self { link, counters: Counters::new(&config.prefix, Subject([7; 16])) }
    }

    pub(crate) async fn connection(&self) -> Connection {
        self.link.connection().await.expect("a connection")
    }
}

/// Runs as a worker's thread does.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    let runtime = runtime.build_local(tokio::runtime::LocalOptions::default()).expect("a runtime");
    runtime.block_on(work)
}
