//! Is the caller the client that it says it is?
//!
//! Stands outside the grants, so that none of them can skip it (decision D8). `method` says what a
//! request shows, `authenticate` whether that is what was agreed with the client and whether it
//! holds; `settings` is the agreement at registration.

mod assertion;
mod certificate;
mod distinguished;
mod guesses;
mod keys;
mod known;
mod method;
mod secret;

mod authenticate;
mod settings;

pub use assertion::{ASSERTION_ALGORITHMS, AssertionError, AssertionRules, is_fapi2};
pub use authenticate::{AuthError, Authenticator};
pub use certificate::{Certificates, thumbprint};
pub use guesses::Guesses;
pub use keys::{KeysError, RemoteKeys};
pub use known::KnownClients;
pub use method::{Credentials, MethodError, Presented, Shown};
pub use secret::{NewSecret, new_client_id, new_secret, sealed_for};
pub use settings::{SettingError, Settings};
