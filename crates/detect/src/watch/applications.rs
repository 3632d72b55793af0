//! How do applications use APIs?

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::desk::Desk;
use super::finding::{Alarm, Finding};
use super::keyed::Keyed;
use super::minutes::Minutes;
use super::rules::Rule;
use super::volume::{Turn, Volume};
use super::words::{Words, about_version, joined, parts};
use crate::callers::{Crossings, Days};
use crate::span::{DAY_US, HOUR_US, MINUTE_US};

/// Refused by the limit of an application.
const APPLICATION_LIMIT: u32 = 900_803;
/// Refused by the limit of a subscription.
const SUBSCRIPTION_LIMIT: u32 = 900_804;
/// Refusals of one hour that are counted at most.
const MOST_REFUSALS: usize = 10_000;
/// What an hour weighs in the usual number of refusals.
const HOUR_WEIGHT: f64 = 0.1;

/// What is known of applications.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Applications {
    volumes: Keyed<Volume>,
    /// Where a threshold holds. Absent in what was kept before it was looked at.
    #[serde(default)]
    minutes: Keyed<Minutes>,
    days: Keyed<Used>,
    limits: Keyed<Refusals>,
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
        Self {
            volumes: Keyed::new(most),
            minutes: Keyed::new(most),
            days: Keyed::new(most),
            limits: Keyed::new(most),
        }
    }

    pub(super) fn see(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        self.volume(call, desk, found);
        if !call.application.is_empty() {
            self.usage(call, desk, found);
            self.limits(call, desk, found);
        }
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 3] {
        [
            (Alarm::AbnormalRequestsPerMin, self.volumes.len()),
            (Alarm::AbnormalTierUsage, self.days.len()),
            (Alarm::FrequentTierLimitHitting, self.limits.len()),
        ]
    }

    /// Time has come to here: who has gone silent?
    pub(super) fn pass(&mut self, at_us: i64, desk: &mut Desk, found: &mut Vec<Finding>) {
        let minute = at_us.div_euclid(MINUTE_US);
        let mut silent = Vec::new();
        for (key, volume) in self.volumes.all() {
            let call = called(key, at_us);
            let Some(rule) = desk.rule_for(Alarm::AbnormalRequestsPerMin, &call) else { continue };
            if rule.is_learned()
                && let Some(turn) = volume.pass(minute, rule.sensitivity)
            {
                silent.push((key.clone(), turn));
            }
        }
        // In an order that does not depend on the table.
        silent.sort_by(|one, other| one.0.cmp(&other.0));
        for (key, turn) in silent {
            found.extend(tell_turn(&called(&key, at_us), turn, desk));
        }
    }

    /// So many calls like this one are known of its minute, by who has them all: what is counted exactly
    /// goes on from there.
    pub(super) fn recall(
        &mut self,
        call: &Call<'_>,
        calls: u64,
        desk: &mut Desk,
        found: &mut Vec<Finding>,
    ) {
        let Some(rule) = desk.rule_for(Alarm::AbnormalRequestsPerMin, call) else { return };
        let (call, key) = (of_volume(call), key_of_volume(call));
        if !rule.is_learned() {
            let counted = self.minutes.of(&key, call.at_us, Minutes::default);
            let beyond = counted.hold(call.at_us.div_euclid(MINUTE_US), calls, rule.threshold);
            found.extend(beyond.and_then(|calls| tell_beyond(&call, calls, &rule, desk)));
        }
    }

    fn volume(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let Some(rule) = desk.rule_for(Alarm::AbnormalRequestsPerMin, call) else { return };
        let (call, key) = (of_volume(call), key_of_volume(call));
        let volume = self.volumes.of(&key, call.at_us, Volume::default);
        let minute = call.at_us.div_euclid(MINUTE_US);
        let (more, fewer) = volume.take(minute, call.calls(), rule.learning, rule.sensitivity);
        if rule.is_learned() {
            let turns = [more, fewer].into_iter().flatten();
            found.extend(turns.filter_map(|turn| tell_turn(&call, turn, desk)));
        } else {
            let counted = self.minutes.of(&key, call.at_us, Minutes::default);
            let beyond = counted.add(minute, call.calls().into(), rule.threshold);
            found.extend(beyond.and_then(|calls| tell_beyond(&call, calls, &rule, desk)));
        }
    }

    fn usage(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::AbnormalTierUsage;
        let Some(rule) = desk.rule_for(alarm, call) else { return };
        let key = joined(&[call.application, call.api, call.api_version]);
        let today = call.at_us.div_euclid(DAY_US);
        let used = self.days.of(&key, call.at_us, Used::default);
        used.days.add(today, call.calls().into());
        // Once a day, when its first call comes.
        if used.asked.replace(today).is_some_and(|asked| asked >= today) {
            return;
        }
        let (now, before) = if rule.is_learned() {
            let Some(less) = used.days.less(today) else { return };
            (less.now, less.before.to_string())
        } else {
            let most = used.days.most(today);
            let few = most.filter(|most| *most < rule.count() as u64);
            let Some(most) = few else { return };
            (most, rule.count().to_string())
        };
        let message = format!(
            "{} called {}:{} at most {now} times on each of the last five days; usual are {before} or more.",
            call.application, call.api, call.api_version
        );
        let evidence = vec![("now", now.to_string()), ("before", before)];
        let about = about_application(call);
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn limits(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::FrequentTierLimitHitting;
        let Some(rule) = desk.rule_for(alarm, call) else { return };
        let (user, whose) = match call.fault {
            SUBSCRIPTION_LIMIT => ("", "its subscription"),
            APPLICATION_LIMIT => (call.user, "the application"),
            _ => return,
        };
        let key = joined(&[user, call.application, call.api, call.api_version]);
        let most = rule.count().min(MOST_REFUSALS);
        let refusals = self.limits.of(&key, call.at_us, || Refusals::new(most));
        let unusual = refusals.is_unusual(call.at_us, rule.sensitivity);
        refusals.crossings.limit(most);
        let Some(count) = refusals.crossings.cross(call.at_us) else { return };
        if rule.is_learned() && !unusual {
            return;
        }
        let message = format!(
            "{} met the limit of {whose} {count} times within an hour at {}:{}.",
            call.application, call.api, call.api_version
        );
        let evidence = vec![
            ("refusals", count.to_string()),
            ("fault", call.fault.to_string()),
            ("usual_an_hour", format!("{:.0}", refusals.usual)),
        ];
        let mut about = about_application(call);
        about.push(("user", user.to_owned()));
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
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

/// One application is watched as a whole; who has none by its client.
fn of_volume<'c>(call: &Call<'c>) -> Call<'c> {
    Call { client: if call.application.is_empty() { call.client } else { "" }, ..*call }
}

fn key_of_volume(call: &Call<'_>) -> String {
    let Call { application, client, api, api_version, .. } = of_volume(call);
    joined(&[application, client, api, api_version])
}

/// What is called by who is known by this key.
fn called(key: &str, at_us: i64) -> Call<'_> {
    let mut names = parts(key);
    let mut next = || names.next().unwrap_or_default();
    let (application, client, api, api_version) = (next(), next(), next(), next());
    Call { at_us, api, api_version, application, client, ..Call::default() }
}

fn tell_turn(call: &Call<'_>, turn: Turn, desk: &mut Desk) -> Option<Finding> {
    let (who, what) = (caller(call), format!("{}:{}", call.api, call.api_version));
    let (message, evidence): (String, Words) = match turn {
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
    };
    tell_volume(call, message, evidence, desk)
}

fn tell_beyond(call: &Call<'_>, calls: u64, rule: &Rule, desk: &mut Desk) -> Option<Finding> {
    let (who, threshold) = (caller(call), rule.threshold.to_string());
    let (api, version) = (call.api, call.api_version);
    let message = format!("{who} made more than {threshold} calls to {api}:{version} in a minute.");
    let evidence = vec![
        ("direction", "more".to_owned()),
        ("calls", calls.to_string()),
        ("threshold", threshold),
    ];
    tell_volume(call, message, evidence, desk)
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
    message: String,
    evidence: Words,
    desk: &mut Desk,
) -> Option<Finding> {
    let alarm = Alarm::AbnormalRequestsPerMin;
    let quiet_us = desk.rules().of(alarm, call.api, call.application).quiet_us;
    let mut about = about_application(call);
    about.push(("client", call.client.to_owned()));
    desk.tell(alarm, quiet_us, call.at_us, about, message, evidence)
}

fn about_application(call: &Call<'_>) -> Words {
    let mut about = about_version(call);
    about.push(("application", call.application.to_owned()));
    about
}
