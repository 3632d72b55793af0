//! What do counters remember after a restart?
//!
//! Quotas over a minute and more that this gateway counts itself. Each second what has changed is written
//! down and synced, so a gateway that is killed forgets a second of counting at most. A meter takes over
//! what stands there before it counts for the first time.
//!
//! `journal` is what workers see of it, `keeper` writes, `log` is the file, and `predecessor` reads on in
//! that of a gateway that is being taken over from.

mod figures;
mod journal;
mod keeper;
mod log;
mod predecessor;

pub use journal::Journal;
pub use keeper::{Counters, CountersError};
