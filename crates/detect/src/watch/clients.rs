//! How do clients, and the people behind them, behave?

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::call::{Call, Renewal};
use super::desk::Desk;
use super::finding::{Alarm, Finding};
use super::keyed::Keyed;
use super::volume::{Turn, Volume};
use super::words::{Words, about_caller, about_operation, joined, named, number, who};
use crate::callers::{
    Addresses, Arrival, Crossings, Interval, Journeys, Place, Renewals, Steps, Stop, Sweep,
};
use crate::span::{HOUR_US, MINUTE_US};

const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;
/// Calls further apart do not follow each other.
const STEP_PAUSE_US: i64 = HOUR_US;
/// So many of the last eight steps were never taken before.
const NOVEL_STEPS: u32 = 3;
/// Who comes from new addresses more often than this is under way, and that is usual.
const MOVING: f64 = 0.01;
/// Different paths and networks that a caller may need in ten minutes,
const OBJECTS: usize = 200;
const NETWORKS: usize = 10;
/// and those that no caller needs.
const REFUSED_PATHS: usize = 30;
/// Minutes before a number of tokens in a minute is unusual.
const MINUTES: u64 = 3;
/// Databases of places err by less.
const FAR_KM: f64 = 500.0;
/// Calls that are counted within a time at most.
const MOST_COUNTED: usize = 10_000;

/// What is known of clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Clients {
    steps: Keyed<Steps>,
    addresses: Keyed<Addresses>,
    /// Absent in what was kept before it was looked at.
    #[serde(default)]
    journeys: Keyed<Journeys>,
    objects: Keyed<Sweep>,
    networks: Keyed<Sweep>,
    refused: Keyed<Refused>,
    renewals: Keyed<Renewed>,
    storms: Keyed<Volume>,
}

/// What one address was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Refused {
    paths: Sweep,
    calls: Crossings,
}

/// Tokens of one client for one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Renewed {
    rhythm: Renewals,
    hour: Crossings,
}

impl Clients {
    pub(super) fn new(most: usize) -> Self {
        Self {
            steps: Keyed::new(most),
            addresses: Keyed::new(most),
            journeys: Keyed::new(most),
            objects: Keyed::new(most),
            networks: Keyed::new(most),
            refused: Keyed::new(most),
            renewals: Keyed::new(most),
            storms: Keyed::new(most),
        }
    }

    pub(super) fn see(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        self.refusals(call, desk, found);
        // A call whose caller is not known says nothing of one.
        if call.client.is_empty() && call.user.is_empty() {
            return;
        }
        if !call.api.is_empty() {
            self.steps(call, desk, found);
            self.objects(call, desk, found);
        }
        self.addresses(call, desk, found);
        self.journeys(call, desk, found);
        self.networks(call, desk, found);
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 7] {
        [
            (Alarm::RequestPatternChanged, self.steps.len()),
            (Alarm::UnusualIpAccess, self.addresses.len()),
            (Alarm::ImpossibleTravel, self.journeys.len()),
            (Alarm::ObjectEnumeration, self.objects.len()),
            (Alarm::KeySharing, self.networks.len()),
            (Alarm::BotDetection, self.refused.len()),
            (Alarm::AbnormalRefresh, self.renewals.len().saturating_add(self.storms.len())),
        ]
    }

    /// A token was issued.
    pub(super) fn renew(
        &mut self,
        renewal: &Renewal<'_>,
        desk: &mut Desk,
        found: &mut Vec<Finding>,
    ) {
        let alarm = Alarm::AbnormalRefresh;
        let Some(rule) = desk.rule(alarm, "") else { return };
        let Renewal { at_us, user, client, scope } = *renewal;
        let most = rule.count().min(MOST_COUNTED);
        let key = joined(&[user, client, scope]);
        let renewed = self.renewals.of(&key, at_us, || Renewed {
            rhythm: Renewals::default(),
            hour: Crossings::new(most, HOUR_US),
        });
        let learning = u32::try_from(rule.learning).unwrap_or(u32::MAX);
        let rhythm = renewed.rhythm.renew(at_us, learning);
        renewed.hour.limit(most);
        let in_an_hour = renewed.hour.cross(at_us);
        let storm = self.storms.of(client, at_us, Volume::default);
        let minute = at_us.div_euclid(MINUTE_US);
        let (storm, _) = storm.take(minute, 1, MINUTES, rule.sensitivity);
        let who = who(user, client);
        let about = vec![("user", user.to_owned()), ("client", client.to_owned())];
        let mut told = Vec::new();
        if rule.is_learned() {
            if let Some((message, evidence)) = out_of_rhythm(&who, rhythm) {
                told.push((about, message, evidence));
            }
            if let Some(Turn::More { calls, usual }) = storm {
                let message =
                    format!("Client {client} asked for more than {usual:.0} tokens in a minute.");
                let evidence =
                    vec![("tokens", calls.to_string()), ("usual", format!("{usual:.0}"))];
                told.push((vec![("client", client.to_owned())], message, evidence));
            }
        } else if let Some(count) = in_an_hour {
            let message = format!("{who} got {count} tokens within an hour.");
            told.push((about, message, vec![("renewals", count.to_string())]));
        }
        for (about, message, mut evidence) in told {
            evidence.push(("scope", scope.to_owned()));
            found.extend(desk.tell(alarm, rule.quiet_us, at_us, about, message, evidence));
        }
    }

    fn steps(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::RequestPatternChanged;
        let Some(rule) = desk.rule_for(alarm, call) else { return };
        let key = joined(&[call.user, call.client]);
        let to = number(&joined(&[call.api, call.api_version, call.operation]));
        let steps = self.steps.of(&key, call.at_us, || Steps::new(rule.learning, STEP_PAUSE_US));
        steps.learn_for(rule.learning);
        let Some(step) = steps.take(call.at_us, to) else { return };
        let unusual = if rule.is_learned() {
            step.probability <= 0.0 && step.novel >= NOVEL_STEPS
        } else {
            step.probability <= rule.threshold
        };
        if !unusual {
            return;
        }
        let message =
            format!("{} went to {} as never before.", who(call.user, call.client), named(call));
        let evidence = vec![
            ("probability", format!("{:.4}", step.probability)),
            ("new_steps", step.novel.to_string()),
        ];
        let mut about = about_operation(call);
        about.extend(about_caller(call));
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn addresses(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::UnusualIpAccess;
        let (Some(rule), Some(address)) = (desk.rule_for(alarm, call), call.address) else {
            return;
        };
        let key = joined(&[call.user, call.client]);
        let absence_us = i64::try_from(rule.threshold_us(DAY_US)).unwrap_or(i64::MAX);
        let known =
            self.addresses.of(&key, call.at_us, || Addresses::new(rule.learning, absence_us));
        let is_moving = known.moving() > MOVING / rule.sensitivity;
        known.learn_for(rule.learning, absence_us);
        let (what, days) = match known.arrive(call.at_us, address) {
            Arrival::Usual => return,
            Arrival::New if rule.is_learned() && is_moving => return,
            Arrival::New => ("for the first time", None),
            Arrival::Returned { absent_us } => {
                ("again", Some(absent_us.unsigned_abs().checked_div(DAY_US).unwrap_or(0)))
            }
        };
        let message = format!("{} came from {address} {what}.", who(call.user, call.client));
        let mut evidence = vec![("address", address.to_string())];
        evidence.extend(days.map(|days| ("absent_days", days.to_string())));
        let mut about = about_caller(call);
        about.push(("address", address.to_string()));
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn journeys(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::ImpossibleTravel;
        let (Some(rule), Some((latitude, longitude))) = (desk.rule_for(alarm, call), call.position)
        else {
            return;
        };
        // A program that acts for itself runs in several places at once.
        let is_person = !call.user.is_empty() && call.user != call.client;
        if rule.is_learned() && !is_person {
            return;
        }
        // Whichever client a person uses, they are in one place.
        let key = joined(&[call.user, if is_person { "" } else { call.client }]);
        let known = self.journeys.of(&key, call.at_us, Journeys::default);
        let place = Place { latitude, longitude, at_us: call.at_us };
        let far_km = if rule.is_learned() { FAR_KM / rule.sensitivity } else { FAR_KM };
        let here = Stop { place, network: call.network };
        let Some(journey) = known.arrive(here, far_km, rule.threshold) else { return };
        if rule.is_learned() && (!journey.is_news || journey.within_network) {
            return;
        }
        let (km, seconds) = (journey.kilometres, journey.seconds);
        let message = format!(
            "{} was {km:.0} km away within {} minutes.",
            who(call.user, call.client),
            seconds / 60
        );
        let mut evidence = vec![
            ("km", format!("{km:.0}")),
            ("seconds", seconds.to_string()),
            ("from", degrees(journey.from.latitude, journey.from.longitude)),
            ("to", degrees(latitude, longitude)),
        ];
        evidence.extend(call.address.map(|address| ("address", address.to_string())));
        let about = about_caller(call);
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn objects(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::ObjectEnumeration;
        let Some(rule) = desk.rule_for(alarm, call).filter(|_| !call.path.is_empty()) else {
            return;
        };
        let key = joined(&[call.user, call.client, call.api, call.api_version, call.operation]);
        let sweep = self.objects.of(&key, call.at_us, Sweep::default);
        let path = number(call.path);
        let told = if rule.is_learned() {
            sweep.touch(call.at_us, path, scaled(OBJECTS, rule.sensitivity))
        } else {
            sweep.count(call.at_us, path, rule.count())
        };
        let Some((count, usual)) = told else { return };
        let message = format!(
            "{} asked for {count} different paths of {} within ten minutes.",
            who(call.user, call.client),
            named(call)
        );
        let evidence = swept(count, usual);
        let mut about = about_operation(call);
        about.extend(about_caller(call));
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn networks(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::KeySharing;
        let (Some(rule), Some(address)) = (desk.rule_for(alarm, call), call.address) else {
            return;
        };
        let key = joined(&[call.user, call.client]);
        let sweep = self.networks.of(&key, call.at_us, Sweep::default);
        let network = number(&network(address));
        let told = if rule.is_learned() {
            sweep.touch(call.at_us, network, scaled(NETWORKS, rule.sensitivity))
        } else {
            sweep.count(call.at_us, network, rule.count())
        };
        let Some((count, usual)) = told else { return };
        let message = format!(
            "{} called from {count} networks within ten minutes.",
            who(call.user, call.client)
        );
        let about = about_caller(call);
        let evidence = swept(count, usual);
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn refusals(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::BotDetection;
        let is_nothing = call.api.is_empty() && call.status >= 400;
        let refused = is_nothing || matches!(call.status, 401 | 403 | 404);
        let (Some(rule), Some(address)) = (desk.rule(alarm, call.api), call.address) else {
            return;
        };
        if !refused {
            return;
        }
        let most = rule.count().min(MOST_COUNTED);
        let known = self.refused.of(&address.to_string(), call.at_us, || Refused {
            paths: Sweep::default(),
            calls: Crossings::new(most, 10 * MINUTE_US),
        });
        let least = scaled(REFUSED_PATHS, rule.sensitivity);
        let paths = known.paths.count(call.at_us, number(call.path), least);
        known.calls.limit(most);
        let calls = known.calls.cross(call.at_us);
        let (count, what) = match (rule.is_learned(), paths, calls) {
            (true, Some((count, _)), _) => (count, "different paths"),
            (false, _, Some(count)) => (count, "calls"),
            _ => return,
        };
        let message = format!("{address} was refused {count} {what} within ten minutes.");
        let evidence = vec![("refused", count.to_string()), ("status", call.status.to_string())];
        let about = vec![("address", address.to_string())];
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }
}

fn out_of_rhythm(who: &str, rhythm: Interval) -> Option<(String, Words)> {
    let (after_us, usual_us, how) = match rhythm {
        Interval::Usual => return None,
        Interval::Early { after_us, usual_us } => (after_us, usual_us, "sooner"),
        Interval::Late { after_us, usual_us } => (after_us, usual_us, "later"),
    };
    let evidence = vec![("after_us", after_us.to_string()), ("usual_us", format!("{usual_us:.0}"))];
    Some((format!("{who} renewed a token {how} than ever."), evidence))
}

/// A place for people, and for their maps.
fn degrees(latitude: f64, longitude: f64) -> String {
    format!("{latitude:.2} {longitude:.2}")
}

fn swept(count: usize, usual: usize) -> Words {
    vec![("different", count.to_string()), ("usual", usual.to_string())]
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number above 0, and the cast saturates"
)]
fn scaled(least: usize, sensitivity: f64) -> usize {
    (least as f64 / sensitivity) as usize
}

/// The /24 or /48 of an address.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_one_customer_has() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("192.0.2.9"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.9"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:9::4"));
    }
}
