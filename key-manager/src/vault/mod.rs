//! What keeps secrets secret at rest?
//!
//! One master key outside the database. From it come the key that seals private keys and the
//! pepper that client secrets are digested with; neither is ever written down.

mod error;
mod file;
mod master;
mod pepper;
mod seal;

pub use error::VaultError;
pub use master::MasterKey;
pub use pepper::Pepper;
pub use seal::Sealer;
