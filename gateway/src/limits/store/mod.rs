//! How do gateways count together in a Redis or Valkey?
//!
//! Reading order: `config` says where it is; a `source` makes connections, of which each worker's `link`
//! holds one; a limit is written as a `rule`, and a `counter` says what is asked and reads the answer.

mod config;
mod counter;
mod error;
mod link;
mod rule;
mod source;

pub use config::{Config, Mode};
pub use counter::{Answer, Counters, Of, Portion, Settlement, Verdict};
pub use error::StoreError;
pub use link::{Connection, Link};
pub use source::{Source, SourceError};
