//! How do clients, and the people behind them, behave?

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::call::{Call, Renewal};
use super::desk::{Desk, Matter};
use super::finding::Alarm;
use super::keyed::{Kept, Key, Keyed};
use super::rules::Rule;
use super::subjects::Subjects;
use super::tokens::{Renewed, Tokens};
use super::volume::Volume;
use super::words::{Words, about_caller, about_use, named, number, who};
use crate::callers::{Addresses, Arrival, Crossings, Journeys, Place, Steps, Stop, Sweep};
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
/// Databases of places err by less.
const FAR_KM: f64 = 500.0;
/// Calls that are counted within a time at most.
const MOST_COUNTED: usize = 10_000;

/// What is known of clients.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    callers: Keyed<Caller>,
    journeys: Keyed<Journeys>,
    objects: Keyed<Sweep>,
    refused: Keyed<Refused>,
    tokens: Tokens,
}

/// The same, as it is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptClients {
    steps: Kept<Steps>,
    addresses: Kept<Addresses>,
    /// Absent in what was kept before it was looked at.
    #[serde(default)]
    journeys: Kept<Journeys>,
    objects: Kept<Sweep>,
    networks: Kept<Sweep>,
    refused: Kept<Refused>,
    renewals: Kept<Renewed>,
    storms: Kept<Volume>,
}

/// A person with a client.
#[derive(Clone, Debug, Default)]
struct Caller {
    steps: Option<Steps>,
    addresses: Option<Addresses>,
    networks: Option<Sweep>,
}

/// What one address was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Refused {
    paths: Sweep,
    calls: Crossings,
}

impl Clients {
    pub(super) fn new(most: usize) -> Self {
        Self {
            callers: Keyed::new(most),
            journeys: Keyed::new(most),
            objects: Keyed::new(most),
            refused: Keyed::new(most),
            tokens: Tokens::new(most),
        }
    }

    pub(super) fn resume(kept: KeptClients) -> Self {
        let mut callers = Keyed::new(0);
        let new = |_: &str| Caller::default();
        callers.resume(kept.steps, new, |it, steps| it.steps = Some(steps));
        callers.resume(kept.addresses, new, |it, addresses| it.addresses = Some(addresses));
        callers.resume(kept.networks, new, |it, networks| it.networks = Some(networks));
        let (renewals, storms) = (Keyed::resumed(kept.renewals), Keyed::resumed(kept.storms));
        Self {
            callers,
            journeys: Keyed::resumed(kept.journeys),
            objects: Keyed::resumed(kept.objects),
            refused: Keyed::resumed(kept.refused),
            tokens: Tokens { renewals, storms },
        }
    }

    pub(super) fn kept(&self) -> KeptClients {
        KeptClients {
            steps: self.callers.kept(|it| it.steps.clone()),
            addresses: self.callers.kept(|it| it.addresses.clone()),
            journeys: self.journeys.kept(|it| Some(it.clone())),
            objects: self.objects.kept(|it| Some(it.clone())),
            networks: self.callers.kept(|it| it.networks.clone()),
            refused: self.refused.kept(|it| Some(it.clone())),
            renewals: self.tokens.renewals.kept(|it| Some(it.clone())),
            storms: self.tokens.storms.kept(|it| Some(it.clone())),
        }
    }

    /// What will be asked for is near.
    pub(super) fn approach(&self, subjects: &Subjects<'_>) {
        self.callers.approach(subjects.caller.as_ref());
        self.objects.approach(subjects.objects.as_ref());
    }

    /// The next call, with a number for the operation of an API that was called, where one is needed.
    pub(super) fn see(
        &mut self,
        call: &Call<'_>,
        subjects: &Subjects<'_>,
        operation: Option<u64>,
        desk: &mut Desk<'_>,
    ) {
        self.refusals(call, desk);
        // A call whose caller is not known says nothing of one.
        if call.client.is_empty() && call.user.is_empty() {
            return;
        }
        let known = &mut self.callers;
        let caller = subjects.caller.as_ref();
        let mut caller = caller.map(|key| known.of(key, call.at_us, |_| Caller::default()));
        if let (Some(caller), Some(operation)) = (&mut caller, operation) {
            caller.step(call, operation, desk);
        }
        if let Some(key) = &subjects.objects {
            objects(&mut self.objects, key, call, desk);
        }
        if let (Some(caller), Some(address)) = (&mut caller, call.address) {
            caller.arrive(call, address, desk);
        }
        journey(&mut self.journeys, call, desk);
        if let (Some(caller), Some(address)) = (&mut caller, call.address) {
            caller.networks(call, address, desk);
        }
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 7] {
        let (callers, tokens) = (&self.callers, &self.tokens);
        [
            (Alarm::RequestPatternChanged, callers.count(|it| it.steps.is_some())),
            (Alarm::UnusualIpAccess, callers.count(|it| it.addresses.is_some())),
            (Alarm::ImpossibleTravel, self.journeys.len()),
            (Alarm::ObjectEnumeration, self.objects.len()),
            (Alarm::KeySharing, callers.count(|it| it.networks.is_some())),
            (Alarm::BotDetection, self.refused.len()),
            (Alarm::AbnormalRefresh, tokens.renewals.len().saturating_add(tokens.storms.len())),
        ]
    }

    /// A token was issued.
    pub(super) fn renew(&mut self, renewal: &Renewal<'_>, desk: &mut Desk<'_>) {
        self.tokens.see(renewal, desk);
    }

    fn refusals(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let is_nothing = call.api.is_empty() && call.status >= 400;
        if !is_nothing && !matches!(call.status, 401 | 403 | 404) {
            return;
        }
        let alarm = Alarm::BotDetection;
        let (Some(rule), Some(address)) = (desk.rule(alarm), call.address) else { return };
        let address = address.to_string();
        let most = rule.count().min(MOST_COUNTED);
        let known = self.refused.of(&Key::of([&address]), call.at_us, |_| Refused {
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
        desk.tell(Matter::of(alarm, call.at_us, &rule), &[("address", &address)], || {
            let message = format!("{address} was refused {count} {what} within ten minutes.");
            (message, vec![("refused", count.to_string()), ("status", call.status.to_string())])
        });
    }
}

impl Caller {
    fn step(&mut self, call: &Call<'_>, operation: u64, desk: &mut Desk<'_>) {
        let alarm = Alarm::RequestPatternChanged;
        let Some(rule) = desk.rule_for(alarm) else { return };
        let steps = self.steps.get_or_insert_with(|| Steps::new(rule.learning, STEP_PAUSE_US));
        steps.learn_for(rule.learning);
        let Some(step) = steps.take(call.at_us, operation) else { return };
        let unusual = if rule.is_learned() {
            step.probability <= 0.0 && step.novel >= NOVEL_STEPS
        } else {
            step.probability <= rule.threshold
        };
        if !unusual {
            return;
        }
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about_use(call), || {
            let who = who(call.user, call.client);
            let evidence = vec![
                ("probability", format!("{:.4}", step.probability)),
                ("new_steps", step.novel.to_string()),
            ];
            (format!("{who} went to {} as never before.", named(call)), evidence)
        });
    }

    fn arrive(&mut self, call: &Call<'_>, address: IpAddr, desk: &mut Desk<'_>) {
        let alarm = Alarm::UnusualIpAccess;
        let Some(rule) = desk.rule_for(alarm) else { return };
        let absence_us = i64::try_from(rule.threshold_us(DAY_US)).unwrap_or(i64::MAX);
        let known = self.addresses.get_or_insert_with(|| Addresses::new(rule.learning, absence_us));
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
        let address = address.to_string();
        let [application, user, client] = about_caller(call);
        let about = [application, user, client, ("address", address.as_str())];
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about, || {
            let message = format!("{} came from {address} {what}.", who(call.user, call.client));
            let mut evidence = vec![("address", address.clone())];
            evidence.extend(days.map(|days| ("absent_days", days.to_string())));
            (message, evidence)
        });
    }

    fn networks(&mut self, call: &Call<'_>, address: IpAddr, desk: &mut Desk<'_>) {
        let alarm = Alarm::KeySharing;
        let Some(rule) = desk.rule_for(alarm) else { return };
        let sweep = self.networks.get_or_insert_default();
        let told = swept(sweep, call.at_us, network(address), &rule, NETWORKS);
        let Some((count, usual)) = told else { return };
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about_caller(call), || {
            let who = who(call.user, call.client);
            let message = format!("{who} called from {count} networks within ten minutes.");
            (message, evidence_of(count, usual))
        });
    }
}

fn objects(known: &mut Keyed<Sweep>, key: &Key<'_, 5>, call: &Call<'_>, desk: &mut Desk<'_>) {
    let alarm = Alarm::ObjectEnumeration;
    let Some(rule) = desk.rule_for(alarm) else { return };
    let Call { at_us, user, client, .. } = *call;
    let sweep = known.of(key, at_us, |_| Sweep::default());
    let told = swept(sweep, at_us, number(call.path), &rule, OBJECTS);
    let Some((count, usual)) = told else { return };
    desk.tell(Matter::of(alarm, at_us, &rule), &about_use(call), || {
        let (who, what) = (who(user, client), named(call));
        let message =
            format!("{who} asked for {count} different paths of {what} within ten minutes.");
        (message, evidence_of(count, usual))
    });
}

fn journey(known: &mut Keyed<Journeys>, call: &Call<'_>, desk: &mut Desk<'_>) {
    let alarm = Alarm::ImpossibleTravel;
    let Some((latitude, longitude)) = call.position else { return };
    let Some(rule) = desk.rule_for(alarm) else { return };
    // A program that acts for itself runs in several places at once.
    let is_person = !call.user.is_empty() && call.user != call.client;
    if rule.is_learned() && !is_person {
        return;
    }
    // Whichever client a person uses, they are in one place.
    let key = Key::of([call.user, if is_person { "" } else { call.client }]);
    let known = known.of(&key, call.at_us, |_| Journeys::default());
    let place = Place { latitude, longitude, at_us: call.at_us };
    let far_km = if rule.is_learned() { FAR_KM / rule.sensitivity } else { FAR_KM };
    let here = Stop { place, network: call.network };
    let Some(journey) = known.arrive(here, far_km, rule.threshold) else { return };
    if rule.is_learned() && (!journey.is_news || journey.within_network) {
        return;
    }
    desk.tell(Matter::of(alarm, call.at_us, &rule), &about_caller(call), || {
        let (km, seconds) = (journey.kilometres, journey.seconds);
        let (who, minutes) = (who(call.user, call.client), seconds / 60);
        let mut evidence = vec![
            ("km", format!("{km:.0}")),
            ("seconds", seconds.to_string()),
            ("from", degrees(journey.from.latitude, journey.from.longitude)),
            ("to", degrees(latitude, longitude)),
        ];
        evidence.extend(call.address.map(|address| ("address", address.to_string())));
        (format!("{who} was {km:.0} km away within {minutes} minutes."), evidence)
    });
}

/// How many different things there are in the window, and how many are usual, when those are too many.
fn swept(
    sweep: &mut Sweep,
    at_us: i64,
    thing: u64,
    rule: &Rule,
    least: usize,
) -> Option<(usize, usize)> {
    if rule.is_learned() {
        sweep.touch(at_us, thing, scaled(least, rule.sensitivity))
    } else {
        sweep.count(at_us, thing, rule.count())
    }
}

fn evidence_of(count: usize, usual: usize) -> Words {
    vec![("different", count.to_string()), ("usual", usual.to_string())]
}

/// A place for people, and for their maps.
fn degrees(latitude: f64, longitude: f64) -> String {
    format!("{latitude:.2} {longitude:.2}")
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

/// A number for the /24 or /48 of an address.
fn network(address: IpAddr) -> u64 {
    let (kind, bytes) = match address.to_canonical() {
        IpAddr::V4(address) => (4_u64, u64::from(address.to_bits() >> 8)),
        IpAddr::V6(address) => (6, (address.to_bits() >> 80) as u64),
    };
    (kind << 56) | bytes
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
        assert_ne!(of("2001:db8:1::"), of("2001:db8:2::"));
        assert_ne!(of("192.0.2.7"), of("0:c000:200::"));
    }
}
