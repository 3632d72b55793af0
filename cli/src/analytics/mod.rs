//! `turnpike analytics …`: what was called, how fast, how often in vain, and from where?
//!
//! `command` is what can be asked, `selection` says about which calls. `summaries` shows answers whose
//! columns are known, `counts` those that name their columns, `calls` the calls themselves, and
//! `month` fetches files.

mod calls;
mod command;
mod counts;
mod month;
mod selection;
mod summaries;

pub(crate) use calls::tail;
pub(crate) use command::{Question, ask};
pub(crate) use month::report;
