//! Does a call come through as it should, and is it refused as it should?
//!
//! Each suite starts real workers on loopback with resources given as text, and talks to them and
//! to a backend of its own byte by byte.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod backend_answers;
#[cfg(test)]
mod backend_jwt;
#[cfg(test)]
mod backend_tls;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod cors;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod decision_failures;
#[cfg(test)]
mod decision_point;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod deny;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod endpoint_security;
#[cfg(test)]
mod event_limits;
#[cfg(test)]
mod events;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod http2_backend;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod interim;
#[cfg(test)]
mod introspector;
#[cfg(test)]
mod limit_model;
#[cfg(test)]
mod limit_model_stored;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod open_ends;
#[cfg(test)]
mod origin;
#[cfg(test)]
mod passing;
#[cfg(test)]
mod products;
#[cfg(test)]
#[expect(
    unreachable_pub,
    dead_code,
    clippy::disallowed_methods,
    reason = "a file of the harness of the system tests"
)]
#[path = "../../../tests/harness/redis.rs"]
mod redis;
#[cfg(test)]
mod refused_streams;
#[cfg(test)]
mod reported;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shared_limits;
#[cfg(test)]
mod sick_backends;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upstreams;
#[cfg(test)]
mod variants;
#[cfg(test)]
mod websocket;
