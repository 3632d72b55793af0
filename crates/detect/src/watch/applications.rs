//! How do applications use APIs?

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::desk::{Desk, Matter, Told};
use super::finding::{Alarm, Finding};
use super::keyed::{Kept, Key, Keyed};
use super::minutes::Minutes;
use super::rules::{Rule, Rules};
use super::subjects::Subjects;
use super::volume::{Turn, Volume};
use super::words::{About, SEPARATOR, Words, about_version, parts};
use crate::callers::{Crossings, Days};
use crate::span::{DAY_US, HOUR_US, MINUTE_US};

/// Refused by the limit of an application.
const APPLICATION_LIMIT: u32 = 900_803;
/// Refused by the limit of a subscription.
const SUBSCRIPTION_LIMIT: u32 = 900_804;
/// Refusals of one hour that are counted at most.
const MOST_REFUSALS: usize = 10_000;
/// Between the names of an application and of an API.
const NO_CLIENT: &str = "\u{1f}\u{1f}";
/// What an hour weighs in the usual number of refusals.
const HOUR_WEIGHT: f64 = 0.1;

/// What is known of applications.
#[derive(Clone, Debug)]
pub(super) struct Applications {
    uses: Keyed<Use>,
    limits: Keyed<Refusals>,
}

/// The same, as it is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptApplications {
    volumes: Kept<Volume>,
    /// Absent in what was kept before it was looked at.
    #[serde(default)]
    minutes: Kept<Minutes>,
    days: Kept<Used>,
    limits: Kept<Refusals>,
}

/// How an application, or a client without one, uses a version of an API.
#[derive(Clone, Debug, Default)]
struct Use {
    volume: Option<Volume>,
    /// Where a threshold holds.
    minutes: Option<Minutes>,
    /// Of applications.
    days: Option<Used>,
}

/// What was used by the days.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Used {
    days: Days,
    /// When it was looked at last.
    asked: Option<i64>,
}

/// What a limit refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Refusals {
    crossings: Crossings,
    hour: i64,
    count: u32,
    /// In an hour that has some.
    usual: f64,
}

impl Applications {
    pub(super) fn new(most: usize) -> Self {
        Self { uses: Keyed::new(most), limits: Keyed::new(most) }
    }

    pub(super) fn resume(kept: KeptApplications) -> Self {
        let mut applications = Self::new(0);
        let KeptApplications { volumes, minutes, days, limits } = kept;
        let (uses, new) = (&mut applications.uses, |_: &str| Use::default());
        uses.resume(minutes, new, |it, minutes| it.minutes = Some(minutes));
        uses.resume(volumes, new, |it, volume| it.volume = Some(volume));
        // Days are those of applications, so they are kept without the name of a client.
        let days = days.renamed(|key| key.replacen(SEPARATOR, NO_CLIENT, 1));
        uses.resume(days, new, |it, days| it.days = Some(days));
        applications.limits = Keyed::resumed(limits);
        applications
    }

    pub(super) fn kept(&self) -> KeptApplications {
        let days = self.uses.kept(|it| it.days.clone());
        KeptApplications {
            volumes: self.uses.kept(|it| it.volume.clone()),
            minutes: self.uses.kept(|it| it.minutes.clone()),
            days: days.renamed(|key| key.replacen(NO_CLIENT, SEPARATOR, 1)),
            limits: self.limits.kept(|it| Some(it.clone())),
        }
    }

    /// What will be asked for is near.
    pub(super) fn approach(&self, subjects: &Subjects<'_>) {
        self.uses.approach(subjects.usage.as_ref());
    }

    /// The next call of an API. One application is watched as a whole; who has none by its client.
    pub(super) fn see(&mut self, call: &Call<'_>, subjects: &Subjects<'_>, desk: &mut Desk<'_>) {
        let is_of_application = !call.application.is_empty();
        if let Some(key) = &subjects.usage {
            let known = self.uses.of(key, call.at_us, |_| Use::default());
            known.volume(call, desk);
            if is_of_application {
                known.days(call, desk);
            }
        }
        if is_of_application {
            self.limits(call, desk);
        }
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 3] {
        [
            (Alarm::AbnormalRequestsPerMin, self.uses.count(|it| it.volume.is_some())),
            (Alarm::AbnormalTierUsage, self.uses.count(|it| it.days.is_some())),
            (Alarm::FrequentTierLimitHitting, self.limits.len()),
        ]
    }

    /// Time has come to here: who has gone silent?
    pub(super) fn pass(&mut self, at_us: i64, rules: &Rules, told: &mut Told) -> Vec<Finding> {
        let alarm = Alarm::AbnormalRequestsPerMin;
        let minute = at_us.div_euclid(MINUTE_US);
        let mut silent = Vec::new();
        for (key, known) in self.uses.all() {
            let Some(volume) = known.volume.as_mut() else { continue };
            let call = called(key, at_us);
            let rule = rules.of(alarm, call.api, call.application);
            if rule.enabled
                && rule.is_learned()
                && let Some(turn) = volume.pass(minute, rule.sensitivity)
            {
                silent.push((key.to_owned(), turn, rule));
            }
        }
        // In an order that does not depend on the table.
        silent.sort_by(|one, other| one.0.cmp(&other.0));
        let mut found = Vec::new();
        for (key, turn, rule) in silent {
            let call = called(&key, at_us);
            let mut desk = Desk::new(rules.holding(call.api, call.application), told);
            tell_turn(&call, turn, &rule, &mut desk);
            found.extend(desk.found());
        }
        found
    }

    /// So many calls like this one are known of its minute, by who has them all: what is counted exactly
    /// goes on from there.
    pub(super) fn recall(&mut self, call: &Call<'_>, calls: u64, desk: &mut Desk<'_>) {
        let Some(rule) = desk.rule_for(Alarm::AbnormalRequestsPerMin) else { return };
        if !rule.is_learned() {
            let Call { at_us, api, api_version, application, .. } = *call;
            let key = Key::of([application, call.client_alone(), api, api_version]);
            let known = self.uses.of(&key, at_us, |_| Use::default());
            let counted = known.minutes.get_or_insert_default();
            let beyond = counted.hold(call.at_us.div_euclid(MINUTE_US), calls, rule.threshold);
            if let Some(calls) = beyond {
                tell_beyond(call, calls, &rule, desk);
            }
        }
    }

    fn limits(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let (user, whose) = match call.fault {
            SUBSCRIPTION_LIMIT => ("", "its subscription"),
            APPLICATION_LIMIT => (call.user, "the application"),
            _ => return,
        };
        let alarm = Alarm::FrequentTierLimitHitting;
        let Some(rule) = desk.rule_for(alarm) else { return };
        let key = Key::of([user, call.application, call.api, call.api_version]);
        let most = rule.count().min(MOST_REFUSALS);
        let refusals = self.limits.of(&key, call.at_us, |_| Refusals::new(most));
        let unusual = refusals.is_unusual(call.at_us, rule.sensitivity);
        refusals.crossings.limit(most);
        let Some(count) = refusals.crossings.cross(call.at_us) else { return };
        if rule.is_learned() && !unusual {
            return;
        }
        let [api, version, application] = about_application(call);
        let about = [api, version, application, ("user", user)];
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about, || {
            let message = format!(
                "{} met the limit of {whose} {count} times within an hour at {}:{}.",
                call.application, call.api, call.api_version
            );
            let evidence = vec![
                ("refusals", count.to_string()),
                ("fault", call.fault.to_string()),
                ("usual_an_hour", format!("{:.0}", refusals.usual)),
            ];
            (message, evidence)
        });
    }
}

impl Use {
    fn volume(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let Some(rule) = desk.rule_for(Alarm::AbnormalRequestsPerMin) else { return };
        let volume = self.volume.get_or_insert_default();
        let minute = call.at_us.div_euclid(MINUTE_US);
        let (more, fewer) = volume.take(minute, call.calls(), rule.learning, rule.sensitivity);
        if rule.is_learned() {
            for turn in [more, fewer].into_iter().flatten() {
                tell_turn(call, turn, &rule, desk);
            }
        } else {
            let counted = self.minutes.get_or_insert_default();
            if let Some(calls) = counted.add(minute, call.calls().into(), rule.threshold) {
                tell_beyond(call, calls, &rule, desk);
            }
        }
    }

    fn days(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let alarm = Alarm::AbnormalTierUsage;
        let Some(rule) = desk.rule_for(alarm) else { return };
        let today = call.at_us.div_euclid(DAY_US);
        let used = self.days.get_or_insert_default();
        used.days.add(today, call.calls().into());
        // Once a day, when its first call comes.
        if used.asked.replace(today).is_some_and(|asked| asked >= today) {
            return;
        }
        let (now, before) = if rule.is_learned() {
            let Some(less) = used.days.less(today) else { return };
            (less.now, less.before)
        } else {
            let least = rule.count() as u64;
            let Some(most) = used.days.most(today).filter(|most| *most < least) else { return };
            (most, least)
        };
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about_application(call), || {
            let message = format!(
                "{} called {}:{} at most {now} times on each of the last five days; usual are {before} or more.",
                call.application, call.api, call.api_version
            );
            (message, vec![("now", now.to_string()), ("before", before.to_string())])
        });
    }
}

impl Refusals {
    fn new(most: usize) -> Self {
        Self { crossings: Crossings::new(most, HOUR_US), hour: 0, count: 0, usual: 0.0 }
    }

    /// Counts one, and says whether this hour has more than twice the usual.
    fn is_unusual(&mut self, at_us: i64, sensitivity: f64) -> bool {
        let hour = at_us.div_euclid(HOUR_US);
        if hour > self.hour {
            self.usual += HOUR_WEIGHT * (f64::from(self.count) - self.usual);
            (self.hour, self.count) = (hour, 0);
        }
        self.count = self.count.saturating_add(1);
        f64::from(self.count) > 2.0 * self.usual / sensitivity
    }
}

/// What is called by who is known by this key.
fn called(key: &str, at_us: i64) -> Call<'_> {
    let mut names = parts(key);
    let mut next = || names.next().unwrap_or_default();
    let (application, client, api, api_version) = (next(), next(), next(), next());
    Call { at_us, api, api_version, application, client, ..Call::default() }
}

fn tell_turn(call: &Call<'_>, turn: Turn, rule: &Rule, desk: &mut Desk<'_>) {
    tell_volume(call, rule, desk, || {
        let (who, what) = (caller(call), format!("{}:{}", call.api, call.api_version));
        match turn {
            Turn::More { calls, usual } => (
                format!("{who} made more than {usual:.0} calls to {what} in a minute."),
                vec![
                    ("direction", "more".to_owned()),
                    ("calls", calls.to_string()),
                    ("usual", format!("{usual:.0}")),
                ],
            ),
            Turn::Fewer { calls, usual } => (
                format!(
                    "{who} made {calls} calls to {what} in a quarter of an hour; usual are {usual:.0}."
                ),
                vec![
                    ("direction", "fewer".to_owned()),
                    ("calls", calls.to_string()),
                    ("usual", format!("{usual:.0}")),
                ],
            ),
            Turn::Silent { minutes, usual } => (
                format!(
                    "{who} has made no call to {what} for {minutes} minutes; usual are {usual:.0} a minute."
                ),
                vec![
                    ("direction", "silent".to_owned()),
                    ("minutes", minutes.to_string()),
                    ("usual", format!("{usual:.1}")),
                ],
            ),
        }
    });
}

fn tell_beyond(call: &Call<'_>, calls: u64, rule: &Rule, desk: &mut Desk<'_>) {
    tell_volume(call, rule, desk, || {
        let (who, threshold) = (caller(call), rule.threshold.to_string());
        let (api, version) = (call.api, call.api_version);
        let message =
            format!("{who} made more than {threshold} calls to {api}:{version} in a minute.");
        let evidence = vec![
            ("direction", "more".to_owned()),
            ("calls", calls.to_string()),
            ("threshold", threshold),
        ];
        (message, evidence)
    });
}

fn caller(call: &Call<'_>) -> String {
    match (call.application, call.client) {
        ("", "") => "Callers without an application".to_owned(),
        ("", client) => format!("Client {client}"),
        (application, _) => application.to_owned(),
    }
}

fn tell_volume(
    call: &Call<'_>,
    rule: &Rule,
    desk: &mut Desk<'_>,
    words: impl FnOnce() -> (String, Words),
) {
    let matter = Matter::of(Alarm::AbnormalRequestsPerMin, call.at_us, rule);
    let [api, version, application] = about_application(call);
    desk.tell(matter, &[api, version, application, ("client", call.client_alone())], words);
}

const fn about_application<'c>(call: &Call<'c>) -> About<'c, 3> {
    let [api, version] = about_version(call);
    [api, version, ("application", call.application)]
}
