//! Who did what, as far as whoever asks may know?

use super::change::Manager;
use super::error::ManageError;
use crate::history::{JournalError, Lines, told_to};
use crate::people::Caller;

/// Lines of the audit log behind `after`, oldest first, at most `most`, written at `since` (Unix seconds)
/// or later: for whoever looks after the operator's all, for a tenant's people what is told to their tenant.
pub async fn audit_lines(
    by: &Caller,
    manager: &Manager,
    after: u64,
    since: i64,
    most: usize,
) -> Result<Lines, ManageError> {
    let lines = manager.journal().lines(after, since, most, |line| {
        if by.sees_everything() {
            return Some(line);
        }
        let tenant = by.tenant();
        told_to(tenant, line).filter(|_| by.sees_past_of(tenant) && !tenant.is_empty())
    });
    Ok(lines.await.map_err(JournalError::from)?)
}
