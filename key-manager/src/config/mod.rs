//! What can be configured? `default.toml` is the documentation.
//!
//! Adding a section: its struct in the file it belongs to, a field in `file`, its keys in
//! `default.toml` and `docs/config.md`.

mod assertions;
mod certificates;
mod clients;
mod details;
mod federation;
mod file;
mod people;
mod plugins;
mod scopes;
mod tokens;
mod value;
mod watch;

pub use assertions::{AssertionsConfig, SamlConfig, TrustedConfig};
pub use certificates::CertificatesConfig;
pub use clients::{ClientsConfig, DpopConfig, OutboundConfig, RegistrationConfig};
pub use details::DetailsConfig;
pub use federation::FederationConfig;
pub use file::Config;
pub use people::{LdapConfig, LoginConfig, PagesConfig};
pub use plugins::{GrantPluginConfig, PluginsConfig};
pub use scopes::ScopesConfig;
pub use tokens::{
    IssuerConfig, KeysConfig, Pkcs11Config, RefreshConfig, RevocationsConfig, TokensConfig,
};
pub use watch::{AuditConfig, CollectorConfig, FraudConfig};
