//! How is a report of an import told?

use ::import::{Outcome, Report};
use plan::Resource;
use serde_json::{Value, json};

use crate::output::note;

/// What was changed and left in a large document is told in part.
const MOST_SENTENCES: usize = 40;

/// To a person, on standard error: what was changed and what was left, and how much was taken.
pub(super) fn in_sentences(report: &Report, resources: &[Resource]) {
    let [taken, changed, left] = report.counts();
    let title = match report.title.as_str() {
        "" => String::new(),
        title => format!("{title}: "),
    };
    note(format_args!(
        "{title}{}; {} resources; {taken} taken, {changed} changed, {left} left",
        report.dialect,
        resources.len()
    ));
    let told = report.items.iter().filter(|item| item.outcome != Outcome::Taken);
    for item in told.clone().take(MOST_SENTENCES) {
        let place = if item.place.is_empty() { String::new() } else { format!("{}: ", item.place) };
        let (name, reason) = (item.outcome.name(), item.outcome.reason());
        note(format_args!("{name}: {place}{}: {reason}", item.what));
    }
    let beyond = told.count().saturating_sub(MOST_SENTENCES) + report.beyond;
    if beyond > 0 {
        note(format_args!("… and {beyond} more; --report json tells all"));
    }
}

/// To a program.
pub(super) fn as_json(report: &Report) -> Value {
    let items: Vec<Value> = report
        .items
        .iter()
        .map(|item| {
            json!({
                "place": item.place,
                "what": item.what,
                "outcome": item.outcome.name(),
                "reason": item.outcome.reason(),
            })
        })
        .collect();
    json!({
        "dialect": report.dialect,
        "title": report.title,
        "items": items,
        "beyond": report.beyond,
    })
}
