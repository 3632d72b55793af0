//! What can be said about something that happened?

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The longest detail, in bytes; part of it may be somebody else's text.
const LONGEST_DETAIL: usize = 256;

/// Something that happened. Secrets and tokens are never part of it.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) name: &'static str,
    pub(super) who: Option<String>,
    pub(super) client: String,
    pub(super) address: Option<IpAddr>,
    pub(super) outcome: &'static str,
    pub(super) details: BTreeMap<&'static str, String>,
}

impl Event {
    pub const fn of(name: &'static str) -> Self {
        let details = BTreeMap::new();
        Self { name, who: None, client: String::new(), address: None, outcome: "ok", details }
    }

    /// Who did it, if not the one for whom the log was opened.
    #[must_use]
    pub fn by(mut self, who: &str) -> Self {
        self.who = Some(who.to_owned());
        self
    }

    /// The client that it happened for.
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        client.clone_into(&mut self.client);
        self
    }

    #[must_use]
    pub const fn from(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// `ok` unless it is said here.
    #[must_use]
    pub const fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }

    /// What else there is to know; cut where it is too long.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        let mut end = value.len().min(LONGEST_DETAIL);
        while !value.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        self.details.insert(name, value.get(..end).unwrap_or_default().to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, length: usize) {
        let event = Event::of("test").with("name", value);
        assert_eq!(event.details["name"].len(), length);
    }

    #[test]
    fn a_detail_is_cut_between_characters() {
        check("short", 5);
        check(&"a".repeat(400), 256);
        check(&format!("a{}", "\u{e4}".repeat(200)), 255);
    }
}
