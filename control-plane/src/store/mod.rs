//! Where do resources live, and what may the rest of the control plane rely on there?
//!
//! `contract` says it once; `embedded` and `etcd` keep it, and one suite (`tests/store`) runs on
//! both. `layout` owns the keys and `record` the values; `keyring` and `seal` keep secrets unreadable
//! at rest, and `rotation` replaces the key that all others are wrapped with.

mod config;
mod contract;
mod embedded;
mod etcd;
mod instance;
mod keyring;
mod layout;
mod record;
mod rotation;
mod seal;
#[cfg(test)]
mod wiped_tests;

pub use config::{Config, Engine, SecretsConfig, open, open_counters, open_presence};
pub use contract::{
    Batch, Beside, Change, Entry, Event, Expected, Guard, Limits, Listing, Note, Position, Range,
    Revision, Store, StoreError, Transaction, Watch,
};
pub use embedded::Embedded;
pub use etcd::{Config as EtcdConfig, Etcd, Lease, Leased};
pub use keyring::{Keyring, KeyringError};
pub use layout::{
    AUDIT, AUDIT_HEAD, HISTORY, HISTORY_PARTS, OBJECTS, PEOPLE, audit_key, end_of, history_base,
    history_key, object_key, part_key, parts_key, resource_key,
};
pub use record::{Record, RecordError};
pub use rotation::{Rotated, rotate};
pub use seal::{MasterKey, SealError};
