//! How is the directory asked?
//!
//! Over a few connections that are kept; each is bound as the service before it searches, and as
//! the person afterwards. Everything for one login fits into one timeout.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::clock::Clock;
use chassis::task::Tasks;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions,
    ldap_escape,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::groups::NAME;
use super::rules::DirectoryRules;
use crate::breaker::Breaker;
use crate::domain::Roles;

/// LDAP result codes (RFC 4511 appendix A).
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const INVALID_CREDENTIALS: u32 = 49;
/// No attributes (RFC 4511 section 4.5.1.8).
const NOTHING: [&str; 1] = ["1.1"];
/// Who is in more groups than this is not looked up: some would be left out.
const MOST_GROUPS: i32 = 1000;

/// What is taken over of an entry, and the claim that it becomes.
const CLAIMS: [(&str, &str); 4] =
    [("cn", "name"), ("givenName", "given_name"), ("sn", "family_name"), ("mail", "email")];

#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the directory is away")]
    Away(#[source] Option<LdapError>),
    #[error("the directory did not answer in time")]
    Late,
    #[error("too many people are being looked up")]
    Busy,
    /// What is configured does not work.
    #[error("the directory refuses the service: {0}")]
    Refused(String),
    #[error("{path} cannot be used for the directory")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

/// An entry that its password opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is known of the person, by the names of `OpenID` Connect.
    pub claims: BTreeMap<&'static str, String>,
    /// What their groups say that they are.
    pub roles: Roles,
}

/// The directory; cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Parts>);

struct Parts {
    rules: DirectoryRules,
    password: Zeroizing<String>,
    tls: Option<Arc<ClientConfig>>,
    turns: Semaphore,
    idle: Mutex<Vec<Ldap>>,
    breaker: Breaker,
    clock: Clock,
    tasks: Tasks,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("url", &self.rules.url.as_str()).finish_non_exhaustive()
    }
}

impl Directory {
    /// Reads what it needs from files; connects when the first person comes.
    pub fn new(rules: DirectoryRules, clock: Clock, tasks: Tasks) -> Result<Self, DirectoryError> {
        let file = &rules.bind_password_file;
        let password = if file.as_os_str().is_empty() {
            Zeroizing::default()
        } else {
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            let text = text.map_err(|source| unusable(file, source))?;
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        };
        let tls = (!rules.ca.as_os_str().is_empty()).then(|| tls(&rules.ca)).transpose()?;
        let turns = Semaphore::new(rules.connections.min(Semaphore::MAX_PERMITS));
        let (idle, breaker) = (Mutex::default(), Breaker::default());
        let parts = Parts { rules, password, tls, turns, idle, breaker, clock, tasks };
        Ok(Self(Arc::new(parts)))
    }

    /// The entry of a name, if this is its password. `None`: it is not, or there is none.
    pub async fn open(&self, name: &str, password: &str) -> Result<Option<Found>, DirectoryError> {
        // RFC 4513 section 5.1.2: a bind without a password succeeds and proves nothing.
        if password.is_empty() {
            return Ok(None);
        }
        let parts = &self.0;
        // Who waits too long for a turn says nothing about the directory.
        let turn = parts.clock.timeout(parts.rules.timeout, parts.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(DirectoryError::Busy) };
        if !parts.breaker.admits(parts.clock.instant()) {
            return Err(DirectoryError::Away(None));
        }
        let asked =
            parts.clock.timeout(parts.rules.timeout, Box::pin(self.ask(name, password))).await;
        let answer = asked.unwrap_or(Err(DirectoryError::Late));
        parts.breaker.told(answer.is_ok(), parts.clock.instant());
        answer
    }

    async fn ask(&self, name: &str, password: &str) -> Result<Option<Found>, DirectoryError> {
        // A kept connection may have died meanwhile; a new one that dies is a failure.
        if let Some(mut kept) = self.kept() {
            match self.look(&mut kept, name, password).await {
                Err(DirectoryError::Away(_)) => {}
                answer => return self.keep(kept, answer),
            }
        }
        let mut fresh = self.connect().await?;
        let answer = self.look(&mut fresh, name, password).await;
        self.keep(fresh, answer)
    }

    fn kept(&self) -> Option<Ldap> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = idle.pop()?;
        (!kept.is_closed()).then_some(kept)
    }

    /// Keeps a connection that works.
    fn keep(
        &self,
        connection: Ldap,
        answer: Result<Option<Found>, DirectoryError>,
    ) -> Result<Option<Found>, DirectoryError> {
        if answer.is_ok() {
            self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Ldap, DirectoryError> {
        let rules = &self.0.rules;
        let mut settings =
            LdapConnSettings::new().set_conn_timeout(rules.timeout).set_starttls(rules.start_tls);
        if let Some(tls) = &self.0.tls {
            settings = settings.set_config(Arc::clone(tls));
        }
        let connected = LdapConnAsync::from_url_with_settings(settings, &rules.url).await;
        let (driver, connection) = connected.map_err(|error| DirectoryError::Away(Some(error)))?;
        self.0.tasks.spawn("ldap", async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(%error, "a connection to the directory ended");
            }
        });
        Ok(connection)
    }

    async fn look(
        &self,
        connection: &mut Ldap,
        name: &str,
        password: &str,
    ) -> Result<Option<Found>, DirectoryError> {
        let away = |error| DirectoryError::Away(Some(error));
        let rules = &self.0.rules;
        let bound = connection.simple_bind(&rules.bind_dn, &self.0.password).await.map_err(away)?;
        if bound.rc != SUCCESS {
            return Err(DirectoryError::Refused(bound.to_string()));
        }
        let filter = rules.filter.replace(NAME, &ldap_escape(name));
        let claims = CLAIMS.iter().map(|(attribute, _)| *attribute);
        let wanted: Vec<&str> = claims.chain(rules.groups.attribute()).collect();
        let found = connection.search(&rules.base, Scope::Subtree, &filter, wanted).await;
        let found = found.map_err(away)?;
        if found.1.rc != SUCCESS {
            return Err(DirectoryError::Refused(found.1.to_string()));
        }
        // Two entries of one name are nobody: which of them is meant is not for us to guess.
        let mut entries = found.0.into_iter().filter(|entry| !entry.is_ref());
        let (Some(entry), None) = (entries.next(), entries.next()) else { return Ok(None) };
        let entry = SearchEntry::construct(entry);
        // While the service still asks: the person need not see groups.
        let Some(roles) = self.roles(connection, &entry, name).await? else { return Ok(None) };
        let opened = connection.simple_bind(&entry.dn, password).await.map_err(away)?;
        match opened.rc {
            SUCCESS => Ok(Some(person(&entry, roles))),
            INVALID_CREDENTIALS => Ok(None),
            _ => {
                tracing::info!(answer = %opened, "the directory does not let somebody in");
                Ok(None)
            }
        }
    }

    /// What the groups of an entry say that its person is. `None`: they are in more than can be looked at.
    async fn roles(
        &self,
        connection: &mut Ldap,
        entry: &SearchEntry,
        name: &str,
    ) -> Result<Option<Roles>, DirectoryError> {
        let groups = &self.0.rules.groups;
        let named = groups.attribute().map(|attribute| values(entry, attribute));
        let mut found = Vec::new();
        if let Some((base, filter)) = groups.search(&entry.dn, name) {
            let bounded = SearchOptions::new().sizelimit(MOST_GROUPS);
            let connection = connection.with_search_options(bounded);
            let searched = connection.search(base, Scope::Subtree, &filter, NOTHING).await;
            let searched = searched.map_err(|error| DirectoryError::Away(Some(error)))?;
            match searched.1.rc {
                SUCCESS => {}
                // It says something about one person, and nothing about the directory.
                SIZE_LIMIT_EXCEEDED => {
                    tracing::warn!(entry = entry.dn, most = MOST_GROUPS, "in too many groups");
                    return Ok(None);
                }
                _ => return Err(DirectoryError::Refused(searched.1.to_string())),
            }
            let entries = searched.0.into_iter().filter(|entry| !entry.is_ref());
            found.extend(entries.map(|entry| SearchEntry::construct(entry).dn));
        }
        let all = named.unwrap_or_default().iter().chain(&found);
        Ok(Some(groups.roles(all.map(String::as_str))))
    }
}

fn person(entry: &SearchEntry, roles: Roles) -> Found {
    let of = |(attribute, claim): &(&str, &'static str)| {
        values(entry, attribute).first().map(|value| (*claim, value.clone()))
    };
    Found { claims: CLAIMS.iter().filter_map(of).collect(), roles }
}

fn values<'e>(entry: &'e SearchEntry, attribute: &str) -> &'e [String] {
    let known = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
    known.map(|(_, values)| values.as_slice()).unwrap_or_default()
}

fn unusable(path: &Path, source: std::io::Error) -> DirectoryError {
    DirectoryError::File { path: path.display().to_string(), source }
}

/// Believes the authorities of a PEM file.
fn tls(ca: &Path) -> Result<Arc<ClientConfig>, DirectoryError> {
    let wrong = |error: String| unusable(ca, std::io::Error::other(error));
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(ca).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
