//! How does an application become a client, and how does a client end?
//!
//! However it is asked for – over gRPC by the control plane, over HTTP by the client itself – it is
//! made here. `metadata` is its form in JSON, `policy` what a client may have that registers itself.

mod metadata;
mod policy;
mod profile;
mod secrets;
mod terms;

use zeroize::Zeroizing;

use crate::audit::Event;
use crate::client_auth::{SettingError, Settings, new_client_id, new_secret, sealed_for};
use crate::domain::{
    About, AuthMethod, Client, ClientId, ClientIdError, RedirectUri, RedirectUriError,
    RefreshPolicy, Requests, ScopeError, Scopes, UnknownAlgorithm, UnknownPolicy, is_deceptive,
};
use crate::endpoint::Authority;
use crate::grant::{GrantKind, Offered, UnknownGrant};
use crate::issue::{IssueError, Wish};
use crate::store::{StoreError, StoredClient, StoredSecret};
use crate::vault::VaultError;

pub use metadata::{IMPLICIT, MetadataError, application, metadata};
pub use policy::{Access, Forbidden, Policy, REGISTER_SCOPE, UnknownAccess};
pub use profile::OutsideProfile;
pub use secrets::{add_secret, list_secrets, remove_secret};
use terms::{LONGEST_URI, https};
pub use terms::{TermsError, WantedTerms};

/// The longest name of a client, in bytes.
const LONGEST_NAME: usize = 256;

/// A client to be made.
#[derive(Clone, Debug, Default)]
pub struct Application {
    pub name: String,
    /// Empty: `client_credentials`.
    pub grant_types: Vec<String>,
    pub scopes: Vec<String>,
    /// 0: the default in force.
    pub access_token_seconds: u32,
    /// Empty: the default in force.
    pub algorithm: String,
    /// Where people are sent back to; needed for `authorization_code`.
    pub redirect_uris: Vec<String>,
    /// Whether it has nothing to prove itself with: another word for the method `none`.
    pub public: bool,
    /// Whether people are not asked for consent.
    pub first_party: bool,
    /// How its authorization requests come; a public client's never without PKCE.
    pub requests: Requests,
    /// Where people may be sent to after a logout.
    pub logout_uris: Vec<String>,
    /// Where it hears that a login has ended; empty: nowhere.
    pub logout_notice: String,
    /// `rotate` or `static`; empty: `rotate` for public clients, `static` for others (KM-073).
    pub refresh: String,
    /// How it proves who it is.
    pub settings: Settings,
    /// What it says about itself to people.
    pub about: About,
    /// What else is to be agreed.
    pub terms: WantedTerms,
}

/// A client that was made or changed by itself.
#[derive(Debug)]
pub struct Managed {
    pub registered: Registered,
    /// Manages the registration from now on; known nowhere else.
    pub token: Zeroizing<String>,
}

/// A client that was made.
pub struct Registered {
    pub client: Client,
    /// Known nowhere else; empty where the client proves itself without.
    pub secret: Zeroizing<String>,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("client", &self.client).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    #[error(
        "a client has a name of 1 to {LONGEST_NAME} bytes without control characters and marks that nobody sees"
    )]
    Name,
    #[error("grant_types: {0}")]
    Grant(#[from] UnknownGrant),
    #[error("scopes: {0}")]
    Scope(#[from] ScopeError),
    #[error("access_token_algorithm: {0}")]
    Algorithm(#[from] UnknownAlgorithm),
    #[error("access_token_seconds: tokens live {longest} seconds at most")]
    Life { longest: u32 },
    #[error("redirect_uris: {0}")]
    Redirect(#[from] RedirectUriError),
    #[error(
        "redirect_uris: `authorization_code` needs 1 to {} of them, other grants none",
        RedirectUri::MOST
    )]
    Redirects,
    #[error("post_logout_redirect_uris: {0}")]
    Logout(#[source] RedirectUriError),
    #[error("post_logout_redirect_uris: {} of them at most", RedirectUri::MOST)]
    Logouts,
    #[error(
        "backchannel_logout_uri: it is an https URL of at most {LONGEST_URI} bytes, without a fragment"
    )]
    Notice,
    #[error("require_signed_request_object: the client has no keys (jwks or jwks_uri)")]
    SignedWithoutKeys,
    #[error("token_endpoint_auth_method: a public client proves nothing, its method is `none`")]
    Public,
    #[error("grant_types: `refresh_token` comes with a grant of people, like `authorization_code`")]
    Refresh,
    #[error("refresh_policy: {0}")]
    Policy(#[from] UnknownPolicy),
    #[error("refresh_policy: a public client's refresh tokens `rotate`")]
    StaticPublic,
    #[error("allow_no_pkce_insecure: a public client has nothing but PKCE")]
    PkcePublic,
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Profile(#[from] OutsideProfile),
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("the secret could not be sealed")]
    Seal(#[from] VaultError),
    #[error("client_id: {0}")]
    ClientId(#[from] ClientIdError),
    #[error("the client could not be stored")]
    Store(#[from] StoreError),
    #[error("the client has been removed")]
    Gone,
    #[error("client_id: the client has no secrets, its method is {method}")]
    Secretless { method: &'static str },
    #[error("label: at most {} bytes, without control characters", secrets::LONGEST_LABEL)]
    Label,
    #[error("expires_at: this is past")]
    Past,
    #[error("client_id: the client has {} secrets, remove one first", secrets::MOST_SECRETS)]
    Secrets,
    #[error("the keys for its tokens could not be made")]
    Keys(#[from] IssueError),
}

impl RegistrationError {
    /// Whether the request has to change before it can succeed.
    pub const fn is_callers(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Keys(_) | Self::Seal(_))
    }
}

/// Makes a client with a new identifier and a new secret.
pub async fn register(
    authority: &Authority,
    application: &Application,
) -> Result<Registered, RegistrationError> {
    let client = client(authority, application, new_client_id()?)?;
    add(authority, client, None).await
}

/// The same for somebody who asks for it over HTTP, and who can manage it afterwards.
pub async fn register_openly(
    authority: &Authority,
    application: &Application,
) -> Result<Managed, RegistrationError> {
    let client = client(authority, application, new_client_id()?)?;
    authority.registration.check(&client)?;
    let (token, digest) = new_token(authority, &client.id);
    let registered = add(authority, client, Some(digest)).await?;
    Ok(Managed { registered, token })
}

/// Puts another application in the place of a client, under its identifier. Its secret stays, unless
/// it proves itself in another way now.
pub async fn change(
    authority: &Authority,
    stored: StoredClient,
    application: &Application,
) -> Result<Managed, RegistrationError> {
    let former = stored.client;
    let mut client = client(authority, application, former.id)?;
    client.created_at = former.created_at;
    client.ended_until = former.ended_until;
    authority.registration.check(&client)?;
    can_sign(authority, &client).await?;
    let (former, method) = (former.authentication.method, client.authentication.method);
    let (secrets, secret) = if former == method {
        (stored.secrets, Zeroizing::default())
    } else {
        secrets(authority, &client)?
    };
    let (token, digest) = new_token(authority, &client.id);
    let stored = StoredClient { client, secrets, registration: Some(digest) };
    let event = Event::of("client.changed").client(stored.client.id.as_str());
    if !authority.audit.noting(event).replace_client(&stored).await? {
        return Err(RegistrationError::Gone);
    }
    authority.log.follower().nudge();
    tracing::info!(client = %stored.client.id, "client changed");
    Ok(Managed { registered: Registered { client: stored.client, secret }, token })
}

/// What the digests of tokens that manage a registration belong to.
pub fn token_owner(id: &ClientId) -> String {
    format!("registration {id}")
}

fn new_token(authority: &Authority, id: &ClientId) -> (Zeroizing<String>, String) {
    let token = Zeroizing::new(chassis::random::token(32));
    let digest = authority.pepper.digest(&token_owner(id), &token);
    (token, digest)
}

async fn add(
    authority: &Authority,
    client: Client,
    registration: Option<String>,
) -> Result<Registered, RegistrationError> {
    can_sign(authority, &client).await?;
    let (secrets, secret) = secrets(authority, &client)?;
    let method = client.authentication.method;
    let stored = StoredClient { client, secrets, registration };
    let event = Event::of("client.registered").client(stored.client.id.as_str());
    authority.audit.noting(event.with("method", method.name())).add_client(&stored).await?;
    let name = &stored.client.name;
    tracing::info!(client = %stored.client.id, name, method = method.name(), "client registered");
    Ok(Registered { client: stored.client, secret })
}

/// Sees to it that there are keys for the tokens of a client.
async fn can_sign(authority: &Authority, client: &Client) -> Result<(), RegistrationError> {
    for algorithm in [client.algorithm, client.terms.userinfo_algorithm].into_iter().flatten() {
        if !authority.keeper.ring().signs(algorithm) {
            authority.keeper.change(Wish::Have(algorithm)).await?;
        }
    }
    Ok(())
}

/// A new secret, if the client proves itself with one, to be stored and to be told.
fn secrets(
    authority: &Authority,
    client: &Client,
) -> Result<(Vec<StoredSecret>, Zeroizing<String>), RegistrationError> {
    let method = client.authentication.method;
    if !method.has_secret() {
        return Ok((Vec::new(), Zeroizing::default()));
    }
    let now = authority.clock.unix_seconds();
    let mut secret = new_secret(&authority.pepper, &client.id, now);
    if method == AuthMethod::SecretJwt {
        let purpose = sealed_for(&client.id);
        secret.stored.sealed = authority.clients.sealer.seal(&purpose, secret.plain.as_bytes())?;
    }
    Ok((vec![secret.stored], secret.plain))
}

fn client(
    authority: &Authority,
    application: &Application,
    id: ClientId,
) -> Result<Client, RegistrationError> {
    let name = application.name.trim();
    let hidden = |c: char| c.is_control() || is_deceptive(c);
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(hidden) {
        return Err(RegistrationError::Name);
    }
    let mut grants = Vec::new();
    for grant in &application.grant_types {
        grants.push(authority.grants.find(grant)?);
    }
    let terms = application.terms.check(authority, &application.redirect_uris)?;
    if grants.is_empty() && terms.response_types.is_empty() {
        grants.push(Offered::BuiltIn(GrantKind::ClientCredentials));
    }
    grants.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    grants.dedup_by(|one, other| one.name() == other.name());
    let longest = authority.rules.longest_seconds;
    if application.access_token_seconds > longest {
        return Err(RegistrationError::Life { longest });
    }
    let mut settings = application.settings.clone();
    if application.public {
        if !matches!(settings.method.as_str(), "" | "none") {
            return Err(RegistrationError::Public);
        }
        AuthMethod::None.name().clone_into(&mut settings.method);
    }
    let authentication = settings.check(&authority.clients, || {
        let forbidden = grants.iter().find(|grant| !grant.is_for_public_clients());
        forbidden.map_or(Ok(()), |grant| Err(grant.name().to_owned()))
    })?;
    let public = authentication.method == AuthMethod::None;
    if public && application.requests.without_pkce {
        return Err(RegistrationError::PkcePublic);
    }
    let keys = !authentication.jwks.is_empty() || authentication.jwks_uri.is_some();
    if application.requests.signed && !keys {
        return Err(RegistrationError::SignedWithoutKeys);
    }
    // A token that is bound to a key is worth nothing to whoever finds it (KM-073).
    let bound = authentication.dpop_bound || authentication.certificate_bound;
    let algorithm = Some(application.algorithm.as_str()).filter(|name| !name.is_empty());
    let mut client = Client {
        id,
        name: name.to_owned(),
        grant_types: grants.iter().map(|grant| grant.name().to_owned()).collect(),
        scopes: Scopes::collect(application.scopes.iter().map(String::as_str))?,
        access_token_seconds: Some(application.access_token_seconds).filter(|life| *life > 0),
        algorithm: algorithm.map(str::parse).transpose()?,
        redirect_uris: redirects(application, &grants, !terms.response_types.is_empty())?,
        first_party: application.first_party,
        requests: application.requests,
        logout_uris: logouts(application)?,
        logout_notice: notice(application)?,
        refresh: refresh(application, public && !bound)?,
        ended_until: 0,
        created_at: authority.clock.unix_seconds(),
        authentication,
        about: application.about.clone(),
        terms,
    };
    profile::keep(&mut client)?;
    Ok(client)
}

fn redirects(
    application: &Application,
    grants: &[Offered],
    legacy: bool,
) -> Result<Vec<RedirectUri>, RegistrationError> {
    let has = |kind: GrantKind| grants.iter().any(|grant| grant.name() == kind.name());
    let code = legacy || has(GrantKind::AuthorizationCode);
    if !grants.iter().any(Offered::is_of_people) && has(GrantKind::RefreshToken) {
        return Err(RegistrationError::Refresh);
    }
    let uris = &application.redirect_uris;
    if code == uris.is_empty() || uris.len() > RedirectUri::MOST {
        return Err(RegistrationError::Redirects);
    }
    Ok(uris.iter().map(|uri| RedirectUri::parse(uri)).collect::<Result<_, _>>()?)
}

/// An https URL; the key manager posts there.
fn notice(application: &Application) -> Result<Option<String>, RegistrationError> {
    let text = application.logout_notice.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    https(text).map(|_| Some(text.to_owned())).ok_or(RegistrationError::Notice)
}

fn logouts(application: &Application) -> Result<Vec<RedirectUri>, RegistrationError> {
    let uris = &application.logout_uris;
    if uris.len() > RedirectUri::MOST {
        return Err(RegistrationError::Logouts);
    }
    uris.iter().map(|uri| RedirectUri::parse(uri).map_err(RegistrationError::Logout)).collect()
}

/// `bare`: nothing is proven when a token is used.
fn refresh(application: &Application, bare: bool) -> Result<RefreshPolicy, RegistrationError> {
    let policy = match application.refresh.as_str() {
        "" if bare => RefreshPolicy::Rotate,
        "" => RefreshPolicy::Static,
        name => name.parse()?,
    };
    if bare && policy == RefreshPolicy::Static {
        return Err(RegistrationError::StaticPublic);
    }
    Ok(policy)
}

/// Removes a client; its tokens end. Answers whether there was one.
pub async fn remove(authority: &Authority, id: &ClientId) -> Result<bool, StoreError> {
    let event = Event::of("client.removed").client(id.as_str());
    let sequence = authority.noting(event).remove_client(id).await?;
    if let Some(sequence) = sequence {
        authority.meter.revoked("client");
        tracing::info!(client = %id, sequence, "client removed");
    }
    Ok(sequence.is_some())
}
