//! What happened, who did it, and has anybody changed the record of it since?
//!
//! Whatever changes the state of the key manager writes its line in the same transaction: there is
//! no change without a line and no line without its change. What changes nothing, like a login that
//! failed, is written before it is answered; when it cannot be written, the answer is 503. Only what
//! happens too often for a write each – tokens issued, clients that did not prove who they are – is
//! counted, and the counts are written together (KM-123).

mod chain;
mod event;
mod log;
mod tally;
mod verify;

pub use event::Event;
pub use log::{Audit, AuditRules};
pub use verify::{Anchor, Break, Verdict, verify};
