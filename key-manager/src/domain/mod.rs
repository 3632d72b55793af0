//! What are the things that the key manager speaks of?
//!
//! Plain values without I/O: every floor above may use them, and they know nobody.

mod about;
mod authentication;
mod client;
mod confirmation;
mod deceptive;
mod key;
mod login_method;
mod network;
mod profile;
mod provider;
mod redirect;
mod response_type;
mod restrictions;
mod revocation;
mod roles;
mod scope;
mod scope_registry;
mod terms;
mod token;
mod user;
mod wishes;

pub use about::{About, AboutError};
pub use authentication::{AuthMethod, Authentication, CertificateName, UnknownMethod};
pub use client::{Client, ClientId, ClientIdError, RefreshPolicy, Requests, UnknownPolicy};
pub use confirmation::Confirmation;
pub use deceptive::is_deceptive;
pub use key::{KeyState, TokenAlgorithm, UnknownAlgorithm};
pub use login_method::{First, LoginMethod, Second, UnknownLogin};
pub use network::network;
pub use profile::{Profile, ProfileError};
pub use provider::{
    Connection, Introspection, Linking, Provider, ProviderClient, ProviderKeys, ProviderLogin,
    Registration, SecretValue,
};
pub use redirect::{RedirectUri, RedirectUriError};
pub use response_type::{ResponseType, UnknownResponse};
pub use restrictions::{RestrictionError, Restrictions};
pub use revocation::{Ended, Entry, FORGET_MARGIN_SECONDS, Revocation};
pub use roles::{RoleError, Roles};
pub use scope::{ScopeError, Scopes};
pub use scope_registry::{RegistryError, ScopeRefusal, ScopeRegistry, ScopeRule};
pub use terms::Terms;
pub use token::LiveToken;
pub use user::{Password, PasswordError, User, UserName, UserNameError};
pub use wishes::Wishes;
