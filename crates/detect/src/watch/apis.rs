//! How do APIs answer?

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::desk::{Desk, Matter};
use super::finding::Alarm;
use super::keyed::{Kept, Keyed};
use super::rules::Rule;
use super::share::{Excess, Share};
use super::subjects::Subjects;
use super::times::{Slow, Times};
use super::words::{Words, about_operation, about_version, milliseconds, named, number};
use crate::span::MINUTE_US;

const MILLISECOND_US: u64 = 1000;
/// How unlikely the failures of a minute have to be, as an exponent,
const SURPRISE: f64 = 14.0;
/// and how many there are at least.
const FAILURES: u32 = 3;
/// Calls of a minute of which a share is taken.
const ENOUGH: u64 = 20;
/// What a call weighs in the usual share of failures.
const PACE: f64 = 0.002;
/// Failures in a row come by chance once in so many calls, as an exponent.
const CHANCE: f64 = 14.0;

/// What is known of APIs.
#[derive(Clone, Debug)]
pub(super) struct Apis {
    operations: Keyed<Operation>,
    versions: Keyed<Version>,
}

/// The same, as it is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptApis {
    responses: Kept<Times>,
    backends: Kept<Times>,
    errors: Kept<Errors>,
    health: Kept<Health>,
}

/// An operation of a version of an API.
#[derive(Clone, Debug)]
struct Operation {
    number: u64,
    response: Option<Times>,
    backend: Option<Times>,
}

/// A version of an API.
#[derive(Clone, Debug, Default)]
struct Version {
    errors: Option<Errors>,
    health: Option<Health>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Errors {
    seen: u64,
    share: Share,
}

/// Whether an API answers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Health {
    failed: u64,
    slow: u64,
    /// The usual share of failures.
    failing: f64,
    /// When something was wrong last, if it was told and is not over.
    wrong_us: Option<i64>,
}

impl Apis {
    pub(super) fn new(most: usize) -> Self {
        Self { operations: Keyed::new(most), versions: Keyed::new(most) }
    }

    pub(super) fn resume(kept: KeptApis) -> Self {
        let mut apis = Self::new(0);
        let KeptApis { responses, backends, errors, health } = kept;
        apis.operations.resume(responses, Operation::new, |it, times| it.response = Some(times));
        apis.operations.resume(backends, Operation::new, |it, times| it.backend = Some(times));
        let new = |_: &str| Version::default();
        apis.versions.resume(errors, new, |it, errors| it.errors = Some(errors));
        apis.versions.resume(health, new, |it, health| it.health = Some(health));
        apis
    }

    pub(super) fn kept(&self) -> KeptApis {
        KeptApis {
            responses: self.operations.kept(|it| it.response),
            backends: self.operations.kept(|it| it.backend),
            errors: self.versions.kept(|it| it.errors),
            health: self.versions.kept(|it| it.health),
        }
    }

    /// What will be asked for is near.
    pub(super) fn approach(&self, subjects: &Subjects<'_>) {
        self.operations.approach(subjects.operation.as_ref());
        self.versions.approach(subjects.version.as_ref());
    }

    /// The next call. A number for the operation that was called, where anybody needs one.
    pub(super) fn see(
        &mut self,
        call: &Call<'_>,
        subjects: &Subjects<'_>,
        desk: &mut Desk<'_>,
    ) -> Option<u64> {
        let number = subjects.operation.as_ref().map(|key| {
            let operation = self.operations.of(key, call.at_us, Operation::new);
            operation.see(call, desk);
            operation.number
        });
        if let Some(key) = &subjects.version {
            let version = self.versions.of(key, call.at_us, |_| Version::default());
            version.errors(call, desk);
            version.health(call, desk);
        }
        number
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 4] {
        let (operations, versions) = (&self.operations, &self.versions);
        [
            (Alarm::AbnormalResponseTime, operations.count(|it| it.response.is_some())),
            (Alarm::AbnormalBackendTime, operations.count(|it| it.backend.is_some())),
            (Alarm::AbnormalErrorRate, versions.count(|it| it.errors.is_some())),
            (Alarm::ApiHealthMonitor, versions.count(|it| it.health.is_some())),
        ]
    }
}

impl Operation {
    fn new(key: &str) -> Self {
        Self { number: number(key), response: None, backend: None }
    }

    fn see(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let looks = [
            (Alarm::AbnormalResponseTime, &mut self.response, call.total_us, "it took"),
            (Alarm::AbnormalBackendTime, &mut self.backend, call.backend_us, "its backend took"),
        ];
        for (alarm, times, took_us, what) in looks {
            let Some(rule) = desk.rule(alarm).filter(|_| took_us > 0) else { continue };
            let times = times.get_or_insert_default();
            let learnt = times.take(call.at_us, took_us, rule.learning, rule.sensitivity);
            let (fixed_us, is_learned) = (rule.threshold_us(MILLISECOND_US), rule.is_learned());
            let slow = learnt.filter(|_| is_learned);
            if slow.is_none() && (is_learned || took_us <= fixed_us) {
                continue;
            }
            desk.tell(Matter::of(alarm, call.at_us, &rule), &about_operation(call), || {
                let message = format!("{}: {what} {}.", named(call), milliseconds(took_us));
                (message, evidence_of(took_us, fixed_us, slow))
            });
        }
    }
}

/// What is slow, beyond what was learnt or else beyond the threshold.
fn evidence_of(took_us: u64, fixed_us: u64, slow: Option<Slow>) -> Words {
    let mut evidence = vec![("took_us", took_us.to_string())];
    let Some(slow) = slow else {
        evidence.push(("limit_us", fixed_us.to_string()));
        return evidence;
    };
    evidence.push(("limit_us", format!("{:.0}", slow.limit_us)));
    let of = slow.of.map(|(slow, calls)| format!("{slow} of {calls}"));
    evidence.push(("slow", of.unwrap_or_else(|| "the mean of the last calls".to_owned())));
    evidence
}

impl Version {
    fn errors(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let alarm = Alarm::AbnormalErrorRate;
        let Some(rule) = desk.rule(alarm) else { return };
        let errors = self.errors.get_or_insert_default();
        errors.seen = errors.seen.saturating_add(1);
        let failed = has_failed(call);
        let excess = if rule.is_learned() {
            let excess =
                errors.share.take(call.at_us, call.calls(), failed, SURPRISE / rule.sensitivity);
            excess.filter(|excess| excess.bad >= FAILURES && errors.seen > rule.learning)
        } else {
            errors.share.beyond(call.at_us, call.calls(), failed, rule.threshold, ENOUGH)
        };
        let Some(Excess { bad, calls, usual }) = excess else { return };
        desk.tell(Matter::of(alarm, call.at_us, &rule), &about_version(call), || {
            let Call { api, api_version, .. } = call;
            let message =
                format!("{api}:{api_version}: {bad} of {calls} calls of a minute failed.");
            let evidence = vec![
                ("failed", bad.to_string()),
                ("calls", calls.to_string()),
                ("usual_share", format!("{usual:.4}")),
                ("status", call.status.to_string()),
            ];
            (message, evidence)
        });
    }

    fn health(&mut self, call: &Call<'_>, desk: &mut Desk<'_>) {
        let slow_rule = desk.holding().of_api(Alarm::AbnormalResponseTime);
        let is_slow =
            !slow_rule.is_learned() && call.total_us > slow_rule.threshold_us(MILLISECOND_US);
        let health = self.health.get_or_insert_default();
        let failed = has_failed(call);
        health.failed = if failed { health.failed.saturating_add(1) } else { 0 };
        health.slow = if is_slow { health.slow.saturating_add(1) } else { 0 };
        let bad = failed || is_slow;
        if bad {
            health.in_a_row(call, failed, desk);
        }
        // Of what is reported, as the row is: where successes are left out, failures stand closer.
        health.failing += PACE * (f64::from(u8::from(failed)) - health.failing);
        health.recovered(call, bad, desk);
    }
}

impl Health {
    /// Told once at the end of each row of a length.
    fn in_a_row(&mut self, call: &Call<'_>, failed: bool, desk: &mut Desk<'_>) {
        let alarm = Alarm::ApiHealthMonitor;
        let Some(rule) = desk.rule(alarm) else { return };
        let row = self.row(&rule);
        for (length, what) in [(self.failed, "failed"), (self.slow, "were slow")] {
            if length == 0 || !length.is_multiple_of(row) {
                continue;
            }
            self.wrong_us = Some(call.at_us);
            desk.tell(Matter::of(alarm, call.at_us, &rule), &about_version(call), || {
                let Call { api, api_version, .. } = call;
                let message = format!("{api}:{api_version}: {length} calls in a row {what}.");
                let state = if failed { "unavailable" } else { "limited" };
                let evidence = vec![
                    ("in_a_row", length.to_string()),
                    ("status", call.status.to_string()),
                    ("state", state.to_owned()),
                ];
                (message, evidence)
            });
        }
    }

    /// How many in a row are told.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number above 0"
    )]
    fn row(&self, rule: &Rule) -> u64 {
        let fixed = rule.count().max(1) as u64;
        if !rule.is_learned() || self.failing <= 0.0 {
            return fixed;
        }
        let by_chance = CHANCE / rule.sensitivity / -self.failing.min(0.99).ln();
        fixed.max(by_chance.ceil() as u64)
    }

    /// Told when nothing was wrong for a while.
    fn recovered(&mut self, call: &Call<'_>, bad: bool, desk: &mut Desk<'_>) {
        let Some(wrong_us) = self.wrong_us else { return };
        if bad {
            self.wrong_us = Some(call.at_us.max(wrong_us));
            return;
        }
        let alarm = Alarm::ApiAvailability;
        let rule = desk.holding().of_api(alarm);
        let wait_us = i64::try_from(rule.count()).unwrap_or(i64::MAX).saturating_mul(MINUTE_US);
        if call.at_us.saturating_sub(wrong_us) < wait_us {
            return;
        }
        self.wrong_us = None;
        if rule.enabled {
            desk.tell(Matter::of(alarm, call.at_us, &rule), &about_version(call), || {
                let message = format!("{}:{} is available again.", call.api, call.api_version);
                (message, vec![("state", "available".to_owned())])
            });
        }
    }
}

fn has_failed(call: &Call<'_>) -> bool {
    (500..600).contains(&call.status)
}
