//! How are callers and what they call named, to engines and to people?

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::call::Call;

/// Names and values.
pub(super) type Words = Vec<(&'static str, String)>;

/// What no name has in it.
pub(super) const SEPARATOR: &str = "\u{1f}";

/// Adds one text of several to a text, which no others make.
pub(super) fn join<'p>(parts: impl IntoIterator<Item = &'p str>, to: &mut String) {
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            to.push_str(SEPARATOR);
        }
        to.push_str(part);
    }
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

/// What something is about: names and values, of which those that are empty are left out.
pub(super) type About<'c, const N: usize> = [(&'static str, &'c str); N];

pub(super) const fn about_version<'c>(call: &Call<'c>) -> About<'c, 2> {
    [("api", call.api), ("api_version", call.api_version)]
}

pub(super) const fn about_operation<'c>(call: &Call<'c>) -> About<'c, 3> {
    let [api, version] = about_version(call);
    [api, version, ("operation", call.operation)]
}

/// The caller, with its application.
pub(super) const fn about_caller<'c>(call: &Call<'c>) -> About<'c, 3> {
    [("application", call.application), ("user", call.user), ("client", call.client)]
}

/// What the caller did.
pub(super) const fn about_use<'c>(call: &Call<'c>) -> About<'c, 6> {
    let ([api, version, operation], [application, user, client]) =
        (about_operation(call), about_caller(call));
    [api, version, operation, application, user, client]
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
