//! From where on is something told?

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::Alarm;

/// What was told about one thing is not told again for so long, where nothing else is set.
const QUIET: Duration = Duration::from_mins(10);
/// Things of a kind that are known where nothing else is set.
pub(super) const SERIES: usize = 10_000;

/// What is beyond the usual?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What the stream taught.
    #[default]
    Learned,
    /// A threshold.
    Fixed,
}

/// The knobs of one kind of alarm, all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Whether it is told at all.
    pub enabled: bool,
    /// By what.
    pub mode: Mode,
    /// The limit of the fixed mode, in the unit of `Alarm::knobs`.
    pub threshold: f64,
    /// 1: as documented; 2: half as far from the usual is told. For the learned mode.
    pub sensitivity: f64,
    /// What has to be seen before the learned mode tells.
    pub learning: u64,
    /// For so long the same is not told again, in microseconds.
    pub quiet_us: i64,
}

/// What somebody sets of a rule; the rest stays as it is. `S` is how a time is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting<S> {
    /// Whether it is told at all.
    pub enabled: Option<bool>,
    /// By what.
    pub mode: Option<Mode>,
    /// The limit of the fixed mode.
    pub threshold: Option<f64>,
    /// Of the learned mode.
    pub sensitivity: Option<f64>,
    /// What has to be seen first.
    pub learning: Option<u64>,
    /// For so long the same is not told again.
    pub suppression: Option<S>,
}

impl<S> Default for Setting<S> {
    fn default() -> Self {
        Self {
            enabled: None,
            mode: None,
            threshold: None,
            sensitivity: None,
            learning: None,
            suppression: None,
        }
    }
}

/// What is different for one API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override<S> {
    /// Name of the API, in all its versions.
    pub api: String,
    /// Which kind of alarm.
    #[serde(rename = "type")]
    pub alarm: Alarm,
    /// What is different.
    #[serde(flatten)]
    pub setting: Setting<S>,
}

/// A value that no rule can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {knob} must be a number above 0{}", alarm.name(), if *share { " and at most 1" } else { "" })]
pub struct RuleError {
    alarm: Alarm,
    knob: &'static str,
    share: bool,
}

/// The rules of all kinds.
#[derive(Clone, Debug)]
pub struct Rules {
    series: usize,
    usual: BTreeMap<Alarm, Rule>,
    by_api: HashMap<String, BTreeMap<Alarm, Rule>>,
}

impl Default for Rules {
    fn default() -> Self {
        let usual = Alarm::ALL.map(|alarm| (alarm, Rule::of(alarm))).into();
        Self { series: SERIES, usual, by_api: HashMap::new() }
    }
}

impl Rules {
    /// Of each kind of thing so many are known; those that were quiet for longest make room.
    #[must_use]
    pub const fn with_series(mut self, most: usize) -> Self {
        self.series = most;
        self
    }

    /// Sets something for all APIs.
    pub fn set<S>(&mut self, alarm: Alarm, setting: &Setting<S>) -> Result<(), RuleError>
    where
        S: Copy + Into<Duration>,
    {
        let rule = self.of(alarm, "").with(alarm, setting)?;
        self.usual.insert(alarm, rule);
        Ok(())
    }

    /// Sets something for one API, over what is set for all.
    pub fn set_for<S>(&mut self, different: &Override<S>) -> Result<(), RuleError>
    where
        S: Copy + Into<Duration>,
    {
        let Override { api, alarm, setting } = different;
        let rule = self.of(*alarm, api).with(*alarm, setting)?;
        self.by_api.entry(api.clone()).or_default().insert(*alarm, rule);
        Ok(())
    }

    /// What holds for an API.
    pub fn of(&self, alarm: Alarm, api: &str) -> Rule {
        let different = self.by_api.get(api).and_then(|rules| rules.get(&alarm));
        let usual = || self.usual.get(&alarm).copied();
        different.copied().or_else(usual).unwrap_or_else(|| Rule::of(alarm))
    }

    /// The APIs for which something of a kind is different.
    pub fn different_for(&self, alarm: Alarm) -> Vec<String> {
        let own = self.by_api.iter().filter(|(_, rules)| rules.contains_key(&alarm));
        let mut apis: Vec<String> = own.map(|(api, _)| api.clone()).collect();
        apis.sort_unstable();
        apis
    }

    /// How many things of a kind are known.
    pub const fn series(&self) -> usize {
        self.series
    }
}

impl Rule {
    /// Where nothing is set.
    fn of(alarm: Alarm) -> Self {
        let knobs = alarm.knobs();
        Self {
            enabled: true,
            mode: Mode::Learned,
            threshold: knobs.threshold,
            sensitivity: 1.0,
            learning: knobs.learning,
            quiet_us: micros(QUIET),
        }
    }

    fn with<S>(self, alarm: Alarm, setting: &Setting<S>) -> Result<Self, RuleError>
    where
        S: Copy + Into<Duration>,
    {
        let share = matches!(alarm, Alarm::AbnormalErrorRate | Alarm::RequestPatternChanged);
        let rule = Self {
            enabled: setting.enabled.unwrap_or(self.enabled),
            mode: setting.mode.unwrap_or(self.mode),
            threshold: setting.threshold.unwrap_or(self.threshold),
            sensitivity: setting.sensitivity.unwrap_or(self.sensitivity),
            learning: setting.learning.unwrap_or(self.learning),
            quiet_us: setting.suppression.map_or(self.quiet_us, |quiet| micros(quiet.into())),
        };
        let fits = |value: f64| value.is_finite() && value > 0.0;
        if !fits(rule.threshold) || (share && rule.threshold > 1.0) {
            return Err(RuleError { alarm, knob: "threshold", share });
        }
        if !fits(rule.sensitivity) {
            return Err(RuleError { alarm, knob: "sensitivity", share: false });
        }
        Ok(rule)
    }

    /// Whether it is told by what was learnt.
    pub(super) const fn is_learned(&self) -> bool {
        matches!(self.mode, Mode::Learned)
    }

    /// The threshold as a count.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is above 0, and the cast saturates"
    )]
    pub(super) const fn count(&self) -> usize {
        self.threshold as usize
    }

    /// The threshold in microseconds, when it is in units of so many.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is above 0, and the cast saturates"
    )]
    pub(super) const fn threshold_us(&self, unit_us: u64) -> u64 {
        (self.threshold as u64).saturating_mul(unit_us)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Deserialize)]
    struct Seconds(u64);

    impl From<Seconds> for Duration {
        fn from(seconds: Seconds) -> Self {
            Self::from_secs(seconds.0)
        }
    }

    #[derive(Debug, Deserialize)]
    struct File {
        #[serde(default)]
        rules: BTreeMap<Alarm, Setting<Seconds>>,
        #[serde(default)]
        overrides: Vec<Override<Seconds>>,
    }

    fn told(file: &str, api: &str) -> Result<String, String> {
        let file: File = toml::from_str(file).map_err(|error| error.to_string())?;
        let mut rules = Rules::default();
        let all = file.rules.iter().try_for_each(|(alarm, it)| rules.set(*alarm, it));
        let all = all.and_then(|()| file.overrides.iter().try_for_each(|it| rules.set_for(it)));
        all.map_err(|error| error.to_string())?;
        let rule = rules.of(Alarm::UnusualIpAccess, api);
        let quiet_s = rule.quiet_us / 1_000_000;
        Ok(format!("{:?} {} {} {quiet_s}s", rule.mode, rule.enabled, rule.threshold))
    }

    /// The rule of unusual addresses for an API, or why there is none.
    #[track_caller]
    fn check(file: &str, api: &str, expected: &str) {
        let said = told(file, api).unwrap_or_else(|refusal| refusal);
        assert!(said.contains(expected), "{said}");
    }

    const FILE: &str = "[rules.UnusualIPAccess]\nthreshold = 7\nsuppression = 60\n\
        [[overrides]]\napi = \"orders\"\ntype = \"UnusualIPAccess\"\nmode = \"fixed\"\n";

    #[test]
    fn what_is_not_set_is_as_documented() {
        check("", "orders", "Learned true 30 600s");
    }

    #[test]
    fn what_is_set_for_one_api_stands_over_what_is_set_for_all() {
        check(FILE, "users", "Learned true 7 60s");
        check(FILE, "orders", "Fixed true 7 60s");
    }

    #[test]
    fn what_no_rule_can_be_is_refused() {
        check("[rules.UnusualIPAccess]\nthreshold = -1", "", "threshold must be a number above 0");
        check("[rules.AbnormalErrorRate]\nthreshold = 2", "", "above 0 and at most 1");
        check("[rules.UnusualIPAccess]\nsensitivity = nan", "", "sensitivity must be a number");
        check("[rules.Unusual]\nthreshold = 1", "", "unknown variant");
        check("[rules.UnusualIPAccess]\nmost = 1", "", "unknown field");
        check(&FILE.replace("mode", "most"), "", "unknown field");
    }
}
