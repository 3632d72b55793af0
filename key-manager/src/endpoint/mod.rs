//! What do the OAuth endpoints answer?
//!
//! One implementation, below both the HTTPS port and `TokenEndpoint/Forward`: a request comes in as a
//! value and an answer goes out as a value, whoever carries them.

mod account;
mod account_page;
mod answer;
mod audience;
mod authority;
mod authorize;
mod backchannel;
mod bound;
mod choice;
mod claims;
mod cors;
mod credentials;
mod details;
mod device;
mod device_page;
mod discovery;
mod elsewhere;
mod factor_pages;
mod farewell;
mod front;
mod interaction;
mod introspect;
mod jwks;
mod login;
mod logout;
mod pages;
mod passkey_pages;
mod passkeys;
mod paths;
mod ping;
mod pushed;
mod refusal;
mod register;
mod reply;
mod report;
mod request;
mod request_object;
mod request_uri;
mod response;
mod revoke;
mod scope;
mod second_factor;
mod sign_up;
mod small_print;
mod theme;
mod ticket;
mod token;
mod userinfo;
mod wanted;

pub use answer::answer;
pub use authority::Authority;
pub use credentials::{Authenticated, authenticate_for_gateway};
pub use details::DetailTypes;
pub use farewell::Farewells;
pub use introspect::introspect_for_gateway;
pub use login::{LoginRules, Mfa};
pub use passkeys::PasskeyUse;
pub use paths::{Issuer, IssuerError};
pub use refusal::Refusal;
pub use request::{LARGEST_BODY, Peer, Reply, Request};
pub use request_uri::RemoteObjects;
pub use sign_up::SignUp;
pub use theme::{Theme, ThemeError};
