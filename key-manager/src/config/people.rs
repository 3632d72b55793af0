//! How do people log in, and how do the pages look?

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use serde::Deserialize;

use super::value;
use crate::directory::{DirectoryRules, GroupRules, RulesError};
use crate::endpoint::{LoginRules, Mfa, PasskeyUse, SignUp};
use crate::store::Failures;
use crate::vault::PasswordRules;

/// `[ldap]`; nothing: there is no directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawLdap")]
pub struct LdapConfig(pub Option<Box<DirectoryRules>>);

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLdap {
    url: String,
    start_tls: bool,
    ca: PathBuf,
    bind_dn: String,
    bind_password_file: PathBuf,
    base: String,
    filter: String,
    connections: usize,
    #[serde(with = "duration")]
    timeout: Duration,
    group_attribute: String,
    group_base: String,
    group_filter: String,
    roles: Vec<RawGroup>,
}

/// `[[ldap.roles]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    group: String,
    role: String,
}

impl TryFrom<RawLdap> for LdapConfig {
    type Error = RulesError;

    fn try_from(raw: RawLdap) -> Result<Self, RulesError> {
        if raw.url.is_empty() {
            return Ok(Self(None));
        }
        let roles = raw.roles.into_iter().map(|one| (one.group, one.role)).collect();
        let groups = GroupRules::new(raw.group_attribute, raw.group_base, raw.group_filter, roles)?;
        let rules = DirectoryRules::new(
            &raw.url,
            raw.start_tls,
            raw.ca,
            raw.bind_dn,
            raw.bind_password_file,
            raw.base,
            raw.filter,
            raw.connections,
            raw.timeout,
            groups,
        );
        Ok(Self(Some(Box::new(rules?))))
    }
}

/// `[pages]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesConfig {
    /// A folder; empty: none.
    pub theme: PathBuf,
}

/// Of people who log in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    #[serde(deserialize_with = "value::seconds")]
    pub life: i64,
    #[serde(deserialize_with = "value::seconds")]
    pub idle: i64,
    #[serde(deserialize_with = "value::mfa")]
    pub mfa: Mfa,
    #[serde(deserialize_with = "value::passkeys")]
    pub passkeys: PasskeyUse,
    pub hashes: usize,
    pub waiting: usize,
    /// KiB.
    #[serde(deserialize_with = "value::memory")]
    pub hash_memory: u32,
    #[serde(deserialize_with = "value::passes")]
    pub hash_passes: u32,
    #[serde(deserialize_with = "value::signup")]
    pub signup: SignUp,
    /// Whether clients that are registered for it may use the password of their person.
    pub password_grant: bool,
    pub failures: u32,
    pub failures_of_network: u32,
    #[serde(deserialize_with = "value::seconds")]
    pub wait: i64,
    #[serde(deserialize_with = "value::seconds")]
    pub longest_wait: i64,
    #[serde(deserialize_with = "value::seconds")]
    pub forget: i64,
}

impl LoginConfig {
    pub const fn rules(self) -> LoginRules {
        LoginRules {
            life_seconds: self.life,
            idle_seconds: self.idle,
            mfa: self.mfa,
            passkeys: self.passkeys,
            signup: self.signup,
            name: self.limits(self.failures),
            network: self.limits(self.failures_of_network),
        }
    }

    const fn limits(self, free: u32) -> Failures {
        Failures {
            free,
            wait_seconds: self.wait,
            longest_seconds: self.longest_wait,
            forget_seconds: self.forget,
        }
    }

    pub const fn passwords(self) -> PasswordRules {
        PasswordRules {
            at_once: self.hashes,
            waiting: self.waiting,
            memory_kib: self.hash_memory,
            passes: self.hash_passes,
        }
    }
}
