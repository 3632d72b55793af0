//! How are callers and what they call named, to engines and to people?

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::call::Call;

/// Names and values.
pub(super) type Words = Vec<(&'static str, String)>;

/// What no name has in it.
const SEPARATOR: char = '\u{1f}';

/// One text of several, which no others make.
pub(super) fn joined(parts: &[&str]) -> String {
    parts.join("\u{1f}")
}

/// The texts of which a text was made.
pub(super) fn parts(joined: &str) -> impl Iterator<Item = &str> {
    joined.split(SEPARATOR)
}

/// A number for a text, the same in every process.
pub(super) fn number(text: &str) -> u64 {
    // Fixed keys: a recorded stream is judged as the live one was.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn about_version(call: &Call<'_>) -> Words {
    vec![("api", call.api.to_owned()), ("api_version", call.api_version.to_owned())]
}

pub(super) fn about_operation(call: &Call<'_>) -> Words {
    let mut about = about_version(call);
    about.push(("operation", call.operation.to_owned()));
    about
}

/// The caller, with its application.
pub(super) fn about_caller(call: &Call<'_>) -> Words {
    vec![
        ("application", call.application.to_owned()),
        ("user", call.user.to_owned()),
        ("client", call.client.to_owned()),
    ]
}

pub(super) fn named(call: &Call<'_>) -> String {
    format!("{}:{} {}", call.api, call.api_version, call.operation)
}

pub(super) fn who(user: &str, client: &str) -> String {
    match (user, client) {
        ("", client) => format!("Client {client}"),
        (user, "") => format!("User {user}"),
        (user, client) => format!("User {user} of client {client}"),
    }
}

/// Microseconds for people.
#[expect(clippy::cast_precision_loss, reason = "a time for people")]
pub(super) fn milliseconds(us: u64) -> String {
    format!("{:.0} ms", us as f64 / 1000.0)
}
