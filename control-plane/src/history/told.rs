//! What does the line of a change say, and what of it is told to a tenant?
//!
//! A line names the tenant whose all of it is (`tenant`). A change that touches what is several tenants', or
//! the operator's too, is one line in the log all the same, and says for each of them what was theirs
//! (`resources@acme`). What names no tenant is told to the operator's people alone.

use std::collections::BTreeSet;

use audit_chain::{Line, Note};
use chassis::hex;
use serde_json::{Map, Value};

use super::record::{Action, Touched};
use crate::store::Transaction;

/// The longest detail, in bytes.
const DETAIL: usize = 1024;
/// What all that is said for single tenants may take.
const APART: usize = 4096;
/// So many resources are named in a line.
const NAMED: usize = 20;
/// Whose all of a line is.
pub(super) const TENANT: &str = "tenant";
const RESOURCES: &str = "resources";
const AFTER: &str = "after";

/// The line of a transaction. `tenant`: whose it is where it touches no resources; empty: the operator's.
pub(super) fn note_of(
    transaction: &Transaction,
    touched: &[Touched],
    digest: &[u8],
    tenant: &str,
) -> Note {
    let made = &transaction.note;
    let (after, record) = (transaction.base.to_string(), hex(digest));
    let all = touched.iter().map(|one| (one, one.action));
    let mut details = Map::new();
    for (name, value) in [
        (RESOURCES, named(all, DETAIL)),
        (AFTER, after),
        ("record", record),
        ("reason", made.reason.clone()),
        ("trace", made.traceparent.clone()),
    ] {
        if !value.is_empty() {
            details.insert(name.to_owned(), shortened(&value, DETAIL).into());
        }
    }
    tell_tenants(&mut details, touched, tenant);
    Note {
        at: made.committed_at_us.div_euclid(1_000_000),
        event: "resources.changed".to_owned(),
        who: made.by.clone(),
        outcome: "ok".to_owned(),
        details: Value::Object(details).to_string(),
        ..Note::default()
    }
}

fn tell_tenants(details: &mut Map<String, Value>, touched: &[Touched], maker: &str) {
    let mut tenants = BTreeSet::new();
    for one in touched {
        match one.of_tenants() {
            Some(theirs) => tenants.extend(theirs),
            None => _ = tenants.insert(""),
        }
    }
    if touched.is_empty() {
        tenants.insert(maker);
    }
    if let (Some(tenant), 1) = (tenants.first(), tenants.len()) {
        if !tenant.is_empty() {
            details.insert(TENANT.to_owned(), (*tenant).into());
        }
        return;
    }
    tenants.remove("");
    let share = APART.checked_div(tenants.len()).unwrap_or_default();
    let mut room = APART;
    for tenant in tenants {
        let name = apart(tenant);
        let theirs = touched.iter().filter_map(|one| Some((one, one.seen_from(tenant)?)));
        let said = named(theirs, share.saturating_sub(name.len()));
        let Some(left) = room.checked_sub(name.len().saturating_add(said.len())) else { return };
        room = left;
        details.insert(name, said.into());
    }
}

fn apart(tenant: &str) -> String {
    format!("{RESOURCES}@{tenant}")
}

/// "Tier/Gold updated, …", of at most so many bytes, and how many more there are.
fn named<'t>(touched: impl Iterator<Item = (&'t Touched, Action)> + Clone, most: usize) -> String {
    let words = touched.clone().take(NAMED).map(|(one, action)| {
        let action = match action {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
        };
        format!("{} {action}", one.key)
    });
    let named = shortened(&words.collect::<Vec<_>>().join(", "), most);
    match touched.count().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{named} and {more} more"),
        _ => named,
    }
}

/// As much of a line as a tenant is told; none: it is none of theirs. A line that is told in part keeps its
/// place and its hash.
pub fn told_to(tenant: &str, mut line: Line) -> Option<Line> {
    let mut details: Map<String, Value> = serde_json::from_str(&line.note.details).ok()?;
    if details.get(TENANT).and_then(Value::as_str) == Some(tenant) {
        return Some(line);
    }
    let theirs = details.remove(&apart(tenant))?;
    // Why it was done, and everything else, may speak of others.
    let mut part = Map::from_iter([(RESOURCES.to_owned(), theirs)]);
    if let Some(after) = details.remove(AFTER) {
        part.insert(AFTER.to_owned(), after);
    }
    line.note.details = Value::Object(part).to_string();
    Some(line)
}

/// At most so many bytes of a text, cut between characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::record::Tenants;

    /// "action key before>after" of each touched resource, `-` for the operator; what the line says of
    /// tenants, and what each of them is told.
    #[track_caller]
    fn check(touched: &[&str], said: &str, told: &[(&str, Option<&str>)]) {
        let touched: Vec<Touched> = touched.iter().map(|text| of(text)).collect();
        let note = note(&touched);
        let details: Map<String, Value> = serde_json::from_str(&note.details).unwrap();
        let of_tenants = details.iter().filter(|(name, _)| name.contains('@') || *name == TENANT);
        let found: Vec<String> =
            of_tenants.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), said);
        for (tenant, expected) in told {
            let line = Line { sequence: 7, note: note.clone(), ..Line::default() };
            let found = told_to(tenant, line).map(|line| {
                let details: Map<String, Value> = serde_json::from_str(&line.note.details).unwrap();
                details[RESOURCES].as_str().unwrap().to_owned()
            });
            assert_eq!(found.as_deref(), *expected, "{tenant}");
        }
    }

    fn note(touched: &[Touched]) -> Note {
        let transaction = Transaction {
            id: [0; 16],
            base: 1,
            guards: Vec::new(),
            expected: Vec::new(),
            changes: Vec::new(),
            note: crate::store::Note::default(),
        };
        note_of(&transaction, touched, b"", "")
    }

    fn of(text: &str) -> Touched {
        let [action, key, tenants] = text.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        let plain = |name: &str| name.trim_matches('-').to_owned();
        Touched {
            key: key.parse().unwrap(),
            action: match action {
                "created" => Action::Created,
                "updated" => Action::Updated,
                _ => Action::Deleted,
            },
            digest: bytes::Bytes::new(),
            former_revision: 0,
            before: None,
            tenants: tenants
                .split_once('>')
                .map(|(before, after)| Tenants { before: plain(before), after: plain(after) }),
        }
    }

    #[test]
    fn what_is_one_tenants_is_told_to_it_and_to_no_other() {
        let both = ["created Tier/a ->acme", "deleted Tier/b acme>-"];
        let told = Some("Tier/a created, Tier/b deleted");
        check(&both, "tenant=\"acme\"", &[("acme", told), ("acm", None), ("other", None)]);
    }

    #[test]
    fn what_is_the_operators_or_nobody_knows_whose_is_told_to_no_tenant() {
        check(&["updated Tier/a ->-"], "", &[("acme", None)]);
        check(&["updated Tier/a ?"], "", &[("acme", None), ("?", None)]);
    }

    #[test]
    fn of_what_is_several_tenants_each_is_told_its_own() {
        check(
            &["updated Tier/a acme>acme", "updated Tier/b other>other", "created Tier/c ->-"],
            "resources@acme=\"Tier/a updated\" resources@other=\"Tier/b updated\"",
            &[("acme", Some("Tier/a updated")), ("other", Some("Tier/b updated")), ("third", None)],
        );
    }

    #[test]
    fn what_changes_hands_goes_for_the_one_and_comes_for_the_other() {
        check(
            &["updated Tier/a acme>other"],
            "resources@acme=\"Tier/a deleted\" resources@other=\"Tier/a created\"",
            &[("acme", Some("Tier/a deleted")), ("other", Some("Tier/a created"))],
        );
    }

    #[test]
    fn what_is_said_of_many_tenants_has_a_bound() {
        let touched: Vec<Touched> =
            (0..1000).map(|n| of(&format!("created Tier/t{n} ->tenant{n}"))).collect();
        let note = note(&touched);
        assert!(note.details.len() < APART + 3 * DETAIL + 4096, "{}", note.details.len());
    }
}
