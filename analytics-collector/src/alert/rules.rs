//! Which rules hold, of those in the configuration and those that were applied?
//!
//! What names an API wins over what holds for all, what names an application over that, and what names both
//! over either. Where both say the same, what was applied wins.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::config::duration;
use detect::{Alarm as Kind, Override, RuleError, Rules, Setting};
use serde::Deserialize;

use super::history::Severity;

/// How long the same is not raised again.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Quiet(#[serde(with = "duration")] Duration);

impl From<Quiet> for Duration {
    fn from(quiet: Quiet) -> Self {
        quiet.0
    }
}

impl From<Duration> for Quiet {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

/// `[alerts.rules.<Type>]`
pub type Settings = BTreeMap<Kind, Setting<Quiet>>;

/// `[[alerts.overrides]]`
pub type Overrides = Vec<Override<Quiet>>;

/// What stands in the configuration.
#[derive(Clone, Debug)]
pub struct Configured {
    /// For all APIs.
    pub settings: Settings,
    /// For single ones.
    pub overrides: Overrides,
    /// How long the same is not raised again, where no rule says it.
    pub quiet: Duration,
    /// Of each kind of thing so many are known.
    pub series: usize,
}

/// A rule that somebody applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub kind: Kind,
    /// Names of APIs; empty: all.
    pub apis: Vec<String>,
    /// Names of applications; empty: all.
    pub applications: Vec<String>,
    /// What it sets.
    pub setting: Setting<Quiet>,
    /// What follows.
    pub answer: Answer,
}

/// What rules say besides when an alert is raised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// How bad it is; none: as its kind has it.
    pub severity: Option<Severity>,
    /// Who is turned away; none: nobody.
    pub block: Option<Block>,
}

/// A block, and the rule that asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name of the rule.
    pub rule: String,
    /// Whom it means.
    pub whom: Whom,
}

/// Whom an alert names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The application.
    Application,
    /// The user.
    User,
    /// The client, by its consumer key.
    Client,
    /// The address, or its network.
    Address,
}

impl Whom {
    /// As evidence has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::User => "user",
            Self::Client => "client",
            Self::Address => "address",
        }
    }
}

impl Configured {
    /// The rules that hold with `applied` ones. An applied rule that cannot be is left out, and told of.
    pub fn rules(&self, applied: &[Applied]) -> Result<Rules, RuleError> {
        let mut rules = Rules::default().with_series(self.series);
        let usual = Setting { suppression: Some(Quiet(self.quiet)), ..Setting::default() };
        for kind in Kind::ALL {
            rules.set(kind, &usual)?;
        }
        for (kind, setting) in &self.settings {
            rules.set(*kind, setting)?;
        }
        for rule in applied.iter().filter(|rule| rule.is_for_all()) {
            rule.tell(rules.set(rule.kind, &rule.setting));
        }
        for different in &self.overrides {
            rules.set_for(different)?;
        }
        for rule in applied.iter().filter(|rule| !rule.is_for_all()) {
            for (api, application) in rule.named() {
                let (api, application) = (api.to_owned(), application.to_owned());
                let (alarm, setting) = (rule.kind, rule.setting.clone());
                rule.tell(rules.set_for(&Override { api, application, alarm, setting }));
            }
        }
        Ok(rules)
    }
}

impl Applied {
    /// Whether it names nothing.
    pub fn is_for_all(&self) -> bool {
        self.apis.is_empty() && self.applications.is_empty()
    }

    /// What it names: APIs and applications, each with each; empty: all.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        each(&self.apis).flat_map(|api| each(&self.applications).map(move |of| (api, of)))
    }

    /// What was admitted can be; one of a later version may say what cannot be here.
    fn tell(&self, set: Result<(), RuleError>) {
        if let Err(error) = set {
            let error = &error as &dyn std::error::Error;
            tracing::error!(rule = self.name, error, "an AlertRule is left out");
        }
    }
}

/// The names, or one for all.
fn each(names: &[String]) -> impl Iterator<Item = &str> {
    let all = names.is_empty().then_some("");
    all.into_iter().chain(names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        alerts: Alerts,
    }

    #[derive(Deserialize)]
    struct Alerts {
        rules: Settings,
        overrides: Overrides,
    }

    /// A rule as `API|*[/APPLICATION] threshold`.
    fn applied(words: &str) -> Applied {
        let (named, threshold) = words.split_once(' ').unwrap();
        let (api, application) = named.split_once('/').unwrap_or((named, ""));
        let list =
            |name: &str| if ["", "*"].contains(&name) { vec![] } else { vec![name.to_owned()] };
        let (apis, applications) = (list(api), list(application));
        let setting = Setting { threshold: threshold.parse().ok(), ..Setting::default() };
        let kind = Kind::KeySharing;
        let (name, answer) = (words.to_owned(), Answer::default());
        Applied { name, kind, apis, applications, setting, answer }
    }

    /// The threshold and the mode that hold for `shop` at `orders`, and for it at every other API.
    #[track_caller]
    fn check(file: &str, rules: &[&str], orders: &str, others: &str) {
        let Alerts { rules: settings, overrides } = read(file);
        let quiet = Duration::from_mins(10);
        let configured = Configured { settings, overrides, quiet, series: 100 };
        let rules: Vec<_> = rules.iter().map(|words| applied(words)).collect();
        let held = configured.rules(&rules).unwrap();
        let shown = |api| {
            let rule = held.of(Kind::KeySharing, api, "shop");
            format!("{} {:?}", rule.threshold, rule.mode)
        };
        assert_eq!((shown("orders").as_str(), shown("users").as_str()), (orders, others));
    }

    fn read(file: &str) -> Alerts {
        let usual = "[alerts]\noverrides = []\n[alerts.rules]";
        let read = chassis::config::parse::<File>(usual, file);
        read.unwrap_or_else(|error| panic!("{error}")).alerts
    }

    const ALL: &str = "[alerts.rules.KeySharing]\nmode = \"fixed\"\nthreshold = 20\n";
    const ORDERS: &str =
        "[[alerts.overrides]]\napi = \"orders\"\ntype = \"KeySharing\"\nthreshold = 30\n";

    #[test]
    fn what_was_applied_wins_over_the_configuration() {
        check(ALL, &[], "20 Fixed", "20 Fixed");
        check(ALL, &["* 5"], "5 Fixed", "5 Fixed");
        check(&format!("{ALL}{ORDERS}"), &["orders 7"], "7 Fixed", "20 Fixed");
    }

    #[test]
    fn what_names_an_api_wins_over_what_holds_for_all() {
        check(&format!("{ALL}{ORDERS}"), &["* 5"], "30 Fixed", "5 Fixed");
        check("", &["orders 7", "* 5"], "7 Learned", "5 Learned");
    }

    #[test]
    fn what_names_an_application_wins_over_what_names_an_api() {
        check(ORDERS, &["*/shop 5"], "5 Learned", "5 Learned");
        check(ORDERS, &["*/other 5"], "30 Learned", "10 Learned");
        check("", &["orders/shop 7", "*/shop 5", "* 4"], "7 Learned", "5 Learned");
        let shop = ORDERS.replace("api = \"orders\"", "application = \"shop\"");
        check(&shop, &["orders 7"], "30 Learned", "30 Learned");
        check(&shop, &["orders 7", "*/shop 8"], "8 Learned", "8 Learned");
    }

    #[test]
    fn what_cannot_be_is_left_out_alone() {
        check(ALL, &["* -1", "orders 7"], "7 Fixed", "20 Fixed");
    }
}
