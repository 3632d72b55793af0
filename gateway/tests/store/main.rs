//! Does a real Redis count as a meter counts, and what becomes of calls while it does not?

#[cfg(test)]
mod changes;
#[cfg(test)]
mod config;
#[cfg(test)]
mod equal;
#[cfg(test)]
mod ground;
#[cfg(test)]
#[expect(
    unreachable_pub,
    dead_code,
    clippy::disallowed_methods,
    reason = "a file of the harness of the system tests"
)]
#[path = "../../../tests/harness/redis.rs"]
mod redis;
