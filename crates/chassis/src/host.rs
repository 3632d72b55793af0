//! What does the machine under a service offer to it?

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pki::{self, Identity};
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::task::Tasks;

/// Clock, shutdown, tasks, certificates, metrics and readiness of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    /// The service, like `key-manager`.
    pub name: &'static str,
    /// This instance among its like: `service.id`, or the host name.
    pub instance: String,
    /// Where the service keeps its state; exists.
    pub data: PathBuf,
    /// How long a drain may take.
    pub drain: Duration,
    /// The time.
    pub clock: Clock,
    /// Whether somebody has asked this process to stop.
    pub shutdown: Shutdown,
    /// What a drain waits for.
    pub tasks: Tasks,
    /// This process's certificate and trust anchors.
    pub tls: Identity,
    /// The registry behind `/metrics`.
    pub metrics: Metrics,
    /// What stands behind `/readyz`.
    pub ready: Readiness,
    /// What runs until the very end and is waited for by nobody.
    pub(crate) background: Tasks,
    /// Requested when the drain is over.
    pub(crate) ended: Shutdown,
    /// Counts the SIGHUPs.
    pub(crate) hangups: watch::Sender<u64>,
}

impl Host {
    /// A host for tests and tools, without signals and configuration: drains within ten seconds.
    pub fn new(
        name: &'static str,
        instance: &str,
        data: &Path,
        clock: Clock,
        tls: Identity,
    ) -> Self {
        let ready = Readiness::default();
        Self {
            name,
            instance: instance.to_owned(),
            data: data.to_owned(),
            drain: Duration::from_secs(10),
            clock,
            shutdown: Shutdown::new(ready.clone()),
            tasks: Tasks::default(),
            tls,
            metrics: Metrics::new(name),
            ready,
            background: Tasks::default(),
            ended: Shutdown::new(Readiness::default()),
            hangups: watch::Sender::new(0),
        }
    }

    /// A host for tests whose certificate comes from a development authority in `data/pki`.
    /// Several hosts with the same `data` trust each other.
    pub fn development(name: &'static str, data: &Path) -> Result<Self, pki::Error> {
        let directory = data.join("pki");
        pki::development(&directory, &[name])?;
        let tls = Identity::named(&directory, name)?;
        Ok(Self::new(name, "test", data, Clock::system(), tls))
    }

    /// The identity of this process with other files, where they are named: a certificate with its
    /// `key`, and the authorities that clients are verified by. It is kept as its files are.
    pub fn identity(&self, certificate: &str, key: &str, ca: &str) -> Result<Identity, pki::Error> {
        if certificate.is_empty() != key.is_empty() {
            return Err(pki::Error::Half);
        }
        if certificate.is_empty() && ca.is_empty() {
            return Ok(self.tls.clone());
        }
        let named = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let identity = self.tls.with_files(named(certificate).zip(named(key)), named(ca))?;
        self.keep_fresh(identity.clone());
        Ok(identity)
    }

    /// Keeps an identity as its files are until the process ends.
    pub(crate) fn keep_fresh(&self, identity: Identity) {
        let (clock, tasks) = (self.clock.clone(), self.background.clone());
        let hangups = self.hangups.subscribe();
        self.background.spawn("certificates", pki::keep_fresh(identity, clock, tasks, hangups));
    }
}
