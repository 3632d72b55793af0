//! How does an answer reach the person, or the program, that asked?
//!
//! Every command makes a `Report`: a value for programs and parts for people. `print` writes it to
//! standard output in the chosen format; notes, progress and errors go to standard error.

mod print;
mod report;
mod table;

pub(crate) use print::{Format, Printer, note};
#[cfg(test)]
pub(crate) use report::Part;
pub(crate) use report::Report;
pub(crate) use table::{Cell, Table};
