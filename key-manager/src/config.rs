//! What can be configured? `default.toml` is the documentation.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::config::{ServiceConfig, duration};
use chassis::outbound::Allowed;
use jose::KeySet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::audit::AuditRules;
use crate::client_auth::ASSERTION_ALGORITHMS;
use crate::directory::{DirectoryRules, RulesError};
use crate::domain::{Scopes, TokenAlgorithm};
use crate::endpoint::{Issuer, LoginRules, Mfa, SignUp};
use crate::fraud::FraudRules;
use crate::grant::{GrantKind, IssuerKeys, RefreshRules, TrustedIssuer};
use crate::registration::{Access, Policy};
use crate::store::{self, Failures};
use crate::vault::PasswordRules;

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
    pub audit: AuditConfig,
    pub fraud: FraudConfig,
    pub ldap: LdapConfig,
    pub pages: PagesConfig,
    pub collector: CollectorConfig,
}

/// `[fraud]`: from when on something is looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FraudConfig {
    pub burst_floor: u32,
    #[serde(deserialize_with = "times")]
    pub burst_times: f64,
    pub stuffing: usize,
    pub guesses: usize,
    #[serde(deserialize_with = "seconds")]
    pub window: i64,
    pub watched: usize,
    /// An MMDB file; empty: none.
    pub places: PathBuf,
}

impl FraudConfig {
    pub const fn rules(&self) -> FraudRules {
        FraudRules {
            burst_floor: self.burst_floor,
            burst_times: self.burst_times,
            stuffing: self.stuffing,
            guesses: self.guesses,
            window_seconds: self.window,
            watched: self.watched,
        }
    }
}

/// `[ldap]`; nothing: there is no directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawLdap")]
pub struct LdapConfig(pub Option<Box<DirectoryRules>>);

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLdap {
    url: String,
    start_tls: bool,
    ca: PathBuf,
    bind_dn: String,
    bind_password_file: PathBuf,
    base: String,
    filter: String,
    connections: usize,
    #[serde(with = "duration")]
    timeout: Duration,
}

impl TryFrom<RawLdap> for LdapConfig {
    type Error = RulesError;

    fn try_from(raw: RawLdap) -> Result<Self, RulesError> {
        if raw.url.is_empty() {
            return Ok(Self(None));
        }
        let rules = DirectoryRules::new(
            &raw.url,
            raw.start_tls,
            raw.ca,
            raw.bind_dn,
            raw.bind_password_file,
            raw.base,
            raw.filter,
            raw.connections,
            raw.timeout,
        );
        Ok(Self(Some(Box::new(rules?))))
    }
}

/// `[pages]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesConfig {
    /// A folder; empty: none.
    pub theme: PathBuf,
}

/// `[collector]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorConfig {
    /// Empty: nobody is told.
    pub address: String,
}

/// `[audit]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    #[serde(deserialize_with = "seconds")]
    pub keep: i64,
    #[serde(deserialize_with = "span")]
    pub flush: Duration,
    pub counted: usize,
}

impl AuditConfig {
    pub const fn rules(self) -> AuditRules {
        AuditRules { keep_seconds: self.keep, counted: self.counted }
    }
}

/// `[outbound]`: requests to servers that clients name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundConfig {
    /// What may be reached though it is not of the public internet.
    #[serde(deserialize_with = "exceptions")]
    pub allow: Vec<Allowed>,
    /// A PEM file of authorities, beside those of the operating system; empty: none.
    pub authorities: PathBuf,
    #[serde(deserialize_with = "span")]
    pub timeout: Duration,
    /// Bytes.
    pub largest: usize,
}

/// `[registration]`: clients that register themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationConfig {
    #[serde(deserialize_with = "access")]
    pub access: Access,
    #[serde(deserialize_with = "scopes")]
    pub scopes: Scopes,
    #[serde(deserialize_with = "grants")]
    pub grants: Vec<String>,
}

impl RegistrationConfig {
    pub fn policy(&self) -> Policy {
        let Self { access, scopes, grants } = self.clone();
        Policy { access, scopes, grants }
    }
}

/// `[assertions]`: whose word about people is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionsConfig {
    pub trusted: Vec<TrustedConfig>,
}

/// `[[assertions.trusted]]`: one server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedConfig {
    pub issuer: String,
    /// A file with its keys, or `jwks_uri`.
    #[serde(default)]
    pub jwks: PathBuf,
    #[serde(default)]
    pub jwks_uri: String,
    #[serde(default = "es256")]
    pub algorithms: Vec<String>,
    #[serde(default = "sub")]
    pub subject: String,
    #[serde(default = "five_minutes", deserialize_with = "seconds")]
    pub longest: i64,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn es256() -> Vec<String> {
    vec!["ES256".to_owned()]
}

fn sub() -> String {
    "sub".to_owned()
}

const fn five_minutes() -> i64 {
    300
}

const fn yes() -> bool {
    true
}

impl AssertionsConfig {
    /// Those that are enabled. Reads files.
    pub fn issuers(&self) -> anyhow::Result<Vec<TrustedIssuer>> {
        let enabled = self.trusted.iter().filter(|one| one.enabled);
        let read = |one: &TrustedConfig| {
            one.read().with_context(|| format!("assertions.trusted: {}", one.issuer))
        };
        let all: Vec<_> = enabled.map(read).collect::<Result<_, _>>()?;
        for (place, one) in all.iter().enumerate() {
            let again = all.iter().skip(place.saturating_add(1));
            anyhow::ensure!(
                again.into_iter().all(|other| other.issuer != one.issuer),
                "assertions.trusted: {} comes twice",
                one.issuer
            );
        }
        Ok(all)
    }
}

impl TrustedConfig {
    fn read(&self) -> anyhow::Result<TrustedIssuer> {
        anyhow::ensure!(!self.issuer.is_empty(), "`issuer` is missing");
        let file = !self.jwks.as_os_str().is_empty();
        anyhow::ensure!(
            file != self.jwks_uri.starts_with("https://"),
            "either `jwks` is a file or `jwks_uri` an https URL"
        );
        let keys = if file {
            let text = std::fs::read_to_string(&self.jwks)
                .with_context(|| format!("{} is unreadable", self.jwks.display()))?;
            IssuerKeys::Here(Arc::new(KeySet::parse(&text)?))
        } else {
            IssuerKeys::There(self.jwks_uri.clone())
        };
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            let known = ASSERTION_ALGORITHMS.into_iter().find(|known| known.name() == name);
            algorithms.push(known.with_context(|| format!("`{name}` is no algorithm here"))?);
        }
        Ok(TrustedIssuer {
            issuer: self.issuer.clone(),
            keys,
            algorithms,
            subject: self.subject.clone(),
            longest_seconds: self.longest,
        })
    }
}

/// `[clients]`: what their assertions and proofs may say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsConfig {
    /// Other addresses than the issuer's under which they reach the endpoints.
    #[serde(deserialize_with = "addresses")]
    pub addresses: Vec<Issuer>,
    /// Seconds.
    #[serde(deserialize_with = "life")]
    pub assertion: u32,
    /// Seconds.
    #[serde(deserialize_with = "skew")]
    pub skew: u32,
    pub remembered: u32,
    /// Whether every client hands its authorization requests over first (RFC 9126).
    pub require_pushed: bool,
}

/// `[dpop]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpopConfig {
    /// Seconds.
    #[serde(deserialize_with = "life")]
    pub window: u32,
    pub nonces: bool,
    /// Seconds.
    #[serde(deserialize_with = "life")]
    pub nonce_life: u32,
}

/// `[certificates]`: those of clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawCertificates")]
pub struct CertificatesConfig {
    pub accept: bool,
    pub listen: Option<SocketAddr>,
    /// What discovery announces for clients with certificates.
    pub url: Option<Issuer>,
    /// Empty: nobody's word is taken for a name.
    pub ca: String,
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificates {
    accept: bool,
    listen: String,
    url: String,
    ca: String,
}

#[derive(Clone, Debug, thiserror::Error)]
enum CertificatesError {
    #[error("`listen`, `url` and `ca` say nothing while `accept` is false")]
    Unused,
    #[error("`listen` is no address with a port")]
    Listen(#[from] std::net::AddrParseError),
    #[error("`url` is no https URL without query, fragment, user and slash at its end")]
    Url,
}

impl TryFrom<RawCertificates> for CertificatesConfig {
    type Error = CertificatesError;

    fn try_from(raw: RawCertificates) -> Result<Self, CertificatesError> {
        let RawCertificates { accept, listen, url, ca } = raw;
        let silent = listen.is_empty() && url.is_empty() && ca.is_empty();
        if !accept && !silent {
            return Err(CertificatesError::Unused);
        }
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            accept,
            listen: given(&listen).map(|text| text.parse()).transpose()?,
            url: given(&url)
                .map(|text| Issuer::parse(&text))
                .transpose()
                .map_err(|_| CertificatesError::Url)?,
            ca,
        })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    #[serde(deserialize_with = "issuer")]
    pub url: Issuer,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawTokens")]
pub struct TokensConfig {
    pub audience: Vec<String>,
    pub algorithm: TokenAlgorithm,
    /// Seconds.
    pub life: u32,
    /// Seconds, at least `life`.
    pub longest: u32,
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokens {
    #[serde(deserialize_with = "audience")]
    audience: Vec<String>,
    #[serde(deserialize_with = "algorithm")]
    algorithm: TokenAlgorithm,
    #[serde(deserialize_with = "life")]
    life: u32,
    #[serde(deserialize_with = "life")]
    longest: u32,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("`life` is longer than `longest`")]
struct TooLong;

impl TryFrom<RawTokens> for TokensConfig {
    type Error = TooLong;

    fn try_from(raw: RawTokens) -> Result<Self, TooLong> {
        let RawTokens { audience, algorithm, life, longest } = raw;
        if life > longest { Err(TooLong) } else { Ok(Self { audience, algorithm, life, longest }) }
    }
}

/// Of refresh tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshConfig {
    #[serde(deserialize_with = "seconds")]
    pub life: i64,
    #[serde(deserialize_with = "seconds")]
    pub idle: i64,
    #[serde(deserialize_with = "grace")]
    pub grace: i64,
}

impl RefreshConfig {
    pub const fn rules(self) -> RefreshRules {
        let Self { life, idle, grace } = self;
        RefreshRules { life_seconds: life, idle_seconds: idle, grace_seconds: grace }
    }
}

/// Of people who log in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    #[serde(deserialize_with = "seconds")]
    pub life: i64,
    #[serde(deserialize_with = "seconds")]
    pub idle: i64,
    #[serde(deserialize_with = "mfa")]
    pub mfa: Mfa,
    pub hashes: usize,
    pub waiting: usize,
    /// KiB.
    #[serde(deserialize_with = "memory")]
    pub hash_memory: u32,
    #[serde(deserialize_with = "passes")]
    pub hash_passes: u32,
    #[serde(deserialize_with = "signup")]
    pub signup: SignUp,
    pub failures: u32,
    pub failures_of_network: u32,
    #[serde(deserialize_with = "seconds")]
    pub wait: i64,
    #[serde(deserialize_with = "seconds")]
    pub longest_wait: i64,
    #[serde(deserialize_with = "seconds")]
    pub forget: i64,
}

impl LoginConfig {
    pub const fn rules(self) -> LoginRules {
        LoginRules {
            life_seconds: self.life,
            idle_seconds: self.idle,
            mfa: self.mfa,
            signup: self.signup,
            name: self.limits(self.failures),
            network: self.limits(self.failures_of_network),
        }
    }

    const fn limits(self, free: u32) -> Failures {
        Failures {
            free,
            wait_seconds: self.wait,
            longest_seconds: self.longest_wait,
            forget_seconds: self.forget,
        }
    }

    pub const fn passwords(self) -> PasswordRules {
        PasswordRules {
            at_once: self.hashes,
            waiting: self.waiting,
            memory_kib: self.hash_memory,
            passes: self.hash_passes,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    #[serde(deserialize_with = "span")]
    pub rotate: Duration,
    pub master: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationsConfig {
    pub watchers: usize,
}

impl KeysConfig {
    /// Where the master key is.
    pub fn master_path(&self, data: &Path) -> PathBuf {
        let own = self.master.as_os_str().is_empty();
        if own { data.join("master.key") } else { self.master.clone() }
    }
}

fn exceptions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Allowed>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

fn access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Access, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Scopes::collect(texts.iter().map(String::as_str)).map_err(D::Error::custom)
}

/// Names of grants that there are.
fn grants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    for name in &names {
        name.parse::<GrantKind>().map_err(D::Error::custom)?;
    }
    Ok(names)
}

fn issuer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Issuer, D::Error> {
    Issuer::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn algorithm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenAlgorithm, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let audience = Vec::<String>::deserialize(deserializer)?;
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        return Err(D::Error::custom("a token is for somebody: name at least one audience"));
    }
    Ok(audience)
}

/// Less than 7 MiB is no protection, and more than 1 GiB no server.
fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let kib = u32::deserialize(deserializer)?;
    let fits = (7 * 1024..=1024 * 1024).contains(&kib);
    fits.then_some(kib).ok_or_else(|| D::Error::custom("a hash takes 7168 to 1048576 KiB"))
}

fn passes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let passes = u32::deserialize(deserializer)?;
    let fits = (1..=100).contains(&passes);
    fits.then_some(passes).ok_or_else(|| D::Error::custom("a hash takes 1 to 100 passes"))
}

fn signup<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignUp, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(SignUp::Off),
        "approval" => Ok(SignUp::Approval),
        "on" => Ok(SignUp::On),
        _ => Err(D::Error::custom("this is off, approval or on")),
    }
}

fn mfa<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mfa, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(Mfa::Off),
        "optional" => Ok(Mfa::Optional),
        "required" => Ok(Mfa::Required),
        _ => Err(D::Error::custom("this is off, optional or required")),
    }
}

fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let times = f64::deserialize(deserializer)?;
    if times.is_finite() && times >= 1.0 {
        return Ok(times);
    }
    Err(D::Error::custom("this is at least 1"))
}

/// Whole seconds, because `exp` counts them.
fn life<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let life = duration::deserialize(deserializer)?;
    let seconds = u32::try_from(life.as_secs()).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| D::Error::custom("this lasts at least a second, and at most 136 years"))
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Issuer>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Issuer::parse(text).map_err(D::Error::custom)).collect()
}

/// Whole seconds; more than a minute would be no difference between clocks any more.
fn skew<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let skew = duration::deserialize(deserializer)?;
    let seconds = u32::try_from(skew.as_secs()).ok().filter(|seconds| *seconds <= 60);
    seconds.ok_or_else(|| D::Error::custom("clocks may differ by 60 seconds at most"))
}

/// At least a second.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = duration::deserialize(deserializer)?;
    if span.as_secs() == 0 {
        return Err(D::Error::custom("this lasts at least a second"));
    }
    Ok(span)
}

/// Whole seconds, at least one.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    life(deserializer).map(i64::from)
}

/// A grace is short, or a stolen token is as good as its successor (KM-071).
fn grace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let grace = duration::deserialize(deserializer)?.as_secs();
    i64::try_from(grace)
        .ok()
        .filter(|grace| *grace <= 60)
        .ok_or_else(|| D::Error::custom("the grace of a refresh token is at most 60s"))
}
