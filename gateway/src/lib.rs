//! What is inside the gateway, from the outermost floor to the innermost?
//!
//! A module imports only from its own floor and from those below it.

// How it comes up, and what an operator can say and see.
pub mod bootstrap;
pub mod config;
pub mod handover;
pub mod loglevel;
pub mod operations;

// The way of a call, from its client to its backend.
pub mod receiver;

pub mod pipeline;

pub mod explain;

pub mod caching;

pub mod decisions;

pub mod upstream;

pub mod policies;

pub mod conditions;

pub mod access_log;
pub mod account;
pub mod worker;

pub mod open_calls;

pub mod events;

pub mod handlers;

pub mod credentials;
pub mod router;

// What calls are answered by: the configuration in force, keys, revocations; and what is reported.
pub mod snapshot;
pub mod trust;

// Who looks after backends while no call does.
pub mod caretaker;

pub mod assertions;
pub mod bearer;

pub mod generation;
pub mod rpc;
pub mod usage;

// How HTTP is spoken to backends, and what everything above stands on.
pub mod servers;

pub mod sender;

pub mod alarm;
pub mod called;
mod cell;
pub mod cells;
mod compared;
pub mod compression;
pub mod copies;
pub mod counters;
pub mod http1;
pub mod identity;
pub mod interim;
mod latencies;
pub mod limits;
pub mod one_hop;
pub mod overload;
pub mod received;
pub mod spares;
pub mod watched;
pub mod websocket;
pub mod witness;

pub mod fault;

pub mod body;
pub mod certificate;
pub mod date;
pub mod digest;
pub mod escape;
pub mod hex;
pub mod trace;
pub mod trailers;
pub mod without;
