//! When may a client come again that was refused for now?

use super::reason::{CredentialRefused, Fault};

/// The longest that is told about a backend.
const MOST_SECONDS: u64 = 3600;

impl Fault {
    /// What is kept of the refusal of a limit: that it was one, and when there is room again.
    #[must_use]
    pub const fn of_limit(&self) -> Self {
        match self {
            Self::Throttled { limit, retry_after_us } => {
                Self::Throttled { limit: *limit, retry_after_us: *retry_after_us }
            }
            _ => Self::NotCounted,
        }
    }

    /// In how many seconds, rounded up; `None`: nothing is known of it, or coming again changes nothing.
    /// `Retry-After` says it (RFC 9110 section 10.2.3), and to gRPC `google.rpc.RetryInfo`.
    pub fn retry_after_s(&self) -> Option<u64> {
        Some(match self {
            Self::Throttled { retry_after_us, .. } => retry_after_us.div_ceil(1_000_000),
            Self::BackendSuspended { retry_after } => {
                let seconds = retry_after.as_millis().div_ceil(1000);
                u64::try_from(seconds).unwrap_or(MOST_SECONDS).clamp(1, MOST_SECONDS)
            }
            Self::Overloaded { retry_after_s } => u64::from(*retry_after_s),
            Self::InvalidCredential(CredentialRefused::Locked(seconds)) => u64::from(*seconds),
            _ => return None,
        })
    }
}
