//! Which etcd, and how is it spoken to?

use std::fs;
use std::path::Path;
use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use serde::Deserialize;

use super::super::contract::StoreError;

/// Section `[etcd]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Client URLs of the members, `http://` or `https://`.
    pub endpoints: Vec<String>,
    /// User name; empty: etcd asks for none.
    pub user: String,
    /// Its password.
    pub password: chassis::config::Secret,
    /// Authorities that sign the members' certificates, PEM file; empty: no TLS.
    pub ca: String,
    /// Our certificate, PEM file; empty: none is shown.
    pub certificate: String,
    /// Its key, PEM file.
    pub key: String,
    /// Stands before every key, so that several systems can share a cluster.
    pub prefix: String,
}

const CONNECT: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_ANSWER: Duration = Duration::from_secs(3);

impl Config {
    /// Reads the files that the section names.
    pub(super) fn options(&self) -> Result<ConnectOptions, StoreError> {
        self.check_endpoints()?;
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT)
            // A peer that is gone without a word is noticed by pings, not by silence.
            .with_keep_alive(PING_EVERY, PING_ANSWER)
            .with_keep_alive_while_idle(true)
            // A member that lost its cluster must not leave a watch idle for ever.
            .with_require_leader(true);
        if !self.user.is_empty() {
            // Simple tokens end after five minutes; the client gets a new one by itself.
            options = options
                .with_user(self.user.as_str(), self.password.expose())
                .with_auto_token_refresh(true);
        }
        if !self.ca.is_empty() {
            options = options.with_tls(self.tls()?);
        }
        Ok(options)
    }

    fn check_endpoints(&self) -> Result<(), StoreError> {
        let wrong = |what: String| Err(StoreError::Misconfigured { what });
        let (scheme, why) = if self.ca.is_empty() {
            ("http://", "[etcd] ca is empty")
        } else {
            ("https://", "[etcd] ca is given")
        };
        if self.endpoints.is_empty() {
            return wrong("[etcd] endpoints is empty".to_owned());
        }
        match self.endpoints.iter().find(|endpoint| !endpoint.starts_with(scheme)) {
            Some(other) => wrong(format!(
                "[etcd] endpoints: `{other}` does not begin with {scheme}, and {why}"
            )),
            None if self.certificate.is_empty() != self.key.is_empty() => {
                wrong("[etcd] certificate and key are given together or not at all".to_owned())
            }
            None => Ok(()),
        }
    }

    fn tls(&self) -> Result<TlsOptions, StoreError> {
        let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(&self.ca)?));
        if !self.certificate.is_empty() {
            let identity = Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
            tls = tls.identity(identity);
        }
        Ok(tls)
    }
}

fn read(path: &str) -> Result<Vec<u8>, StoreError> {
    fs::read(Path::new(path))
        .map_err(|error| StoreError::Misconfigured { what: format!("[etcd] {path}: {error}") })
}
