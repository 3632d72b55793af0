//! `turnpike up`: how does a whole system run on one machine, for development and for a first look?
//!
//! `layout` says which programs run and how they find each other, `process` starts and ends one,
//! `supervise` keeps it running, `ready` asks whether it serves, `logs` keeps what it says, `sample`
//! publishes an API that can be called at once, `greeting` tells of it, `command` puts them in
//! order.

mod command;
mod error;
mod greeting;
mod layout;
mod logs;
mod process;
mod ready;
mod sample;
mod supervise;

pub(crate) use command::{Options, up};
pub(crate) use error::UpError;
pub(crate) use process::{RunChild, run_child};
