//! In whose name are backends told who calls, and how long does a key sign?

use std::time::Duration;

use super::ring::Rules;

/// The `[backend_jwt]` section.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The `iss`; the same for all gateways that backends take for one.
    pub issuer: String,
    /// How long a key signs.
    #[serde(with = "chassis::config::duration")]
    pub rotate: Duration,
    /// How long the next key is published before it signs.
    #[serde(with = "chassis::config::duration")]
    pub publish: Duration,
    /// How long the first key of an algorithm waits for the key manager to tell it to the other
    /// gateways.
    #[serde(with = "chassis::config::duration")]
    pub patience: Duration,
    /// JWTs kept per worker.
    pub cache: usize,
}

/// Why a section cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody says it.
    #[error("backend_jwt.issuer: it must not be empty")]
    Issuer,
    /// A key would have to be known before it is made.
    #[error(
        "backend_jwt.rotate: it is at least 10m, at most 30d, and longer than backend_jwt.publish"
    )]
    Rotate,
}

const SHORTEST: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(30 * 24);

impl Config {
    /// What holds for keys; `alone`: there is no key manager.
    pub fn rules(&self, alone: bool) -> Result<Rules, Unfit> {
        if self.issuer.is_empty() {
            return Err(Unfit::Issuer);
        }
        if !(SHORTEST..=LONGEST).contains(&self.rotate) || self.publish >= self.rotate {
            return Err(Unfit::Rotate);
        }
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Ok(Rules {
            rotate: seconds(self.rotate),
            publish: seconds(self.publish),
            patience: seconds(self.patience),
            alone,
        })
    }
}
