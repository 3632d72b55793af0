//! Who issues tokens, with which keys, and for how long?

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::value;
use crate::domain::TokenAlgorithm;
use crate::endpoint::Issuer;
use crate::grant::RefreshRules;

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
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("`publish` is longer than `rotate`")]
struct TooLate;

impl TryFrom<RawKeys> for KeysConfig {
    type Error = TooLate;

    fn try_from(raw: RawKeys) -> Result<Self, TooLate> {
        let RawKeys { rotate, publish, master } = raw;
        if publish > rotate { Err(TooLate) } else { Ok(Self { rotate, publish, master }) }
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
