//! What outlives the process, and what may the floors above ask of it?
//!
//! `contract` is the promise, `record` its words, `sql` the one layer that keeps it on SQLite and
//! on PostgreSQL. Access tokens are not stored (KM-032, KM-123): state is clients, people, what
//! they allowed, refresh families, keys and the revocation log.

mod contract;
mod record;
mod sql;

pub use contract::{Store, StoreError};
pub use record::{
    AuditHead, AuditLine, Chain, DeviceState, Failures, GatewayKey, Grant, Joined, KeyChange,
    KeyHome, Ledger, Note, Noted, Room, Rotation, Slower, StoredAuthenticator, StoredClient,
    StoredCode, StoredConsent, StoredDevice, StoredFamily, StoredKey, StoredPasskey, StoredPush,
    StoredSecret, StoredSession, StoredUser, Use, Used,
};
pub use sql::{Config, DatabaseUrl, DatabaseUrlError, SqlStore};
