//! What happened in a month, as a file?
//!
//! `month` counts; `csv`, `json` and `pdf` write it down.

pub mod csv;
pub mod json;
pub mod month;
pub mod pdf;

pub use month::{Counts, Month, Monthly, MonthlyRow, monthly};
