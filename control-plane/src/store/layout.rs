//! Which key holds what?
//!
//! One resource per key: `objects/Kind/name` or `objects/Kind/name:version`. Beside them stands what is
//! kept about the past: `history/` has a record for each transaction, named by the revision that it
//! changed, because that is known before it is made; `history-parts/` what did not fit into one; `audit/`
//! the lines of the audit log; `people/` what is known of people. Engines add keys of their own, and an etcd that is shared puts a prefix
//! before everything.

use super::contract::Revision;

/// Below it stand the resources.
pub const OBJECTS: &str = "objects/";
/// Below it stand the transactions of the past.
pub const HISTORY: &str = "history/";
/// Below it stand the parts of large ones.
pub const HISTORY_PARTS: &str = "history-parts/";
/// Below it stand the lines of the audit log.
pub const AUDIT: &str = "audit/";
/// Where the last line of the audit log is named.
pub const AUDIT_HEAD: &str = "audit-head";

/// Below it stands what is known of people.
pub const PEOPLE: &str = "people/";

/// Where the resource `Kind/name[:version]` is stored.
pub fn object_key(resource: &str) -> String {
    format!("{OBJECTS}{resource}")
}

/// Which resource is stored under `key`; none: the key is not a resource's.
pub fn resource_key(key: &str) -> Option<&str> {
    key.strip_prefix(OBJECTS)
}

/// Where the transaction after `base` is told of.
pub fn history_key(base: Revision) -> String {
    format!("{HISTORY}{base:020}")
}

/// After which revision the transaction was made that is told of under `key`.
pub fn history_base(key: &str) -> Option<Revision> {
    key.strip_prefix(HISTORY)?.parse().ok()
}

/// Below it stand the parts of the transactions after `base`.
pub fn parts_key(base: Revision) -> String {
    format!("{HISTORY_PARTS}{base:020}/")
}

/// Where a part of the transaction `id` after `base` stands.
pub fn part_key(base: Revision, id: u64, number: u32) -> String {
    format!("{}{id:016x}/{number:06}", parts_key(base))
}

/// Where a line of the audit log stands.
pub fn audit_key(sequence: u64) -> String {
    format!("{AUDIT}{sequence:020}")
}

/// The first key behind all that begin with `prefix`, which ends in an ASCII character.
pub fn end_of(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    if let Some(last) = end.pop() {
        let next = u8::try_from(last).map_or(u8::MAX, |last| last.saturating_add(1));
        end.push(char::from(next));
    }
    end
}
