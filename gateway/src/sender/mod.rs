//! How is HTTP spoken to a backend?
//!
//! Strictly, and by hand: an exchange runs inside the call that wants it, so a request costs no
//! task switch, and every byte that passes between a client's request and a backend's parser was
//! written by `head`. Nothing here chooses a backend or knows who calls.

mod answer;
mod answer_body;
mod ask;
mod config;
mod dial;
mod exchange;
mod head;
pub mod http2;
mod link;
mod pool;
mod probe;
mod run;
mod trust;
mod tunnel;

pub use answer::AnswerError;
pub use ask::{AskError, ask};
pub use config::Config;
pub use dial::{DialError, Limits};
pub use exchange::{Order, SendError};
pub use head::{Line, Rules, write};
pub use pool::{Connection, Lane, Pool};
pub use probe::{Probe, probe};
pub use run::{Answered, Failure, Running, run};
pub use trust::{Backends, Trust, TrustError};
