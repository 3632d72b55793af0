//! What is sent of alerts?

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::alert::history::{Alert, Severity};

/// Alerts with the same cause, worst first.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Identifies it: that of its first alert. It is the same when it is sent again.
    pub id: String,
    /// Their cause.
    pub cause: String,
    /// The worst of them.
    pub severity: Severity,
    /// One sentence for people.
    pub summary: String,
    /// The alerts.
    #[serde(serialize_with = "listed")]
    pub alerts: Vec<Arc<Alert>>,
}

fn listed<S: Serializer>(alerts: &[Arc<Alert>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(alerts.iter().map(AsRef::<Alert>::as_ref))
}

/// One message for each cause; an alert without one stands for itself.
pub fn group(alerts: Vec<Arc<Alert>>) -> Vec<Message> {
    let mut groups: Vec<Vec<Arc<Alert>>> = Vec::new();
    for alert in alerts {
        let same = |group: &&mut Vec<Arc<Alert>>| {
            !alert.cause.is_empty() && group.first().is_some_and(|one| one.cause == alert.cause)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(alert),
            None => groups.push(vec![alert]),
        }
    }
    groups.into_iter().filter_map(message).collect()
}

fn message(mut alerts: Vec<Arc<Alert>>) -> Option<Message> {
    let id = alerts.first()?.id.clone();
    alerts.sort_by_key(|alert| alert.severity);
    let first = alerts.first()?;
    let (cause, severity) = (first.cause.clone(), first.severity);
    let summary = match alerts.len() {
        1 => first.message.clone(),
        many => format!("{} ({} more about {cause})", first.message, many - 1),
    };
    Some(Message { id, cause, severity, summary, alerts })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn alert(word: &str) -> Arc<Alert> {
        let (cause, severity) = word.split_once('=').unwrap();
        let severity = match severity {
            "severe" => Severity::Severe,
            "moderate" => Severity::Moderate,
            _ => Severity::Mild,
        };
        Arc::new(Alert {
            id: word.to_owned(),
            kind: "AbnormalBackendTime".into(),
            severity,
            raised_at_us: 0,
            minute: 0,
            message: format!("{word}."),
            api: String::new(),
            api_version: String::new(),
            application: String::new(),
            cause: cause.to_owned(),
            evidence: BTreeMap::new(),
        })
    }

    /// Alerts as `cause=severity`, and what is said of them.
    #[track_caller]
    fn check(alerts: &str, said: &[&str]) {
        let messages = group(alerts.split_whitespace().map(alert).collect());
        let summaries: Vec<&str> = messages.iter().map(|it| it.summary.as_str()).collect();
        assert_eq!(summaries, said);
    }

    #[test]
    fn alerts_with_one_cause_are_one_message_with_the_worst_first() {
        check("a=mild a=severe b=mild a=moderate", &["a=severe. (2 more about a)", "b=mild."]);
    }

    #[test]
    fn alerts_without_a_cause_stand_for_themselves() {
        check("=mild =mild", &["=mild.", "=mild."]);
    }
}
