//! What does the declarative configuration of Kong, as decK writes it, say?
//!
//! A route of a service becomes an Api, an upstream the servers of its endpoint, plugins what stands for
//! them here, a consumer an Application with its API keys. `deck` finds what belongs together, `route`
//! makes Apis, `backend` their endpoints, `plugin` decides what a plugin means, `limits` and
//! `transformer` read two of them, `consumer` makes Applications.

mod backend;
mod consumer;
mod deck;
mod limits;
mod plugin;
mod route;
mod transformer;

pub(crate) use route::read;
