//! What keeps secrets secret at rest? (KM-124)
//!
//! One master key outside the database. From it come the key that seals private keys and the
//! pepper that client secrets are digested with; neither is ever written down. Passwords of people
//! are weaker than secrets that we make, and get a hash that is slow on purpose.

mod error;
mod file;
mod foreign_hash;
mod master;
mod opaque;
mod passwords;
mod pepper;
mod recovery;
mod refresh_token;
mod seal;
mod totp;

pub use error::VaultError;
pub use master::MasterKey;
pub use opaque::OpaqueTokens;
pub use passwords::{PasswordFailure, PasswordRules, Passwords};
pub use pepper::Pepper;
pub use recovery::{new_recovery_codes, recovery_code};
pub use refresh_token::{family_of, new_family_id, new_refresh_token};
pub use seal::Sealer;
pub use totp::Seed;
