//! What is told about the next call?

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::call::{Call, Renewal};
use super::finding::{Alarm, Finding};
use super::keyed::Keyed;
use super::pace::{Counts, Times};
use super::rules::Rules;
use crate::callers::{Addresses, Arrival, Crossings, Days, Interval, Renewals, Steps, Streak};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Refused by the limit of an application.
const APPLICATION_LIMIT: u32 = 900_803;
/// Refused by the limit of a subscription.
const SUBSCRIPTION_LIMIT: u32 = 900_804;
/// Told things that are remembered before old ones are looked for.
const TOLD: usize = 10_000;

/// Looks at everything.
#[derive(Clone, Debug)]
pub struct Watch {
    rules: Rules,
    responses: Keyed<Times>,
    backends: Keyed<Times>,
    counts: Keyed<Counts>,
    steps: Keyed<Steps>,
    addresses: Keyed<Addresses>,
    renewals: Keyed<Renewals>,
    days: Keyed<(Days, i64)>,
    limits: Keyed<Crossings>,
    health: Keyed<(Streak, Streak)>,
    told: HashMap<(Alarm, String), i64>,
}

/// Names and values.
type Words = Vec<(&'static str, String)>;

impl Watch {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        let most = rules.most;
        Self {
            rules,
            responses: Keyed::new(most),
            backends: Keyed::new(most),
            counts: Keyed::new(most),
            steps: Keyed::new(most),
            addresses: Keyed::new(most),
            renewals: Keyed::new(most),
            days: Keyed::new(most),
            limits: Keyed::new(most),
            health: Keyed::new(most),
            told: HashMap::new(),
        }
    }

    /// The next call; calls come about in the order of their times.
    pub fn call(&mut self, call: &Call<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if !call.api.is_empty() {
            self.times(call, &mut found);
            self.health(call, &mut found);
            self.counts(call, &mut found);
        }
        if !call.client.is_empty() || !call.user.is_empty() {
            self.steps(call, &mut found);
            self.addresses(call, &mut found);
        }
        if !call.application.is_empty() && !call.api.is_empty() {
            self.usage(call, &mut found);
            self.limits(call, &mut found);
        }
        found
    }

    /// A token was issued.
    pub fn renewal(&mut self, renewal: &Renewal<'_>) -> Option<Finding> {
        let Renewal { at_us, user, client, scope } = *renewal;
        let key = joined(&[user, client, scope]);
        let (after_us, usual_us, how) =
            match self.renewals.of(&key, at_us, Renewals::default).renew(at_us) {
                Interval::Usual => return None,
                Interval::Early { after_us, usual_us } => (after_us, usual_us, "sooner"),
                Interval::Late { after_us, usual_us } => (after_us, usual_us, "later"),
            };
        let evidence = vec![
            ("after_us", after_us.to_string()),
            ("usual_us", format!("{usual_us:.0}")),
            ("scope", scope.to_owned()),
        ];
        let about = vec![("user", user.to_owned()), ("client", client.to_owned())];
        let message = format!("a token of {} was renewed {how} than ever", who(user, client));
        self.tell(Alarm::AbnormalRefresh, at_us, about, message, evidence)
    }

    fn times(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let key = joined(&[call.api, call.api_version, call.operation]);
        let learning = self.rules.learning.min(20);
        let looks = [
            (Alarm::AbnormalResponseTime, call.total_us, self.rules.response_us),
            (Alarm::AbnormalBackendTime, call.backend_us, self.rules.backend_us),
        ];
        for (alarm, took_us, fixed) in looks {
            if took_us == 0 {
                continue;
            }
            let table = match alarm {
                Alarm::AbnormalBackendTime => &mut self.backends,
                _ => &mut self.responses,
            };
            let learnt = table.of(&key, call.at_us, Times::default);
            let learnt = learnt.take(call.at_us, took_us, learning);
            let limit_us = match fixed {
                Some(limit) if took_us > limit => limit.to_string(),
                Some(_) => continue,
                None => match learnt {
                    Some(limit) => format!("{limit:.0}"),
                    None => continue,
                },
            };
            let what = if alarm == Alarm::AbnormalBackendTime { "its backend" } else { "it" };
            let message = format!("{}: {what} took {took_us} us", named(call));
            let evidence = vec![("took_us", took_us.to_string()), ("limit_us", limit_us)];
            found.extend(self.tell(alarm, call.at_us, about_api(call), message, evidence));
        }
    }

    fn health(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let key = joined(&[call.api, call.api_version]);
        let row = self.rules.in_a_row;
        let (failed, slow) =
            self.health.of(&key, call.at_us, || (Streak::new(row), Streak::new(row)));
        let failing = failed.happen((500..600).contains(&call.status));
        let limit = self.rules.response_us;
        let slowing = slow.happen(limit.is_some_and(|limit| call.total_us > limit));
        for (told, what) in [(failing, "failed"), (slowing, "were slow")] {
            if !told {
                continue;
            }
            let message = format!("{} {}: {row} calls in a row {what}", call.api, call.api_version);
            let evidence = vec![("status", call.status.to_string()), ("in_a_row", row.to_string())];
            let about = about_version(call);
            found.extend(self.tell(Alarm::ApiHealthMonitor, call.at_us, about, message, evidence));
        }
    }

    fn counts(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let key = joined(&[call.user, call.client, call.api, call.api_version, call.operation]);
        let counts = self.counts.of(&key, call.at_us, Counts::default);
        let Some((calls, limit)) = counts.take(call.at_us, self.rules.calls_per_minute) else {
            return;
        };
        let message = format!(
            "{} calls {} more often than ever: {calls} times in a minute",
            who(call.user, call.client),
            named(call)
        );
        let evidence = vec![("calls", calls.to_string()), ("limit", format!("{limit:.0}"))];
        let about = about_caller(call);
        let alarm = Alarm::AbnormalRequestsPerMin;
        found.extend(self.tell(alarm, call.at_us, about, message, evidence));
    }

    fn steps(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let key = joined(&[call.user, call.client]);
        let (learning, pause_us) = (self.rules.learning, self.rules.step_pause_us);
        let to = number(&joined(&[call.api, call.api_version, call.operation]));
        let steps = self.steps.of(&key, call.at_us, || Steps::new(learning, pause_us));
        let Some(step) = steps.take(call.at_us, to) else { return };
        if step.probability >= self.rules.step_probability {
            return;
        }
        let message =
            format!("{} went to {} as never before", who(call.user, call.client), named(call));
        let evidence = vec![("probability", format!("{:.4}", step.probability))];
        let about = about_caller(call);
        let alarm = Alarm::RequestPatternChanged;
        found.extend(self.tell(alarm, call.at_us, about, message, evidence));
    }

    fn addresses(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let Some(address) = call.address else { return };
        let key = joined(&[call.user, call.client]);
        let (learning, absence_us) = (self.rules.learning, self.rules.absence_us);
        let known = self.addresses.of(&key, call.at_us, || Addresses::new(learning, absence_us));
        let (what, days) = match known.arrive(call.at_us, address) {
            Arrival::Usual => return,
            Arrival::New => ("for the first time", None),
            Arrival::Returned { absent_us } => ("again", Some(absent_us.div_euclid(DAY_US))),
        };
        let message = format!("{} came from {address} {what}", who(call.user, call.client));
        let mut evidence = vec![("address", address.to_string())];
        evidence.extend(days.map(|days| ("absent_days", days.to_string())));
        let mut about = about_caller(call);
        about.push(("address", address.to_string()));
        found.extend(self.tell(Alarm::UnusualIpAccess, call.at_us, about, message, evidence));
    }

    fn usage(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let key = joined(&[call.application, call.api, call.api_version]);
        let today = call.at_us.div_euclid(DAY_US);
        let (days, asked) = self.days.of(&key, call.at_us, || (Days::default(), i64::MIN));
        days.add(today, 1);
        // Once a day, when its first call comes.
        if std::mem::replace(asked, today) >= today {
            return;
        }
        let Some(less) = days.less(today) else { return };
        let message = format!(
            "{} calls {} {} less than it did: at most {} times a day since five days",
            call.application, call.api, call.api_version, less.now
        );
        let evidence = vec![("now", less.now.to_string()), ("before", less.before.to_string())];
        let mut about = about_version(call);
        about.push(("application", call.application.to_owned()));
        found.extend(self.tell(Alarm::AbnormalTierUsage, call.at_us, about, message, evidence));
    }

    fn limits(&mut self, call: &Call<'_>, found: &mut Vec<Finding>) {
        let whose = match call.fault {
            SUBSCRIPTION_LIMIT => "",
            APPLICATION_LIMIT => call.user,
            _ => return,
        };
        let key = joined(&[whose, call.application, call.api, call.api_version]);
        let most = self.rules.refusals_per_hour;
        let crossings = self.limits.of(&key, call.at_us, || Crossings::new(most, HOUR_US));
        let Some(count) = crossings.cross(call.at_us) else { return };
        let message = format!(
            "{} was refused by a limit of {} {} {count} times within an hour",
            call.application, call.api, call.api_version
        );
        let evidence = vec![("refusals", count.to_string()), ("fault", call.fault.to_string())];
        let mut about = about_version(call);
        about.push(("application", call.application.to_owned()));
        about.push(("user", whose.to_owned()));
        let alarm = Alarm::FrequentTierLimitHitting;
        found.extend(self.tell(alarm, call.at_us, about, message, evidence));
    }

    /// The finding, unless the same was told a moment ago.
    fn tell(
        &mut self,
        alarm: Alarm,
        at_us: i64,
        mut about: Words,
        message: String,
        evidence: Words,
    ) -> Option<Finding> {
        about.retain(|(_, value)| !value.is_empty());
        let subject: Vec<&str> = about.iter().map(|(_, value)| value.as_str()).collect();
        let key = (alarm, joined(&subject));
        let quiet_us = self.rules.quiet_us;
        let is_old = |told_us: i64| at_us.saturating_sub(told_us) >= quiet_us;
        if self.told.get(&key).is_some_and(|told_us| !is_old(*told_us)) {
            return None;
        }
        if self.told.len() >= TOLD {
            self.told.retain(|_, told_us| !is_old(*told_us));
        }
        // With ten thousand alerts within minutes nobody reads the next.
        if self.told.len() < TOLD {
            self.told.insert(key, at_us);
        }
        Some(Finding { alarm, at_us, about, message, evidence })
    }
}

fn about_version(call: &Call<'_>) -> Words {
    vec![("api", call.api.to_owned()), ("api_version", call.api_version.to_owned())]
}

fn about_api(call: &Call<'_>) -> Words {
    let mut about = about_version(call);
    about.push(("operation", call.operation.to_owned()));
    about
}

fn about_caller(call: &Call<'_>) -> Words {
    let mut about = about_api(call);
    about.push(("application", call.application.to_owned()));
    about.push(("user", call.user.to_owned()));
    about.push(("client", call.client.to_owned()));
    about
}

fn named(call: &Call<'_>) -> String {
    format!("{} {} {}", call.api, call.api_version, call.operation)
}

fn who(user: &str, client: &str) -> String {
    match (user, client) {
        ("", client) => format!("client {client}"),
        (user, "") => format!("user {user}"),
        (user, client) => format!("user {user} of client {client}"),
    }
}

/// One text of several, which no others make.
fn joined(parts: &[&str]) -> String {
    parts.join("\u{1f}")
}

fn number(text: &str) -> u64 {
    // Fixed keys: a recorded stream is judged as the live one was.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;
