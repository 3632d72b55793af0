//! What was in force before, who changed it, and is the record of that whole?
//!
//! `journal` adds to each transaction what is kept about it: a record of what it replaced (`record`) and a
//! line of the audit log (`ledger`; `told`: what it says, and to which tenant). `walk` reads the records backwards and `forms` finds out how
//! resources were; `retention` forgets what is too old. `refusals` writes down who tried in vain.

mod config;
mod error;
mod forms;
mod journal;
mod ledger;
mod record;
mod refusals;
mod retention;
mod told;
mod verify;
mod walk;

pub use config::{AuditConfig, Config};
pub use error::HistoryError;
pub use forms::{Forms, forms_at, shown_form};
pub use journal::{Journal, JournalError, Lines};
pub use record::{Action, Past, Tenants, Touched, touched, without_value};
pub use refusals::{Attempt, Refusal};
pub use retention::Retention;
pub use told::told_to;
pub use walk::{Walk, at_revision};
