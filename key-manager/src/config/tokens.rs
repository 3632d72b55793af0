//! Who issues tokens, with which keys, and for how long?

use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::config::duration;
use serde::Deserialize;

use super::value;
use crate::domain::TokenAlgorithm;
use crate::endpoint::Issuer;
use crate::grant::RefreshRules;
use crate::hsm::{HsmRules, HsmRulesError};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    #[serde(deserialize_with = "value::issuer")]
    pub url: Issuer,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawTokens")]
pub struct TokensConfig {
    pub audience: Vec<String>,
    pub algorithm: TokenAlgorithm,
    /// Seconds.
    pub life: u32,
    /// Seconds, at least `life`.
    pub longest: u32,
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokens {
    #[serde(deserialize_with = "value::audience")]
    audience: Vec<String>,
    #[serde(deserialize_with = "value::algorithm")]
    algorithm: TokenAlgorithm,
    #[serde(deserialize_with = "value::life")]
    life: u32,
    #[serde(deserialize_with = "value::life")]
    longest: u32,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("`life` is longer than `longest`")]
struct TooLong;

impl TryFrom<RawTokens> for TokensConfig {
    type Error = TooLong;

    fn try_from(raw: RawTokens) -> Result<Self, TooLong> {
        let RawTokens { audience, algorithm, life, longest } = raw;
        if life > longest { Err(TooLong) } else { Ok(Self { audience, algorithm, life, longest }) }
    }
}

/// Of refresh tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshConfig {
    #[serde(deserialize_with = "value::seconds")]
    pub life: i64,
    #[serde(deserialize_with = "value::seconds")]
    pub idle: i64,
    #[serde(deserialize_with = "value::grace")]
    pub grace: i64,
    pub replays: u32,
}

impl RefreshConfig {
    pub const fn rules(self) -> RefreshRules {
        let Self { life, idle, grace, replays } = self;
        RefreshRules { life_seconds: life, idle_seconds: idle, grace_seconds: grace, replays }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawKeys")]
pub struct KeysConfig {
    pub rotate: Duration,
    /// At most `rotate`.
    pub publish: Duration,
    pub master: PathBuf,
    pub pkcs11: Pkcs11Config,
}

/// `[keys.pkcs11]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawPkcs11")]
pub struct Pkcs11Config {
    /// `None`: there is no device.
    pub hsm: Option<HsmRules>,
    /// Whether keys in a device are given up, now that there is none.
    pub leave: bool,
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPkcs11 {
    module: PathBuf,
    token: String,
    slot: String,
    pin_file: PathBuf,
    sessions: usize,
    waiting: usize,
    #[serde(with = "duration")]
    timeout: Duration,
    leave: bool,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Pkcs11Error {
    #[error("`token`, `slot` and `pin_file` say nothing without a `module`")]
    Unused,
    #[error("`leave` gives up the keys of a device: take `module` away first")]
    Leave,
    #[error("{0}")]
    Rules(#[from] HsmRulesError),
}

impl TryFrom<RawPkcs11> for Pkcs11Config {
    type Error = Pkcs11Error;

    fn try_from(raw: RawPkcs11) -> Result<Self, Pkcs11Error> {
        let RawPkcs11 { module, token, slot, pin_file, sessions, waiting, timeout, leave } = raw;
        if module.as_os_str().is_empty() {
            let silent = token.is_empty() && slot.is_empty() && pin_file.as_os_str().is_empty();
            return if silent { Ok(Self { hsm: None, leave }) } else { Err(Pkcs11Error::Unused) };
        }
        if leave {
            return Err(Pkcs11Error::Leave);
        }
        let most = (sessions, waiting);
        let rules = HsmRules::new(module, (token, &slot), pin_file, most, timeout)?;
        Ok(Self { hsm: Some(rules), leave })
    }
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    #[serde(deserialize_with = "value::span")]
    rotate: Duration,
    #[serde(deserialize_with = "value::span")]
    publish: Duration,
    master: PathBuf,
    pkcs11: Pkcs11Config,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("`publish` is longer than `rotate`")]
struct TooLate;

impl TryFrom<RawKeys> for KeysConfig {
    type Error = TooLate;

    fn try_from(raw: RawKeys) -> Result<Self, TooLate> {
        let RawKeys { rotate, publish, master, pkcs11 } = raw;
        if publish > rotate { Err(TooLate) } else { Ok(Self { rotate, publish, master, pkcs11 }) }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationsConfig {
    pub watchers: usize,
}

impl KeysConfig {
    /// Where the master key is.
    pub fn master_path(&self, data: &Path) -> PathBuf {
        let own = self.master.as_os_str().is_empty();
        if own { data.join("master.key") } else { self.master.clone() }
    }
}
