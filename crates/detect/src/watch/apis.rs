//! How do APIs answer?

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::desk::Desk;
use super::finding::{Alarm, Finding};
use super::keyed::Keyed;
use super::rules::Rule;
use super::share::Share;
use super::times::Times;
use super::words::{Words, about_operation, about_version, joined, milliseconds, named};
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Apis {
    responses: Keyed<Times>,
    backends: Keyed<Times>,
    errors: Keyed<Errors>,
    health: Keyed<Health>,
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
        Self {
            responses: Keyed::new(most),
            backends: Keyed::new(most),
            errors: Keyed::new(most),
            health: Keyed::new(most),
        }
    }

    pub(super) fn see(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        self.times(call, desk, found);
        self.errors(call, desk, found);
        self.health(call, desk, found);
    }

    /// How many are known, by the kind of alarm.
    pub(super) fn series(&self) -> [(Alarm, usize); 4] {
        [
            (Alarm::AbnormalResponseTime, self.responses.len()),
            (Alarm::AbnormalBackendTime, self.backends.len()),
            (Alarm::AbnormalErrorRate, self.errors.len()),
            (Alarm::ApiHealthMonitor, self.health.len()),
        ]
    }

    fn times(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let key = joined(&[call.api, call.api_version, call.operation]);
        let looks = [
            (Alarm::AbnormalResponseTime, &mut self.responses, call.total_us, "it took"),
            (Alarm::AbnormalBackendTime, &mut self.backends, call.backend_us, "its backend took"),
        ];
        for (alarm, table, took_us, what) in looks {
            let Some(rule) = desk.rule(alarm, call.api).filter(|_| took_us > 0) else { continue };
            let times = table.of(&key, call.at_us, Times::default);
            let learnt = times.take(call.at_us, took_us, rule.learning, rule.sensitivity);
            let fixed_us = rule.threshold_us(MILLISECOND_US);
            let mut evidence = vec![("took_us", took_us.to_string())];
            if rule.is_learned() {
                let Some(slow) = learnt else { continue };
                evidence.push(("limit_us", format!("{:.0}", slow.limit_us)));
                match slow.of {
                    Some((slow, calls)) => evidence.push(("slow", format!("{slow} of {calls}"))),
                    None => evidence.push(("slow", "the mean of the last calls".to_owned())),
                }
            } else if took_us > fixed_us {
                evidence.push(("limit_us", fixed_us.to_string()));
            } else {
                continue;
            }
            let message = format!("{}: {what} {}.", named(call), milliseconds(took_us));
            let (about, quiet_us) = (about_operation(call), rule.quiet_us);
            found.extend(desk.tell(alarm, quiet_us, call.at_us, about, message, evidence));
        }
    }

    fn errors(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let alarm = Alarm::AbnormalErrorRate;
        let Some(rule) = desk.rule(alarm, call.api) else { return };
        let key = joined(&[call.api, call.api_version]);
        let errors = self.errors.of(&key, call.at_us, Errors::default);
        errors.seen = errors.seen.saturating_add(1);
        let failed = has_failed(call);
        let excess = if rule.is_learned() {
            let excess =
                errors.share.take(call.at_us, call.calls(), failed, SURPRISE / rule.sensitivity);
            excess.filter(|excess| excess.bad >= FAILURES && errors.seen > rule.learning)
        } else {
            errors.share.beyond(call.at_us, call.calls(), failed, rule.threshold, ENOUGH)
        };
        let Some(excess) = excess else { return };
        let message = format!(
            "{}:{}: {} of {} calls of a minute failed.",
            call.api, call.api_version, excess.bad, excess.calls
        );
        let evidence = vec![
            ("failed", excess.bad.to_string()),
            ("calls", excess.calls.to_string()),
            ("usual_share", format!("{:.4}", excess.usual)),
            ("status", call.status.to_string()),
        ];
        let about = about_version(call);
        found.extend(desk.tell(alarm, rule.quiet_us, call.at_us, about, message, evidence));
    }

    fn health(&mut self, call: &Call<'_>, desk: &mut Desk, found: &mut Vec<Finding>) {
        let slow_rule = desk.rules().of(Alarm::AbnormalResponseTime, call.api, "");
        let is_slow =
            !slow_rule.is_learned() && call.total_us > slow_rule.threshold_us(MILLISECOND_US);
        let key = joined(&[call.api, call.api_version]);
        let health = self.health.of(&key, call.at_us, Health::default);
        let failed = has_failed(call);
        health.failed = if failed { health.failed.saturating_add(1) } else { 0 };
        health.slow = if is_slow { health.slow.saturating_add(1) } else { 0 };
        if let Some(rule) = desk.rule(Alarm::ApiHealthMonitor, call.api) {
            let row = health.row(&rule);
            let about = || about_version(call);
            for (length, what) in [(health.failed, "failed"), (health.slow, "were slow")] {
                // Once at the end of each row of that length.
                if length == 0 || !length.is_multiple_of(row) {
                    continue;
                }
                health.wrong_us = Some(call.at_us);
                let (alarm, message) = (
                    Alarm::ApiHealthMonitor,
                    format!("{}:{}: {length} calls in a row {what}.", call.api, call.api_version),
                );
                let evidence: Words = vec![
                    ("in_a_row", length.to_string()),
                    ("status", call.status.to_string()),
                    ("state", if failed { "unavailable" } else { "limited" }.to_owned()),
                ];
                let quiet_us = rule.quiet_us;
                found.extend(desk.tell(alarm, quiet_us, call.at_us, about(), message, evidence));
            }
        }
        // Of what is reported, as the row is: where successes are left out, failures stand closer.
        health.failing += PACE * (f64::from(u8::from(failed)) - health.failing);
        let bad = failed || is_slow;
        found.extend(health.recovered(call, bad, desk));
    }
}

impl Health {
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
    fn recovered(&mut self, call: &Call<'_>, bad: bool, desk: &mut Desk) -> Option<Finding> {
        let wrong_us = self.wrong_us?;
        if bad {
            self.wrong_us = Some(call.at_us.max(wrong_us));
            return None;
        }
        let rule = desk.rules().of(Alarm::ApiAvailability, call.api, "");
        let wait_us = i64::try_from(rule.count()).unwrap_or(i64::MAX).saturating_mul(MINUTE_US);
        if call.at_us.saturating_sub(wrong_us) < wait_us {
            return None;
        }
        self.wrong_us = None;
        let message = format!("{}:{} is available again.", call.api, call.api_version);
        let evidence = vec![("state", "available".to_owned())];
        let about = about_version(call);
        let told =
            desk.tell(Alarm::ApiAvailability, rule.quiet_us, call.at_us, about, message, evidence);
        told.filter(|_| rule.enabled)
    }
}

fn has_failed(call: &Call<'_>) -> bool {
    (500..600).contains(&call.status)
}
