//! Where is the directory, and how is a person found in it?

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::groups::{GroupRules, GroupsError, NAME};

/// `[ldap]`, checked.
#[derive(Clone, Debug)]
pub struct DirectoryRules {
    pub(super) url: Url,
    pub(super) start_tls: bool,
    pub(super) ca: PathBuf,
    pub(super) bind_dn: String,
    pub(super) bind_password_file: PathBuf,
    pub(super) base: String,
    pub(super) filter: String,
    pub(super) connections: usize,
    pub(super) timeout: Duration,
    pub(super) groups: GroupRules,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RulesError {
    #[error("`url` is no ldap:// or ldaps:// address")]
    Url,
    #[error("passwords do not travel in the clear: use ldaps:// or `start_tls`")]
    Clear,
    #[error("`filter` has `{NAME}` where the name of a person goes")]
    Filter,
    #[error("`base` says where people are")]
    Base,
    #[error("`connections` is at least 1")]
    Connections,
    #[error(transparent)]
    Groups(#[from] GroupsError),
}

impl DirectoryRules {
    #[expect(clippy::too_many_arguments, reason = "one for each key of the section")]
    pub fn new(
        url: &str,
        start_tls: bool,
        ca: PathBuf,
        bind_dn: String,
        bind_password_file: PathBuf,
        base: String,
        filter: String,
        connections: usize,
        timeout: Duration,
        groups: GroupRules,
    ) -> Result<Self, RulesError> {
        let url = Url::parse(url).map_err(|_| RulesError::Url)?;
        let own = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        match url.scheme() {
            "ldaps" if !start_tls => {}
            "ldap" if start_tls || own => {}
            "ldap" => return Err(RulesError::Clear),
            _ => return Err(RulesError::Url),
        }
        if !filter.contains(NAME) {
            return Err(RulesError::Filter);
        }
        if base.is_empty() {
            return Err(RulesError::Base);
        }
        if connections == 0 {
            return Err(RulesError::Connections);
        }
        Ok(Self {
            url,
            start_tls,
            ca,
            bind_dn,
            bind_password_file,
            base,
            filter,
            connections,
            timeout,
            groups,
        })
    }
}
