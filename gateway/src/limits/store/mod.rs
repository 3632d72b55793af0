//! How do gateways count together in a Redis or Valkey?
//!
//! Reading order: `config` says where it is; a `source` makes connections, of which each worker's `link`
//! holds one; a limit is written as a `rule`, and a `counter` says what is asked and reads the answer. The
//! workers share a `handle` of it; on each a `clerk` asks for its calls and tells what is `known` to be unused.

mod clerk;
mod config;
mod counter;
mod error;
mod handle;
mod known;
mod link;
mod rule;
mod source;

pub use clerk::Clerk;
pub use config::{Config, Mode};
pub use counter::{Answer, Counters, Of, Portion, Verdict};
pub use error::StoreError;
pub use handle::Store;
pub use link::{Connection, Link};
pub use source::{Source, SourceError};
