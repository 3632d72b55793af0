//! What do rules and channels mean that come from the control plane?
//!
//! What it admitted is good; one of a later version that says what is not known here is left out alone, and
//! told of.

use std::time::Duration;

use chassis::Secret;
use detect::{Alarm as Kind, Mode, Setting};
use turnpike_proto::config::v1 as proto;
use turnpike_proto::config::v1::alert_block::What;
use turnpike_proto::config::v1::alert_kind::Type;
use turnpike_proto::config::v1::alert_rule_spec::Mode as ModeWord;
use turnpike_proto::config::v1::alert_severity::Level;
use turnpike_proto::config::v1::notification_channel_spec::Way;

use crate::alert::Severity;

use crate::alert::channel::deliver;
use crate::alert::rules::{Answer, Applied, Block, Quiet, Whom};

/// Why something is left out.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unread {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} has a value that is not known here")]
    Unknown(&'static str),
}

/// The rules of a set.
pub(super) fn rules(set: &proto::AlertingSet) -> Vec<Applied> {
    let named = set.rules.iter().map(|rule| (name(rule.metadata.as_ref()), rule.spec.as_ref()));
    let read = named.filter_map(|(name, spec)| told(&name, "AlertRule", rule(&name, spec)));
    read.collect()
}

/// The channels of a set that are in use.
pub(super) fn channels(set: &proto::AlertingSet) -> Vec<deliver::Config> {
    let named = set.channels.iter().map(|one| (name(one.metadata.as_ref()), one.spec.as_ref()));
    let used = named.filter(|(_, spec)| spec.is_none_or(|spec| !spec.disabled));
    let read = used
        .filter_map(|(name, spec)| told(&name, "NotificationChannel", channel(set, &name, spec)));
    read.collect()
}

fn name(metadata: Option<&proto::Metadata>) -> String {
    metadata.map(|metadata| metadata.name.clone()).unwrap_or_default()
}

fn told<T>(name: &str, kind: &str, read: Result<T, Unread>) -> Option<T> {
    if let Err(error) = &read {
        tracing::error!(name, kind, error = error as &dyn std::error::Error, "it is left out");
    }
    read.ok()
}

fn rule(name: &str, spec: Option<&proto::AlertRuleSpec>) -> Result<Applied, Unread> {
    let spec = spec.ok_or(Unread::Missing("spec"))?;
    let mode = spec.mode.map(|mode| match ModeWord::try_from(mode) {
        Ok(ModeWord::Learned) => Ok(Mode::Learned),
        Ok(ModeWord::Fixed) => Ok(Mode::Fixed),
        Err(_) => Err(Unread::Unknown("mode")),
    });
    let block = spec.block.as_ref().map(|block| {
        let whom = match block.what.map(What::try_from) {
            Some(Ok(What::Application)) => Whom::Application,
            Some(Ok(What::User)) => Whom::User,
            Some(Ok(What::Client)) => Whom::Client,
            Some(Ok(What::Address)) => Whom::Address,
            Some(Err(_)) => return Err(Unread::Unknown("block.what")),
            None => return Err(Unread::Missing("block.what")),
        };
        Ok(Block { rule: name.to_owned(), whom })
    });
    Ok(Applied {
        name: name.to_owned(),
        kind: kind(spec.r#type.ok_or(Unread::Missing("type"))?)?,
        apis: spec.apis.clone(),
        applications: spec.applications.clone(),
        setting: Setting {
            enabled: spec.enabled,
            mode: mode.transpose()?,
            threshold: spec.threshold,
            sensitivity: spec.sensitivity,
            learning: spec.learning,
            suppression: span(spec.suppression.as_ref(), "suppression")?.map(Quiet::from),
        },
        answer: Answer {
            severity: spec.severity.map(severity).transpose()?,
            block: block.transpose()?,
        },
    })
}

fn channel(
    set: &proto::AlertingSet,
    name: &str,
    spec: Option<&proto::NotificationChannelSpec>,
) -> Result<deliver::Config, Unread> {
    let spec = spec.ok_or(Unread::Missing("spec"))?;
    let kinds = spec.types.iter().map(|one| Ok(kind(*one)?.name().to_owned()));
    let named = deliver::Config {
        severity: spec.severity.map_or(Ok(Severity::Mild), severity)?,
        types: kinds.collect::<Result<_, _>>()?,
        apis: spec.apis.clone(),
        quiet: spec.quiet.clone(),
        ..deliver::Config::named(name)
    };
    let gather = span(spec.gather.as_ref(), "gather")?.unwrap_or(named.gather);
    let named = deliver::Config { gather, ..named };
    match spec.way.as_ref().ok_or(Unread::Missing("webhook or email"))? {
        Way::Webhook(webhook) => {
            let secret = set.secrets.get(&webhook.secret);
            let secret = secret.ok_or(Unread::Missing("the value of its Secret"))?;
            let (webhook, secret) = (webhook.url.clone(), Secret::new(secret.as_str()));
            Ok(deliver::Config { webhook, secret, ..named })
        }
        Way::Email(email) => Ok(deliver::Config { to: email.to.clone(), ..named }),
    }
}

fn kind(number: i32) -> Result<Kind, Unread> {
    let word = Type::try_from(number).map_err(|_| Unread::Unknown("type"))?;
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == word.as_str_name());
    known.ok_or(Unread::Unknown("type"))
}

fn severity(number: i32) -> Result<Severity, Unread> {
    match Level::try_from(number) {
        Ok(Level::Severe) => Ok(Severity::Severe),
        Ok(Level::Moderate) => Ok(Severity::Moderate),
        Ok(Level::Mild) => Ok(Severity::Mild),
        Err(_) => Err(Unread::Unknown("severity")),
    }
}

fn span(
    given: Option<&prost_types::Duration>,
    field: &'static str,
) -> Result<Option<Duration>, Unread> {
    given.map(|span| Duration::try_from(*span).map_err(|_| Unread::Unknown(field))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_alert_has_a_word_in_rules_and_every_word_is_one() {
        for alarm in Kind::ALL {
            let word = Type::from_str_name(alarm.name());
            let read = word.map(|word| kind(word.into()).map_err(|error| error.to_string()));
            assert_eq!(read, Some(Ok(alarm)), "{}", alarm.name());
        }
        let words = (0..).map_while(|number| Type::try_from(number).ok()).count();
        assert_eq!(words, Kind::ALL.len());
    }
}
