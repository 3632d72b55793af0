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
    /// A key signs for too short or too long.
    #[error("backend_jwt.rotate: it is not from 10m to 30d")]
    Rotate,
    /// Who keeps key sets would not have the next key when it signs, or it would have to be known
    /// before it is made.
    #[error("backend_jwt.publish: it is at least 5m, and shorter than backend_jwt.rotate")]
    Publish,
}

const SHORTEST: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// For so long key sets are kept.
const KEPT: Duration = Duration::from_mins(5);

impl Config {
    /// What holds for keys; `alone`: there is no key manager.
    pub fn rules(&self, alone: bool) -> Result<Rules, Unfit> {
        if self.issuer.is_empty() {
            return Err(Unfit::Issuer);
        }
        if !(SHORTEST..=LONGEST).contains(&self.rotate) {
            return Err(Unfit::Rotate);
        }
        if self.publish < KEPT || self.publish >= self.rotate {
            return Err(Unfit::Publish);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an issuer and two spans in minutes.
    #[track_caller]
    fn check(issuer: &str, rotate: u64, publish: u64, expected: Result<(), Unfit>) {
        let minutes = Duration::from_mins;
        let (rotate, publish) = (minutes(rotate), minutes(publish));
        let issuer = issuer.to_owned();
        let config = Config { issuer, rotate, publish, patience: Duration::ZERO, cache: 1 };
        assert_eq!(config.rules(false).map(drop), expected);
    }

    #[test]
    fn keys_sign_for_a_while_and_are_known_before() {
        check("turnpike", 10, 5, Ok(()));
        check("turnpike", 43_200, 43_199, Ok(()));
        check("", 10, 5, Err(Unfit::Issuer));
        check("turnpike", 9, 5, Err(Unfit::Rotate));
        check("turnpike", 43_201, 5, Err(Unfit::Rotate));
        check("turnpike", 10, 10, Err(Unfit::Publish));
        check("turnpike", 10, 4, Err(Unfit::Publish));
    }
}
