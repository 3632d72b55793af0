//! Does a whole control plane do what gateways, administrators and operators rely on?
//!
//! Real ports, real mutual TLS, real files; the gateways are the test's own.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod asked_about;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod etcd;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod history;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod people;
#[cfg(test)]
mod proxied;
#[cfg(test)]
#[path = "../store/proxy.rs"]
#[expect(dead_code, reason = "answers are lost where stores are tried")]
mod proxy;
#[cfg(test)]
mod released;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod same_state;
#[cfg(test)]
#[path = "../store/server.rs"]
mod server;
#[cfg(test)]
mod skew;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod states;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod turned_away;
