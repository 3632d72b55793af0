//! What does a definition, or the configuration of another gateway, mean here?
//!
//! `command` is `turnpike import`; `folder` reads a project folder; `told` says what became of what.

mod command;
mod folder;
mod told;

pub(crate) use command::{Import, import};
