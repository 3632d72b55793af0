//! Who calls?
//!
//! A `Caller` is the proof that the credentials were looked at as the operation asks. The first of the
//! API's ways to show them that is shown whole is judged; when that is not good, no other way is tried.
//! Where an operation asks for none, none is looked at, and all fields go on to the backend.

use std::rc::Rc;
use std::sync::Arc;

use chassis::proxies::Proxies;
use plan::{ApiKeyPlan, CallerRightsPlan, SchemeSet};
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use super::caller::Caller;
use super::heard::check_heard;
use crate::called::called;
use crate::certificate::ClientCertificate;
use crate::credentials::{
    self, Grounds, Known, Password, People, Proofs, Question, Shown, Token, Verified,
};
use crate::digest::sha256;
use crate::fault::{CredentialRefused, Fault, TokenRefused};
use crate::received::Received;
use crate::router::Matched;
use crate::rpc::{introspection, passwords};

/// How far a caller is known without asking anybody.
#[derive(Debug)]
pub enum Seen<'r> {
    /// As far as is wanted.
    Caller(Caller),
    /// Somebody has to be asked.
    Asks(Box<Asks<'r>>),
}

/// A caller of whom not everything is known yet.
#[derive(Debug)]
pub struct Asks<'r> {
    caller: Caller,
    token: Option<(Token<'r>, Question)>,
    password: Option<Password>,
}

/// What credentials besides tokens are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Means<'w> {
    /// Those for tokens.
    pub grounds: Grounds<'w>,
    /// Proofs of keys that were used.
    pub proofs: &'w Proofs,
    /// People whose password was looked at.
    pub people: &'w People,
    /// Who speaks for clients.
    pub proxies: &'w Proxies,
}

/// Looks at the credentials that `matched` asks for.
pub fn authenticate<'r>(
    matched: &Matched<'_>,
    received: &'r Received,
    means: Means<'_>,
) -> Result<Seen<'r>, Fault> {
    if matched.is_open() {
        return Ok(Seen::Caller(Caller::default()));
    }
    let security = &matched.api().security;
    let shown = credentials::shown(&received.headers, security).map_err(Fault::BadRequest)?;
    let certificate = certificate(matched, received.peer.certificate.as_ref(), means.grounds);
    let all = schemes(&shown, certificate.is_some());
    let way = security.alternatives.iter().find(|way| all.has_all(**way));
    let way = *way.ok_or_else(|| missing(matched, received, certificate.is_some()))?;
    let mut caller = Caller::default();
    if way.has(Scheme::MutualTls) {
        caller.certificate = certificate;
    }
    if let Some(key) = shown.api_key.filter(|_| way.has(Scheme::ApiKey)) {
        caller.api_key = Some(api_key(key, means.grounds)?);
    }
    let mut asks = Asks { caller, token: None, password: None };
    if let Some(token) = shown.token.filter(|_| way.has(Scheme::Oauth2)) {
        match token_seen(matched, token, means.grounds)? {
            Verified::Good(known) => {
                prove(matched, received, token, &known, means)?;
                asks.caller.token = Some(known);
            }
            Verified::Ask(question) => asks.token = Some((token, question)),
        }
    }
    if let Some(password) = shown.password.filter(|_| way.has(Scheme::Basic)) {
        let refused = Fault::InvalidCredential(CredentialRefused::Password);
        let password = means.people.read(password).ok_or(refused)?;
        let now_us = means.grounds.now_unix.saturating_mul(1_000_000);
        match means.people.find(&password, means.grounds.revocations, now_us) {
            Some(person) => asks.caller.person = Some(person),
            None => asks.password = Some(password),
        }
    }
    if asks.token.is_none() && asks.password.is_none() {
        check_heard(security, &asks.caller, means.grounds)?;
        return Ok(Seen::Caller(asks.caller));
    }
    Ok(Seen::Asks(Box::new(asks)))
}

/// Asks those who know.
pub async fn ask(
    asks: Asks<'_>,
    matched: &Matched<'_>,
    received: &Received,
    (issuers, key_manager): (&introspection::Handle, &passwords::Handle),
    means: Means<'_>,
) -> Result<Caller, Fault> {
    let Asks { mut caller, token, password } = asks;
    if let Some((token, question)) = token {
        let known = settled((token.text, question), issuers, means.grounds).await?;
        prove(matched, received, token, &known, means)?;
        caller.token = Some(known);
    }
    if let Some(password) = password {
        let address = received.peer.client.to_string();
        let (name, secret) = (password.name.clone(), password.password.clone());
        let word = key_manager.ask(name, secret, address).await;
        let word = word.map_err(|error| Fault::KeyManagerAway(Box::new(error)))?;
        let person = match word {
            passwords::Word::Right { person, until_us } => {
                let now_us = means.grounds.now_unix.saturating_mul(1_000_000);
                if means.grounds.revocations.has_ended(&person) {
                    return Err(Fault::InvalidCredential(CredentialRefused::Password));
                }
                means.people.keep(&password, &person, until_us, now_us);
                person
            }
            passwords::Word::Wrong { locked_seconds: 0 } => {
                return Err(Fault::InvalidCredential(CredentialRefused::Password));
            }
            passwords::Word::Wrong { locked_seconds } => {
                return Err(Fault::InvalidCredential(CredentialRefused::Locked(locked_seconds)));
            }
        };
        caller.person = Some(person);
    }
    check_heard(&matched.api().security, &caller, means.grounds)?;
    Ok(caller)
}

/// The token, as its issuer says that it is.
pub(super) async fn settled(
    (token, question): (&str, Question),
    issuers: &introspection::Handle,
    grounds: Grounds<'_>,
) -> Result<Rc<Known>, Fault> {
    let name = Arc::clone(&question.key_manager().name);
    let word = issuers.ask(name, token.to_owned(), question.cache_seconds()).await;
    let word = word.map_err(|error| Fault::KeyManagerAway(Box::new(error)))?;
    let Grounds { generation, revocations, tokens, now_unix, .. } = grounds;
    let known = question.settle(token, &word, generation, revocations, tokens, now_unix);
    known.map_err(refused)
}

/// The kinds of credential that a request shows.
fn schemes(shown: &Shown<'_>, certificate: bool) -> SchemeSet {
    let all = [
        (shown.token.is_some(), Scheme::Oauth2),
        (shown.password.is_some(), Scheme::Basic),
        (shown.api_key.is_some(), Scheme::ApiKey),
        (certificate, Scheme::MutualTls),
    ];
    SchemeSet::of_those(all)
}

/// What the caller's certificate is good for here. One that is not good counts as none: browsers and
/// service meshes show theirs to everybody.
pub(super) fn certificate(
    matched: &Matched<'_>,
    shown: Option<&Rc<ClientCertificate>>,
    grounds: Grounds<'_>,
) -> Option<Arc<CallerRightsPlan>> {
    let callers = matched.api().security.callers.as_ref()?;
    shown?.rights(&matched.api().security, callers, &grounds.generation.plan, grounds.now_unix)
}

/// Nothing that is asked for is shown; a certificate that is not good is told apart from none.
fn missing(matched: &Matched<'_>, received: &Received, certificate: bool) -> Fault {
    let asked = matched.api().security.schemes.has(Scheme::MutualTls);
    if asked && !certificate && received.peer.certificate.is_some() {
        return Fault::InvalidCredential(CredentialRefused::Certificate);
    }
    Fault::MissingCredentials
}

fn api_key(key: &str, grounds: Grounds<'_>) -> Result<Arc<ApiKeyPlan>, Fault> {
    let refused = |why| Fault::InvalidCredential(why);
    let known = grounds.generation.plan.api_key(&sha256([key.as_bytes()]));
    let known = known.ok_or(refused(CredentialRefused::ApiKey))?;
    if known.ends_at <= grounds.now_unix {
        return Err(refused(CredentialRefused::ApiKeyExpired));
    }
    Ok(Arc::clone(known))
}

/// A good token of an issuer that another API trusts is no token here, and nobody is asked about it.
pub(super) fn trusts(matched: &Matched<'_>, key_manager: &str) -> bool {
    matched.api().key_managers.iter().any(|trusted| **trusted == *key_manager)
}

fn token_seen(
    matched: &Matched<'_>,
    token: Token<'_>,
    grounds: Grounds<'_>,
) -> Result<Verified, Fault> {
    let trusts = |name: &str| trusts(matched, name);
    let seen = credentials::verify(token.text, grounds).map_err(refused)?;
    let trusted = match &seen {
        Verified::Good(known) => trusts(known.key_manager()),
        Verified::Ask(question) => trusts(&question.key_manager().name),
    };
    if trusted { Ok(seen) } else { Err(Fault::InvalidToken(TokenRefused::Issuer)) }
}

/// Whether the token is as the API asks, and what it is bound to is shown.
fn prove(
    matched: &Matched<'_>,
    received: &Received,
    token: Token<'_>,
    known: &Known,
    means: Means<'_>,
) -> Result<(), Fault> {
    let security = &matched.api().security;
    let refused = |why| Err(Fault::InvalidToken(why));
    let fits = |algorithm| security.algorithms.contains(&algorithm);
    if !security.algorithms.is_empty() && !known.algorithm().is_none_or(fits) {
        return refused(TokenRefused::Refused(jose::Refusal::Algorithm));
    }
    let bound = known.bound();
    if let Some(digest) = &bound.certificate
        && received.peer.certificate.as_ref().is_none_or(|shown| *shown.thumbprint() != **digest)
    {
        return refused(TokenRefused::OtherCertificate);
    }
    match (&bound.key, token.proven) {
        (Some(key), true) => {
            let place = called(means.proxies, received);
            let checked = means.proofs.check(
                received,
                (place.scheme, &place.authority),
                (token.text, key),
                means.grounds.now_unix,
            );
            checked.map_err(|why| Fault::InvalidToken(TokenRefused::Proof(why)))?;
        }
        // As a bearer token it would be good for whoever has found it (RFC 9449 §7.1).
        (Some(_), false) | (None, true) => return refused(TokenRefused::Bound),
        (None, false) => {}
    }
    if security.sender_constrained && bound.is_free() {
        return refused(TokenRefused::Unbound);
    }
    Ok(())
}

/// Nobody can say of a token that it is bad where the keys to judge it are missing, or its issuer's word.
pub(super) fn refused(refused: TokenRefused) -> Fault {
    match refused {
        TokenRefused::NoKeys | TokenRefused::NotHeard | TokenRefused::Unintelligible => {
            Fault::KeyManagerAway(Box::new(refused))
        }
        refused => Fault::InvalidToken(refused),
    }
}
