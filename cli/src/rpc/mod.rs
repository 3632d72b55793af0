//! How does the command line speak with the services?
//!
//! `connection` finds a service and shows a certificate to it, `kind` and `resources` read and
//! remove resources of any kind, `json` shows a message to programs, `call` says what went wrong.

mod call;
mod connection;
mod json;
mod kind;
mod resources;

pub(crate) use call::CallError;
pub(crate) use connection::{ConnectionError, Options, Wire};
pub(crate) use json::of_message;
pub(crate) use kind::{Kind, UnknownKind};
pub(crate) use resources::{Deleted, Name, delete, get, list};
