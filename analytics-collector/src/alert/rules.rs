//! What is configured of alerts?

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::config::duration;
use detect::{Alarm as Kind, Override, RuleError, Rules, Setting};
use serde::Deserialize;

/// How long the same is not raised again.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Quiet(#[serde(with = "duration")] Duration);

impl From<Quiet> for Duration {
    fn from(quiet: Quiet) -> Self {
        quiet.0
    }
}

/// `[alerts.rules.<Type>]`
pub type Settings = BTreeMap<Kind, Setting<Quiet>>;

/// `[[alerts.overrides]]`
pub type Overrides = Vec<Override<Quiet>>;

/// The rules as they are configured.
pub fn rules(
    settings: &Settings,
    overrides: &Overrides,
    quiet: Duration,
    series: usize,
) -> Result<Rules, RuleError> {
    let mut rules = Rules::default().with_series(series);
    let usual = Setting { suppression: Some(Quiet(quiet)), ..Setting::default() };
    for kind in Kind::ALL {
        rules.set(kind, &usual)?;
    }
    for (kind, setting) in settings {
        rules.set(*kind, setting)?;
    }
    for different in overrides {
        rules.set_for(different)?;
    }
    Ok(rules)
}
