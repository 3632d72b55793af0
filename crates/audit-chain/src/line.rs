//! What does a line say?

use std::fmt;

/// What happened, before it has its place in the log. Nothing here is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Unix seconds.
    pub at: i64,
    /// Like `user.created`.
    pub event: String,
    /// Who did it: a subject, or the name of a service; empty: nobody that is known.
    pub who: String,
    /// The client that it happened for; empty: none.
    pub client: String,
    /// Where it was asked from; empty: not known.
    pub address: String,
    /// `ok`, or why not.
    pub outcome: String,
    /// More, as a JSON object of texts.
    pub details: String,
}

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its place; sequences grow by one.
    pub sequence: u64,
    /// What it says.
    pub note: Note,
    /// The hash of the line before.
    pub former: String,
    /// Its own.
    pub hash: String,
}

/// The end of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// 0: nothing was written yet.
    pub sequence: u64,
    /// Of the last line.
    pub hash: String,
}

/// Ties a line to the one before it.
pub trait Chain: fmt::Debug + Send + Sync {
    /// The hash of the line at `sequence` that follows the one with the hash `former`.
    fn link(&self, sequence: u64, former: &str, note: &Note) -> String;
}

/// What a line is hashed as, besides its sequence.
pub fn text(former: &str, note: &Note) -> String {
    let Note { at, event, who, client, address, outcome, details } = note;
    // A JSON list keeps the texts apart, whatever is in them.
    serde_json::json!([former, at, event, who, client, address, outcome, details]).to_string()
}
