//! What does a passkey prove? (KM-106, Web Authentication Level 3)
//!
//! That its person is there, at one of our pages, now: with a password it is a second factor, and where it
//! knows its person, by a code or a finger, it is a login by itself. A challenge travels sealed in the page,
//! for one browser and ten minutes, and is good once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn::Site;

use super::interaction::{arrive, cookie, keep};
use super::passkey_pages::{self, PasskeyForm};
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, login};
use crate::audit::Event;
use crate::domain::{LoginMethod, User};
use crate::store::{StoredPasskey, Use, Used};

/// What passkeys are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyUse {
    /// There are none.
    Off,
    /// Besides a password.
    Second,
    /// Also in the place of one.
    Login,
}

/// So long a challenge is good.
const SECONDS: i64 = 600;
/// So many a person may have.
pub(super) const MOST: u32 = 20;
/// More than any browser sends: an identifier of 1023 bytes comes twice, and a certificate or two.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Of answers of one person, remembered until their challenges have ended.
const REMEMBERED: u32 = 1000;

const LOGIN: &str = "login with a passkey";
const NEW: &str = "new passkey";

/// What a page asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ticket: Ticket,
    challenge: String,
    /// Unix seconds.
    at: i64,
}

/// What the script sends, in base64url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    id: String,
    client: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    data: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    user: String,
}

/// Where passkeys are for; `None`: there are none here.
pub(super) fn site(authority: &Authority) -> Option<&Site> {
    authority.passkeys.as_deref()
}

fn unknown() -> Refusal {
    Refusal::invalid("the passkey is not known here, or this page was used before")
}

pub(super) fn challenge() -> String {
    chassis::random::token(32)
}

/// A form by which one logs in with a passkey alone; `None`: one does not. The ticket is bound to its
/// browser already.
pub(super) fn login_form(
    authority: &Authority,
    ticket: &Ticket,
) -> Result<Option<String>, Refusal> {
    let Some(site) = site(authority).filter(|_| authority.login.passkeys == PasskeyUse::Login)
    else {
        return Ok(None);
    };
    let asked = ask(authority, ticket.clone());
    Ok(Some(passkey_pages::form(&PasskeyForm {
        action: &authority.issuer.local("passkey"),
        request: &authority.seal(LOGIN, &asked)?,
        options: &wish(site, &asked.challenge, &[], "required"),
        fields: "",
        button: "Log in with a passkey",
    })))
}

/// A form that asks for one of `passkeys` besides a password.
pub(super) fn factor_form(
    authority: &Authority,
    (action, request): (&str, &str),
    challenge: &str,
    passkeys: &[StoredPasskey],
) -> Option<String> {
    let site = site(authority).filter(|_| !passkeys.is_empty())?;
    Some(passkey_pages::form(&PasskeyForm {
        action,
        request,
        options: &wish(site, challenge, passkeys, "discouraged"),
        fields: "",
        button: "Use a passkey",
    }))
}

fn ask(authority: &Authority, ticket: Ticket) -> Asked {
    Asked { ticket, challenge: challenge(), at: authority.clock.unix_seconds() }
}

/// `PublicKeyCredentialRequestOptions`.
fn wish(site: &Site, challenge: &str, passkeys: &[StoredPasskey], verification: &str) -> String {
    let allowed: Vec<Value> = passkeys.iter().map(descriptor).collect();
    json!({
        "challenge": challenge,
        "rpId": site.id,
        "timeout": SECONDS.saturating_mul(1000),
        "userVerification": verification,
        "allowCredentials": allowed,
    })
    .to_string()
}

fn descriptor(passkey: &StoredPasskey) -> Value {
    json!({ "type": "public-key", "id": passkey.id })
}

/// Asks for a new passkey of `user`, who has `passkeys`: what the page carries, and what the browser is
/// asked for (`PublicKeyCredentialCreationOptions`).
pub(super) fn ask_new(
    authority: &Authority,
    site: &Site,
    ticket: Ticket,
    user: &User,
    passkeys: &[StoredPasskey],
) -> Result<(String, String), Refusal> {
    let asked = ask(authority, ticket);
    let known: Vec<Value> = passkeys.iter().map(descriptor).collect();
    let kinds: Vec<Value> = webauthn::ALGORITHMS
        .iter()
        .map(|alg| json!({ "type": "public-key", "alg": alg }))
        .collect();
    let options = json!({
        "challenge": asked.challenge,
        "rp": { "id": site.id, "name": site.id },
        "user": {
            "id": URL_SAFE_NO_PAD.encode(&user.id),
            "name": user.name.as_str(),
            "displayName": user.name.as_str(),
        },
        "pubKeyCredParams": kinds,
        "timeout": SECONDS.saturating_mul(1000),
        "attestation": "none",
        "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
        "excludeCredentials": known,
    });
    Ok((authority.seal(NEW, &asked)?, options.to_string()))
}

/// The passkey that a browser made for `user`, under a name of theirs. `None`: it is known already, or they
/// have too many.
pub(super) async fn keep_new(
    authority: &Authority,
    request: &Request,
    user: &User,
    (sealed, answer, name): (Option<&str>, &str, &str),
) -> Result<bool, Refusal> {
    let site = site(authority).ok_or_else(unknown)?;
    let asked = Asked::open(authority, NEW, sealed, cookie(request).as_deref())?;
    let answer = Answer::read(answer)?;
    let challenge = bytes(&asked.challenge)?;
    let made =
        webauthn::register(site, &challenge, &bytes(&answer.client)?, &bytes(&answer.object)?);
    let made = made.map_err(|refusal| refused(user, refusal))?;
    use_up(authority, user, &asked.challenge, asked.at).await?;
    let name: String = name.trim().chars().take(LONGEST_NAME).collect();
    let passkey = StoredPasskey {
        id: URL_SAFE_NO_PAD.encode(&made.id),
        user_id: user.id.clone(),
        name: if name.is_empty() { "passkey".to_owned() } else { name },
        key: URL_SAFE_NO_PAD.encode(&made.key),
        counter: i64::from(made.counter),
        synced: made.synced,
        created_at: authority.clock.unix_seconds(),
        used_at: 0,
    };
    let event = Event::of("passkey.added").by(&user.id).from(request.peer.address);
    let event = event.with("passkey", &passkey.id);
    Ok(authority.audit.noting(event).add_passkey(&passkey, MOST).await?)
}

/// The answer of the login page: who has a passkey that knows them needs no password.
pub(super) async fn log_in(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    if authority.login.passkeys != PasskeyUse::Login {
        return Err(Refusal::NotFound);
    }
    let form = request.form()?;
    let before = cookie(request);
    let asked = Asked::open(authority, LOGIN, form.find("request"), before.as_deref())?;
    let answer = form.find("answer").unwrap_or_default();
    let Some((user, passkey)) = whose(authority, request, &asked, answer).await? else {
        authority.audit.count("login.failed", "", "refused", "passkey");
        return Err(unknown());
    };
    let method = LoginMethod::passkey(passkey.synced);
    let (session, cookie) =
        login::begin(authority, &user, method, request, before.as_deref()).await?;
    tracing::info!(user = user.id, "logged in with a passkey");
    let mut ticket = asked.ticket;
    ticket.login = false;
    let mut reply = arrive(authority, ticket, &session, &user, &cookie).await?;
    keep(&mut reply, &cookie)?;
    Ok(reply)
}

/// Who showed a passkey that knows them. `None`: nobody, and not why.
async fn whose(
    authority: &Authority,
    request: &Request,
    asked: &Asked,
    answer: &str,
) -> Result<Option<(User, StoredPasskey)>, Refusal> {
    let answer = Answer::read(answer)?;
    let Some(passkey) = authority.store.passkey(&answer.id).await? else { return Ok(None) };
    let Some(stored) = authority.store.user(&passkey.user_id).await? else { return Ok(None) };
    // Whether somebody is still in a directory is known there only: they log in with its password.
    let may = !stored.user.disabled && !stored.is_in_directory();
    let named = bytes(&answer.user).is_ok_and(|user| user == stored.user.id.as_bytes());
    if !may || !named {
        return Ok(None);
    }
    let challenge = (asked.challenge.as_str(), asked.at);
    let user = stored.user;
    let shown = check(authority, request, &user, challenge, &answer, &passkey).await?;
    Ok(shown.filter(|verified| *verified).map(|_| (user, passkey)))
}

/// The passkey of `user` that a browser showed besides their password. `None`: none that is good.
pub(super) async fn second(
    authority: &Authority,
    request: &Request,
    user: &User,
    challenge: (&str, i64),
    answer: &str,
) -> Result<Option<StoredPasskey>, Refusal> {
    let answer = Answer::read(answer)?;
    let found = authority.store.passkey(&answer.id).await?;
    let Some(passkey) = found.filter(|passkey| passkey.user_id == user.id) else {
        return Ok(None);
    };
    let shown = check(authority, request, user, challenge, &answer, &passkey).await?;
    if shown.is_none() {
        authority.audit.count("login.failed", "", "refused", "passkey");
    }
    Ok(shown.map(|_| passkey))
}

/// Looks at an answer and uses its challenge up; whether the passkey knew its person. `None`: it is not
/// good.
async fn check(
    authority: &Authority,
    request: &Request,
    user: &User,
    (challenge, at): (&str, i64),
    answer: &Answer,
    passkey: &StoredPasskey,
) -> Result<Option<bool>, Refusal> {
    let site = site(authority).ok_or_else(unknown)?;
    let key = bytes(&passkey.key)?;
    let shown = webauthn::assert(
        site,
        &bytes(challenge)?,
        (&key, passkey.synced),
        &bytes(&answer.client)?,
        &bytes(&answer.data)?,
        &bytes(&answer.signature)?,
    );
    let shown = match shown {
        Ok(shown) => shown,
        Err(refusal) => {
            refused(user, refusal);
            return Ok(None);
        }
    };
    use_up(authority, user, challenge, at).await?;
    let now = authority.clock.unix_seconds();
    if authority.store.use_passkey(&passkey.id, i64::from(shown.counter), now).await? {
        return Ok(Some(shown.verified));
    }
    // Two of them count: one is a copy, and nobody knows which.
    let event = Event::of("passkey.doubled").by(&user.id).outcome("refused");
    let event = event.from(request.peer.address).with("passkey", &passkey.id);
    authority.audit.record(event).await?;
    tracing::warn!(user = user.id, passkey = passkey.id, "a passkey counts as if it had a double");
    Ok(None)
}

/// Of several answers to one challenge one is taken.
async fn use_up(
    authority: &Authority,
    user: &User,
    challenge: &str,
    at: i64,
) -> Result<(), Refusal> {
    let owner = format!("passkeys of {}", user.id);
    let used = Used {
        owner: &owner,
        name: challenge,
        until: at.saturating_add(SECONDS).saturating_add(1),
        now: authority.clock.unix_seconds(),
        most: REMEMBERED,
    };
    match authority.store.use_once(&used).await? {
        Use::First => Ok(()),
        Use::Again => Err(unknown()),
        Use::Full => Err(Refusal::Full("too many answers of passkeys".into())),
    }
}

fn refused(user: &User, refusal: webauthn::Refusal) -> Refusal {
    tracing::info!(user = user.id, why = %refusal, "passkey refused");
    unknown()
}

fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| unknown())
}

impl Answer {
    fn read(text: &str) -> Result<Self, Refusal> {
        let text = Some(text).filter(|text| text.len() <= LONGEST_ANSWER);
        serde_json::from_str(text.unwrap_or_default()).map_err(|_| unknown())
    }
}

impl Asked {
    fn open(
        authority: &Authority,
        purpose: &str,
        sealed: Option<&str>,
        cookie: Option<&str>,
    ) -> Result<Self, Refusal> {
        let old = || Refusal::invalid("this page is too old, or its browser keeps no cookies");
        let asked = sealed.and_then(|sealed| authority.open(purpose, sealed));
        let asked: Self = asked.ok_or_else(old)?;
        let age = authority.clock.unix_seconds().saturating_sub(asked.at);
        if age > SECONDS || !asked.ticket.is_of(authority, cookie) { Err(old()) } else { Ok(asked) }
    }
}
