//! Whose word about people is taken?

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use jose::KeySet;
use serde::Deserialize;

use super::value;
use crate::client_auth::ASSERTION_ALGORITHMS;
use crate::grant::{IssuerKeys, TrustedIssuer};

/// `[assertions]`: whose word about people is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionsConfig {
    pub trusted: Vec<TrustedConfig>,
}

/// `[[assertions.trusted]]`: one server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedConfig {
    pub issuer: String,
    /// A file with its keys, or `jwks_uri`.
    #[serde(default)]
    pub jwks: PathBuf,
    #[serde(default)]
    pub jwks_uri: String,
    #[serde(default = "es256")]
    pub algorithms: Vec<String>,
    #[serde(default = "sub")]
    pub subject: String,
    #[serde(default = "five_minutes", deserialize_with = "value::seconds")]
    pub longest: i64,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn es256() -> Vec<String> {
    vec!["ES256".to_owned()]
}

fn sub() -> String {
    "sub".to_owned()
}

const fn five_minutes() -> i64 {
    300
}

const fn yes() -> bool {
    true
}

impl AssertionsConfig {
    /// Those that are enabled. Reads files.
    pub fn issuers(&self) -> anyhow::Result<Vec<TrustedIssuer>> {
        let enabled = self.trusted.iter().filter(|one| one.enabled);
        let read = |one: &TrustedConfig| {
            one.read().with_context(|| format!("assertions.trusted: {}", one.issuer))
        };
        let all: Vec<_> = enabled.map(read).collect::<Result<_, _>>()?;
        for (place, one) in all.iter().enumerate() {
            let again = all.iter().skip(place.saturating_add(1));
            anyhow::ensure!(
                again.into_iter().all(|other| other.issuer != one.issuer),
                "assertions.trusted: {} comes twice",
                one.issuer
            );
        }
        Ok(all)
    }
}

impl TrustedConfig {
    fn read(&self) -> anyhow::Result<TrustedIssuer> {
        anyhow::ensure!(!self.issuer.is_empty(), "`issuer` is missing");
        let file = !self.jwks.as_os_str().is_empty();
        anyhow::ensure!(
            file != self.jwks_uri.starts_with("https://"),
            "either `jwks` is a file or `jwks_uri` an https URL"
        );
        let keys = if file {
            let text = std::fs::read_to_string(&self.jwks)
                .with_context(|| format!("{} is unreadable", self.jwks.display()))?;
            IssuerKeys::Here(Arc::new(KeySet::parse(&text)?))
        } else {
            IssuerKeys::There(self.jwks_uri.clone())
        };
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            let known = ASSERTION_ALGORITHMS.into_iter().find(|known| known.name() == name);
            algorithms.push(known.with_context(|| format!("`{name}` is no algorithm here"))?);
        }
        Ok(TrustedIssuer {
            issuer: self.issuer.clone(),
            keys,
            algorithms,
            subject: self.subject.clone(),
            longest_seconds: self.longest,
        })
    }
}
