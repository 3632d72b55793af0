//! Do an `AlertRule` and a `NotificationChannel` say what can be done?
//!
//! The collector that gets them does not ask again: whatever it could not do is refused here.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use turnpike_proto::config::v1::alert_block::{Mode as BlockMode, What};
use turnpike_proto::config::v1::alert_kind::Type;
use turnpike_proto::config::v1::alert_rule_spec::Mode;
use turnpike_proto::config::v1::alert_severity::Level;
use turnpike_proto::config::v1::notification_channel_spec::Way;
use turnpike_proto::config::v1::{
    AlertBlock, AlertRule, AlertRuleSpec, EmailChannel, NotificationChannel, WebhookChannel,
};

use super::api::unknown;
use super::head::{check_description, required};
use super::range::optional_span;
use super::workflow::is_askable;
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;

/// So many of each there may be: every collector holds them all.
pub(crate) const MOST_ALERT_RULES: usize = 500;
pub(crate) const MOST_CHANNELS: usize = 50;
/// The most entries of a list of APIs or applications, and the most pairs of them.
const MOST_NAMES: usize = 100;
const MOST_PAIRS: usize = 500;
/// The most addresses of a channel, and the longest, in bytes.
const MOST_ADDRESSES: usize = 20;
const LONGEST_ADDRESS: usize = 254;
const SUPPRESSION: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
const BLOCK: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
const GATHER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);

pub(crate) fn check_rule(rule: &AlertRule, problems: &mut Problems) {
    let Some(spec) = required(rule.spec.as_ref(), problems) else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    check_names(&spec.apis, API, &at.name("apis"), problems);
    check_names(&spec.applications, APPLICATION, &at.name("applications"), problems);
    check_pairs(spec, &at, problems);
    optional_span(spec.suppression.as_ref(), &SUPPRESSION, &at.name("suppression"), problems);
    if let Some(mode) = spec.mode.filter(|mode| Mode::try_from(*mode).is_err()) {
        problems.add(&at.name("mode"), unknown(mode), "write `learned` or `fixed`");
    }
    check_severity(spec.severity, &at, problems);
    check_above_0("sensitivity", spec.sensitivity, &at, problems);
    check_above_0("threshold", spec.threshold, &at, problems);
    let Some(kind) = spec.r#type else {
        let suggestion = "name the type of alert that it is about, like `KeySharing`";
        return problems.add(&at.name("type"), "it is missing", suggestion);
    };
    let Ok(kind) = Type::try_from(kind) else {
        return problems.add(&at.name("type"), unknown(kind), "`turnpike alerts types` lists them");
    };
    if is_share(kind) && spec.threshold.is_some_and(|share| share > 1.0) {
        let reason = "it is a share, and is more than 1";
        problems.add(&at.name("threshold"), reason, "write a number above 0 and at most 1");
    }
    if !spec.applications.is_empty() && !names_application(kind) {
        let reason = format!("an alert {} names no application", kind.as_str_name());
        problems.add(&at.name("applications"), reason, "leave it out, or name `apis`");
    }
    check_block(kind, spec, &at.name("block"), problems);
}

/// Whether alerts of a type are about what an application does.
const fn names_application(kind: Type) -> bool {
    match kind {
        Type::AbnormalRequestsPerMin
        | Type::RequestPatternChanged
        | Type::UnusualIpAccess
        | Type::ImpossibleTravel
        | Type::AbnormalTierUsage
        | Type::FrequentTierLimitHitting
        | Type::ObjectEnumeration
        | Type::KeySharing => true,
        Type::AbnormalResponseTime
        | Type::AbnormalBackendTime
        | Type::AbnormalErrorRate
        | Type::AbnormalRefresh
        | Type::ApiHealthMonitor
        | Type::ApiAvailability
        | Type::BotDetection => false,
    }
}

/// Each API with each application is a rule of its own.
fn check_pairs(spec: &AlertRuleSpec, at: &At<'_>, problems: &mut Problems) {
    let pairs = spec.apis.len().saturating_mul(spec.applications.len());
    if pairs > MOST_PAIRS {
        let reason = format!("with `apis` there are {pairs} pairs, at most {MOST_PAIRS}");
        problems.add(&at.name("applications"), reason, "write several rules");
    }
}

/// Whether the threshold of a type is a part of something.
const fn is_share(kind: Type) -> bool {
    matches!(kind, Type::AbnormalErrorRate | Type::RequestPatternChanged)
}

fn check_above_0(name: &str, value: Option<f64>, at: &At<'_>, problems: &mut Problems) {
    if value.is_some_and(|value| !value.is_finite() || value <= 0.0) {
        problems.add(&at.name(name), "it is not above 0", "write a number above 0");
    }
}

fn check_severity(severity: Option<i32>, at: &At<'_>, problems: &mut Problems) {
    if let Some(level) = severity.filter(|level| Level::try_from(*level).is_err()) {
        let suggestion = "write `severe`, `moderate` or `mild`";
        problems.add(&at.name("severity"), unknown(level), suggestion);
    }
}

/// What a list names, and how.
type Named = (&'static str, &'static str);
const API: Named = ("API", "write its name, without a version");
const APPLICATION: Named = ("application", "write its name");

fn check_names(names: &[String], (thing, how): Named, at: &At<'_>, problems: &mut Problems) {
    if names.len() > MOST_NAMES {
        let reason = format!("there are {}, at most {MOST_NAMES}", names.len());
        return problems.add(at, reason, "write several rules");
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if !is_name(name) {
            let reason = format!("`{}` names no {thing}", shown(name));
            problems.add(&at.index(index), reason, how);
        } else if !seen.insert(name) {
            problems.add(&at.index(index), "it stands twice", "keep one of them");
        }
    }
}

fn check_block(kind: Type, spec: &AlertRuleSpec, at: &At<'_>, problems: &mut Problems) {
    let Some(AlertBlock { r#for: lasts, what, mode }) = spec.block.as_ref() else { return };
    if let Some(mode) = mode.filter(|mode| BlockMode::try_from(*mode).is_err()) {
        problems.add(&at.name("mode"), unknown(mode), "write `apply` or `propose`");
    }
    if lasts.is_none() {
        problems.add(&at.name("for"), "it is missing", "say for how long, like `3600s`");
    }
    optional_span(lasts.as_ref(), &BLOCK, &at.name("for"), problems);
    let named = blockable(kind);
    let words = named.iter().map(|what| format!("`{}`", what.as_str_name())).collect::<Vec<_>>();
    let suggestion = if words.is_empty() {
        format!("an alert {} names nobody: leave `block` out", kind.as_str_name())
    } else {
        format!("write {}", words.join(" or "))
    };
    let here = at.name("what");
    match what.map(What::try_from) {
        None => problems.add(&here, "it is missing", suggestion),
        Some(Err(_)) => problems.add(&here, "it is not known", suggestion),
        Some(Ok(what)) if !named.contains(&what) => {
            let (kind, what) = (kind.as_str_name(), what.as_str_name());
            problems.add(&here, format!("an alert {kind} names no {what}"), suggestion);
        }
        Some(Ok(_)) => {}
    }
}

/// Whom the alerts of a type name.
const fn blockable(kind: Type) -> &'static [What] {
    match kind {
        Type::AbnormalResponseTime
        | Type::AbnormalBackendTime
        | Type::AbnormalErrorRate
        | Type::AbnormalTierUsage
        | Type::ApiHealthMonitor
        | Type::ApiAvailability => &[],
        Type::AbnormalRequestsPerMin => &[What::Application, What::Client],
        Type::FrequentTierLimitHitting => &[What::Application, What::User],
        Type::AbnormalRefresh => &[What::User, What::Client],
        Type::RequestPatternChanged
        | Type::ObjectEnumeration
        | Type::KeySharing
        | Type::ImpossibleTravel => &[What::Application, What::User, What::Client],
        Type::UnusualIpAccess => &[What::Application, What::User, What::Client, What::Address],
        Type::BotDetection => &[What::Address],
    }
}

pub(crate) fn check_channel(channel: &NotificationChannel, problems: &mut Problems) {
    let Some(spec) = required(channel.spec.as_ref(), problems) else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    check_names(&spec.apis, API, &at.name("apis"), problems);
    optional_span(spec.gather.as_ref(), &GATHER, &at.name("gather"), problems);
    check_severity(spec.severity, &at, problems);
    for (index, kind) in spec.types.iter().enumerate() {
        if Type::try_from(*kind).is_err() {
            let at = at.name("types");
            problems.add(&at.index(index), unknown(*kind), "`turnpike alerts types` lists them");
        }
    }
    if !spec.quiet.is_empty() && !is_span_of_day(&spec.quiet) {
        let reason = format!("`{}` is no span of the day", shown(&spec.quiet));
        problems.add(&at.name("quiet"), reason, "write it like `22:00-06:00`, in UTC");
    }
    match &spec.way {
        None => {
            let suggestion = "write `webhook` or `email`";
            problems.add(&at, "it does not say where alerts are sent", suggestion);
        }
        Some(Way::Webhook(webhook)) => check_webhook(webhook, &at.name("webhook"), problems),
        Some(Way::Email(email)) => check_email(email, &at.name("email"), problems),
    }
}

fn check_webhook(webhook: &WebhookChannel, at: &At<'_>, problems: &mut Problems) {
    if !is_askable(&webhook.url) {
        let reason = format!("`{}` is no https URL", shown(&webhook.url));
        let suggestion = "write an https URL; http is for programs on this machine";
        problems.add(&at.name("url"), reason, suggestion);
    }
    if !is_name(&webhook.secret) {
        let suggestion = "name the Secret under which messages are signed";
        problems.add(&at.name("secret"), "the name of a Secret is missing", suggestion);
    }
}

fn check_email(email: &EmailChannel, at: &At<'_>, problems: &mut Problems) {
    let at = at.name("to");
    if email.to.is_empty() || email.to.len() > MOST_ADDRESSES {
        let reason = format!("there are {} addresses", email.to.len());
        problems.add(&at, reason, format!("write 1 to {MOST_ADDRESSES}"));
    }
    for (index, address) in email.to.iter().enumerate() {
        if !is_mail_address(address) {
            let reason = format!("`{}` is no mail address", shown(address));
            problems.add(&at.index(index), reason, "write it like `name@example.com`");
        }
    }
}

/// An address as nearly everybody has one: what mail servers disagree about is left out.
fn is_mail_address(text: &str) -> bool {
    let is_local = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_%+-'".contains(&byte))
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= LONGEST_ADDRESS
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.len() <= 64 && local.split('.').all(is_local) && domain.split('.').all(is_label)
        })
}

/// `HH:MM-HH:MM`.
fn is_span_of_day(text: &str) -> bool {
    let is_number = |text: &str, below: u8| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number < below)
    };
    let is_moment = |text: &str| {
        text.split_once(':')
            .is_some_and(|(hour, minute)| is_number(hour, 24) && is_number(minute, 60))
    };
    text.split_once('-').is_some_and(|(from, to)| is_moment(from) && is_moment(to))
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
