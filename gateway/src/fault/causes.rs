//! What lies behind a fault?
//!
//! For the log, and for whoever answers for the API. Other clients are never told.

use std::error::Error;
use std::fmt;

use super::reason::Fault;

/// A fault with what lies behind it.
#[derive(Debug)]
pub struct Causes<'a>(pub &'a Fault);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
