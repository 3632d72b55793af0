//! Where do people sign in, and what do its claims mean here?

use std::collections::BTreeSet;

use chassis::proxies::{NetworkError, Proxies, Source};
use jose::{Algorithm, Expectation};
use serde::Deserialize;
use url::Url;

use super::role::{Role, Roles};

/// How far the clocks of the provider and ours may differ.
const SKEW_SECONDS: u32 = 30;

/// The section `[people]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The issuer, byte for byte as its tokens name it.
    pub issuer: String,
    /// The client as which the command line asks for tokens; empty: nobody signs in.
    pub client_id: String,
    /// Further clients whose tokens count.
    pub clients: Vec<String>,
    /// What has to stand in `aud`, one of these or the client.
    pub audience: Vec<String>,
    /// The algorithms of signatures that are taken.
    pub algorithms: Vec<String>,
    /// What the command line asks for.
    pub scopes: Vec<String>,
    /// The claim with the name of the user.
    pub name_claim: String,
    /// The claim with what the user is.
    pub roles_claim: String,
    /// The claim with the user's teams; empty: there are none.
    pub teams_claim: String,
    /// The claim with the user's tenant; empty: everybody is of the operator.
    pub tenant_claim: String,
    /// What stands in that claim for the operator; empty: nobody who signs in is of the operator.
    pub operator: String,
    /// PEM file of the authorities of the provider, besides ours and those of the system.
    pub ca: String,
    /// Networks of proxies that are believed when they say for whom they speak.
    pub trusted_proxies: Vec<String>,
    /// The field in which they say it; the other one is believed of nobody.
    pub client_from: Source,
    /// Which words of the claim mean which role.
    pub roles: RoleNames,
}

/// The section `[people.roles]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleNames {
    /// Those of administrators.
    pub admin: Vec<String>,
    /// Those of publishers.
    pub publisher: Vec<String>,
    /// Those of subscribers.
    pub subscriber: Vec<String>,
    /// Those of auditors.
    pub auditor: Vec<String>,
}

/// Why people cannot sign in as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The issuer.
    #[error("people.issuer: `{0}` is no https URL")]
    Issuer(String),
    /// An algorithm.
    #[error("people.algorithms: {0}")]
    Algorithm(#[from] jose::UnknownAlgorithm),
    /// Something that tokens are judged by is empty.
    #[error("people.{0} is empty")]
    Empty(&'static str),
    /// The file of the authorities.
    #[error("people.ca: {path} cannot be read")]
    Authorities {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A network of proxies.
    #[error("people.trusted_proxies")]
    Proxies(#[from] NetworkError),
    /// There is no TLS to speak.
    #[error("people cannot sign in")]
    Outbound(#[source] chassis::outbound::Error),
}

/// The same, checked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) issuer: Url,
    pub(super) expectation: Expectation,
    /// Whose tokens count, where they say for whom they were made.
    pub(super) clients: BTreeSet<String>,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) name_claim: String,
    pub(super) roles_claim: String,
    pub(super) teams_claim: String,
    pub(super) tenant_claim: String,
    pub(super) operator: String,
    names: RoleNames,
}

impl Config {
    /// Who may speak for clients.
    pub fn proxies(&self) -> Result<Proxies, ConfigError> {
        Ok(Proxies::parse(&self.trusted_proxies, self.client_from)?)
    }

    /// None: nobody signs in.
    pub(super) fn rules(&self) -> Result<Option<Rules>, ConfigError> {
        if self.client_id.is_empty() {
            return Ok(None);
        }
        let issuer = Url::parse(&self.issuer).ok();
        let issuer = issuer.filter(|url| url.scheme() == "https" && url.has_host());
        let issuer = issuer.ok_or_else(|| ConfigError::Issuer(self.issuer.clone()))?;
        for (name, text) in [("name_claim", &self.name_claim), ("roles_claim", &self.roles_claim)] {
            if text.is_empty() {
                return Err(ConfigError::Empty(name));
            }
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::Empty("algorithms"));
        }
        let algorithms: Result<Vec<Algorithm>, _> =
            self.algorithms.iter().map(|name| name.parse()).collect();
        let mut audiences = self.audience.clone();
        audiences.push(self.client_id.clone());
        let mut clients: BTreeSet<String> = self.clients.iter().cloned().collect();
        clients.insert(self.client_id.clone());
        Ok(Some(Rules {
            issuer,
            expectation: Expectation {
                audiences,
                algorithms: algorithms?,
                skew_seconds: SKEW_SECONDS,
                ..Expectation::access_token(&self.issuer).any_jwt_type()
            },
            clients,
            client_id: self.client_id.clone(),
            scopes: self.scopes.clone(),
            name_claim: self.name_claim.clone(),
            roles_claim: self.roles_claim.clone(),
            teams_claim: self.teams_claim.clone(),
            tenant_claim: self.tenant_claim.clone(),
            operator: self.operator.clone(),
            names: self.roles.clone(),
        }))
    }
}

impl Rules {
    /// What the words of the provider mean here; a word that is not known means nothing.
    pub(super) fn roles(&self, words: &[String]) -> Roles {
        let RoleNames { admin, publisher, subscriber, auditor } = &self.names;
        let of = [
            (Role::Admin, admin),
            (Role::Publisher, publisher),
            (Role::Subscriber, subscriber),
            (Role::Auditor, auditor),
        ];
        let meant = of.into_iter().filter(|(_, names)| names.iter().any(|it| words.contains(it)));
        Roles::of(meant.map(|(role, _)| role))
    }
}
