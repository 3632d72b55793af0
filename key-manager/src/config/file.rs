//! Which sections does the file have?

use chassis::config::ServiceConfig;
use serde::Deserialize;

use super::assertions::AssertionsConfig;
use super::certificates::CertificatesConfig;
use super::clients::{ClientsConfig, DpopConfig, OutboundConfig, RegistrationConfig};
use super::details::DetailsConfig;
use super::federation::FederationConfig;
use super::people::{LdapConfig, LoginConfig, PagesConfig};
use super::plugins::PluginsConfig;
use super::scopes::ScopesConfig;
use super::tokens::{IssuerConfig, KeysConfig, RefreshConfig, RevocationsConfig, TokensConfig};
use super::watch::{AuditConfig, CollectorConfig, FraudConfig};
use crate::store;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub service: ServiceConfig,
    pub https: chassis::https::Config,
    pub rpc: chassis::rpc::Config,
    pub operations: chassis::operations::Config,
    pub pki: chassis::pki::Config,
    pub telemetry: chassis::telemetry::Config,
    pub store: store::Config,
    pub issuer: IssuerConfig,
    pub tokens: TokensConfig,
    pub refresh: RefreshConfig,
    pub login: LoginConfig,
    pub keys: KeysConfig,
    pub revocations: RevocationsConfig,
    pub clients: ClientsConfig,
    pub dpop: DpopConfig,
    pub certificates: CertificatesConfig,
    pub outbound: OutboundConfig,
    pub registration: RegistrationConfig,
    pub assertions: AssertionsConfig,
    pub plugins: PluginsConfig,
    pub scopes: ScopesConfig,
    pub authorization_details: DetailsConfig,
    pub audit: AuditConfig,
    pub fraud: FraudConfig,
    pub ldap: LdapConfig,
    pub pages: PagesConfig,
    pub collector: CollectorConfig,
    pub control_plane: chassis::rpc::ControlPlanes,
    pub federation: FederationConfig,
}
