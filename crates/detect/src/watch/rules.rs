//! From where on is something told?

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::Alarm;
use super::holding::{Different, Holding};
use super::kinds::Kinds;

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

/// What is different for one API, one application, or the calls of one application to one API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override<S> {
    /// Name of the API, in all its versions; empty: all.
    #[serde(default)]
    pub api: String,
    /// Name of the application; empty: all. Only of what names one.
    #[serde(default)]
    pub application: String,
    /// Which kind of alarm.
    #[serde(rename = "type")]
    pub alarm: Alarm,
    /// What is different.
    #[serde(flatten)]
    pub setting: Setting<S>,
}

/// What no rule can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A value that is out of its bounds.
    #[error(
        "{}: {knob} must be a number above 0{}",
        alarm.name(),
        if *share { " and at most 1" } else { "" }
    )]
    Number {
        /// Of which kind.
        alarm: Alarm,
        /// Which.
        knob: &'static str,
        /// Whether it is a part of something.
        share: bool,
    },
    /// Alarms of the kind are about no application.
    #[error("{}: it names no application, so none can have a rule of its own", .0.name())]
    NoApplication(Alarm),
    /// It says for what it is neither way.
    #[error("{}: neither an API nor an application is named", .0.name())]
    ForNothing(Alarm),
}

/// The rules of all kinds.
#[derive(Clone, Debug)]
pub struct Rules {
    series: usize,
    /// Of each kind, in the order of `Alarm::ALL`.
    usual: [Rule; Alarm::ALL.len()],
    /// Those that are in force where nothing is different,
    on: Kinds,
    /// and those that are for somebody, at most.
    on_for_some: Kinds,
    by_api: HashMap<String, Different>,
    by_application: HashMap<String, Different>,
    /// By the application, and then by the API.
    by_both: HashMap<String, HashMap<String, Different>>,
}

impl Default for Rules {
    fn default() -> Self {
        let usual = Alarm::ALL.map(Rule::of);
        let (by_api, by_application) = (HashMap::new(), HashMap::new());
        Self {
            series: SERIES,
            usual,
            on: Kinds::ALL,
            on_for_some: Kinds::NONE,
            by_api,
            by_application,
            by_both: HashMap::new(),
        }
    }
}

impl Rules {
    /// Of each kind of thing so many are known; those that were quiet for longest make room.
    #[must_use]
    pub const fn with_series(mut self, most: usize) -> Self {
        self.series = most;
        self
    }

    /// Sets something for all.
    pub fn set<S>(&mut self, alarm: Alarm, setting: &Setting<S>) -> Result<(), RuleError>
    where
        S: Copy + Into<Duration>,
    {
        check(alarm, setting)?;
        if let Some(rule) = self.usual.get_mut(alarm as usize) {
            *rule = rule.with(&setting.spelt());
            self.on = if rule.enabled { self.on.with(alarm) } else { self.on.without(alarm) };
        }
        Ok(())
    }

    /// Sets something for an API, an application or both, over what is set for more.
    pub fn set_for<S>(&mut self, different: &Override<S>) -> Result<(), RuleError>
    where
        S: Copy + Into<Duration>,
    {
        let Override { api, application, alarm, setting } = different;
        check(*alarm, setting)?;
        if !application.is_empty() && !alarm.names_application() {
            return Err(RuleError::NoApplication(*alarm));
        }
        let own = match (api.as_str(), application.as_str()) {
            ("", "") => return Err(RuleError::ForNothing(*alarm)),
            (_, "") => self.by_api.entry(api.clone()).or_default(),
            ("", _) => self.by_application.entry(application.clone()).or_default(),
            _ => {
                let apis = self.by_both.entry(application.clone()).or_default();
                apis.entry(api.clone()).or_default()
            }
        };
        own.entry(*alarm).or_default().put(&setting.spelt());
        if setting.enabled == Some(true) {
            self.on_for_some = self.on_for_some.with(*alarm);
        }
        Ok(())
    }

    /// What holds for the calls of an application to an API; each may be empty for what is about none.
    /// What is set for both wins over what is set for the application, that over what is set for the API.
    pub fn of(&self, alarm: Alarm, api: &str, application: &str) -> Rule {
        self.holding(api, application).of(alarm)
    }

    /// The same for all kinds, for who asks for several.
    pub(super) fn holding(&self, api: &str, application: &str) -> Holding<'_> {
        Holding {
            usual: &self.usual,
            api: self.by_api.get(api),
            application: self.by_application.get(application),
            both: self.by_both.get(application).and_then(|apis| apis.get(api)),
        }
    }

    /// The kinds that are in force for anybody.
    pub(super) const fn on_for_any(&self) -> Kinds {
        self.on.and(self.on_for_some)
    }

    /// The APIs and the applications for which something of a kind is different.
    pub fn different_for(&self, alarm: Alarm) -> (BTreeSet<String>, BTreeSet<String>) {
        let is_own = |different: &Different| different.contains_key(&alarm);
        let named = |table: &HashMap<String, Different>| {
            let own = table.iter().filter(|(_, different)| is_own(different));
            own.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        let (mut apis, mut applications) = (named(&self.by_api), named(&self.by_application));
        for (application, by_api) in &self.by_both {
            let own = named(by_api);
            if !own.is_empty() {
                applications.insert(application.clone());
                apis.extend(own);
            }
        }
        (apis, applications)
    }

    /// How many things of a kind are known.
    pub const fn series(&self) -> usize {
        self.series
    }
}

impl Rule {
    /// Where nothing is set.
    pub(super) fn of(alarm: Alarm) -> Self {
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

    pub(super) fn with(self, setting: &Setting<Duration>) -> Self {
        Self {
            enabled: setting.enabled.unwrap_or(self.enabled),
            mode: setting.mode.unwrap_or(self.mode),
            threshold: setting.threshold.unwrap_or(self.threshold),
            sensitivity: setting.sensitivity.unwrap_or(self.sensitivity),
            learning: setting.learning.unwrap_or(self.learning),
            quiet_us: setting.suppression.map_or(self.quiet_us, micros),
        }
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

impl<S: Copy + Into<Duration>> Setting<S> {
    /// The same, however a time is written.
    fn spelt(&self) -> Setting<Duration> {
        Setting {
            enabled: self.enabled,
            mode: self.mode,
            threshold: self.threshold,
            sensitivity: self.sensitivity,
            learning: self.learning,
            suppression: self.suppression.map(Into::into),
        }
    }
}

impl Setting<Duration> {
    /// What is set now holds; the rest stays.
    fn put(&mut self, now: &Self) {
        let before = std::mem::take(self);
        *self = Self {
            enabled: now.enabled.or(before.enabled),
            mode: now.mode.or(before.mode),
            threshold: now.threshold.or(before.threshold),
            sensitivity: now.sensitivity.or(before.sensitivity),
            learning: now.learning.or(before.learning),
            suppression: now.suppression.or(before.suppression),
        };
    }
}

fn check<S>(alarm: Alarm, setting: &Setting<S>) -> Result<(), RuleError> {
    let share = matches!(alarm, Alarm::AbnormalErrorRate | Alarm::RequestPatternChanged);
    let is_odd = |value: f64| !value.is_finite() || value <= 0.0;
    if setting.threshold.is_some_and(|value| is_odd(value) || (share && value > 1.0)) {
        return Err(RuleError::Number { alarm, knob: "threshold", share });
    }
    if setting.sensitivity.is_some_and(is_odd) {
        return Err(RuleError::Number { alarm, knob: "sensitivity", share: false });
    }
    Ok(())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    fn told(file: &str, caller: &str) -> Result<String, String> {
        let file: File = toml::from_str(file).map_err(|error| error.to_string())?;
        let mut rules = Rules::default();
        let all = file.rules.iter().try_for_each(|(alarm, it)| rules.set(*alarm, it));
        let all = all.and_then(|()| file.overrides.iter().try_for_each(|it| rules.set_for(it)));
        all.map_err(|error| error.to_string())?;
        let (api, application) = caller.split_once('/').unwrap_or((caller, ""));
        let rule = rules.of(Alarm::UnusualIpAccess, api, application);
        let quiet_s = rule.quiet_us / 1_000_000;
        Ok(format!("{:?} {} {} {quiet_s}s", rule.mode, rule.enabled, rule.threshold))
    }

    /// The rule of unusual addresses for an API and an application, `api/application`, or why there is none.
    #[track_caller]
    fn check(file: &str, caller: &str, expected: &str) {
        let said = told(file, caller).unwrap_or_else(|refusal| refusal);
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

    /// An override of the threshold.
    fn own(named: &str, threshold: u32) -> String {
        format!("[[overrides]]\n{named}\ntype = \"UnusualIPAccess\"\nthreshold = {threshold}\n")
    }

    #[test]
    fn what_names_more_stands_over_what_names_less() {
        let api = own("api = \"orders\"", 3);
        let application = own("application = \"shop\"", 4);
        let both = own("api = \"orders\"\napplication = \"shop\"", 5);
        check(&format!("{application}{api}"), "orders/shop", "Learned true 4 600s");
        check(&format!("{both}{application}{api}"), "orders/shop", "Learned true 5 600s");
        check(&format!("{both}{application}{api}"), "orders/other", "Learned true 3 600s");
        check(&format!("{both}{application}{api}"), "users/shop", "Learned true 4 600s");
        check(&format!("{both}{application}{api}"), "users/other", "Learned true 30 600s");
        // What it leaves out is said by the next one.
        check(&format!("{FILE}{application}"), "orders/shop", "Fixed true 4 60s");
    }

    #[test]
    fn what_no_rule_can_be_is_refused() {
        check("[rules.UnusualIPAccess]\nthreshold = -1", "", "threshold must be a number above 0");
        check("[rules.AbnormalErrorRate]\nthreshold = 2", "", "above 0 and at most 1");
        check("[rules.UnusualIPAccess]\nsensitivity = nan", "", "sensitivity must be a number");
        check("[rules.Unusual]\nthreshold = 1", "", "unknown variant");
        check("[rules.UnusualIPAccess]\nmost = 1", "", "unknown field");
        check(&FILE.replace("mode", "most"), "", "unknown field");
        check(&own("", 3), "", "neither an API nor an application is named");
        let shop = own("application = \"shop\"", 3);
        check(
            &shop.replace("UnusualIPAccess", "BotDetection"),
            "",
            "BotDetection: it names no application",
        );
    }
}
