//! Is a password enough, and if not, what proves the rest? (KM-106)
//!
//! A person who gave the right password and still lacks a second factor has no session: what they
//! have is half a login, sealed in the page's hidden field, for their browser and for ten minutes.
//! A code is good once, a recovery code too, and guesses are counted like those of a password.

use serde::{Deserialize, Serialize};

use super::factor_pages::{self, CodePage, EnrolPage, RecoveryPage};
use super::interaction::{arrive, cookie, keep};
use super::ticket::Ticket;
use super::{Authority, Mfa, Refusal, Reply, Request, login, passkeys};
use crate::audit::Event;
use crate::domain::{LoginMethod, Second, User};
use crate::store::{Failures, StoredAuthenticator, StoredPasskey, StoredSession};
use crate::vault::{Seed, VaultError, new_recovery_codes, recovery_code};

/// Half a login is good so long.
const SECONDS: i64 = 600;

/// So many wrong codes are free; there are only a million of them.
const FREE: u32 = 5;

const PURPOSE: &str = "half a login";

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A code.
    Code,
    /// An app to make codes with.
    App,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Half {
    ticket: Ticket,
    user_id: String,
    /// Unix seconds.
    at: i64,
    /// Of the app that is being set up.
    seed: Option<String>,
    /// What a passkey signs.
    challenge: String,
    /// How the first half was shown, as it is stored.
    first: String,
}

/// What a login lacks; `session` is the one that there is already.
pub(super) async fn missing(
    authority: &Authority,
    ticket: &Ticket,
    user: &User,
    session: Option<&StoredSession>,
) -> Result<Option<Missing>, Refusal> {
    let mfa = authority.login.mfa;
    if mfa == Mfa::Off || session.is_some_and(|session| session.method.is_second()) {
        return Ok(None);
    }
    let wanted = mfa == Mfa::Required || ticket.acr == LoginMethod::TWO_FACTORS;
    if session.is_some() && !wanted {
        return Ok(None);
    }
    // Who has an app is asked for its code at every login.
    Ok(match (has(authority, user).await?, wanted) {
        (true, _) => Some(Missing::Code),
        (false, true) => Some(Missing::App),
        (false, false) => None,
    })
}

/// Whether somebody has set up a second factor.
pub(super) async fn has(authority: &Authority, user: &User) -> Result<bool, Refusal> {
    let app = authority.store.authenticator(&user.id).await?.is_some();
    Ok(app || !passkeys(authority, user).await?.is_empty())
}

/// The passkeys that a person can use here.
pub(super) async fn passkeys(
    authority: &Authority,
    user: &User,
) -> Result<Vec<StoredPasskey>, Refusal> {
    match passkeys::site(authority) {
        Some(_) => Ok(authority.store.passkeys(&user.id).await?),
        None => Ok(Vec::new()),
    }
}

/// Asks for what is missing.
pub(super) async fn ask(
    authority: &Authority,
    ticket: Ticket,
    user: &User,
    missing: Missing,
    first: LoginMethod,
) -> Result<Reply, Refusal> {
    let seed = (missing == Missing::App).then(Seed::random);
    let half = Half {
        ticket,
        user_id: user.id.clone(),
        at: authority.clock.unix_seconds(),
        seed: seed.map(|seed| seed.text().as_str().to_owned()),
        challenge: passkeys::challenge(),
        first: first.to_string(),
    };
    page(authority, &half, user, false).await
}

async fn page(
    authority: &Authority,
    half: &Half,
    user: &User,
    wrong: bool,
) -> Result<Reply, Refusal> {
    let sealed = authority.seal(PURPOSE, half)?;
    let action = authority.issuer.local("factor");
    let (action, request, redirect) = (&action, &sealed, &half.ticket.redirect_uri);
    let Some(seed) = &half.seed else {
        let theirs = passkeys(authority, user).await?;
        let form = passkeys::factor_form(authority, (action, request), &half.challenge, &theirs);
        let passkey = form.as_deref();
        return Ok(factor_pages::code(&CodePage { action, request, redirect, wrong, passkey }));
    };
    let uri = factor_pages::uri(authority.issuer.as_str(), user.name.as_str(), seed);
    Ok(factor_pages::enrol(&EnrolPage { action, request, redirect, wrong, seed, uri: &uri }))
}

/// The answer of either page.
pub(super) async fn answered(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let before = cookie(request);
    let half = open(authority, form.find("request"), before.as_deref())?;
    let stored = authority.store.user(&half.user_id).await?;
    let user = stored.map(|stored| stored.user);
    // Whoever was disabled, or whose logins were ended, begins anew.
    let user = user.filter(|user| !user.disabled && user.ended_until < half.at);
    let user = user.ok_or_else(old)?;
    let proof = match form.find("answer").filter(|answer| !answer.is_empty()) {
        Some(answer) if half.seed.is_none() => {
            let challenge = (half.challenge.as_str(), half.at);
            let shown = passkeys::second(authority, request, &user, challenge, answer).await?;
            shown.map(|passkey| Proof::Passkey { synced: passkey.synced })
        }
        _ => {
            let typed = form.find("code").unwrap_or_default();
            prove(authority, request, &half, &user, typed).await?
        }
    };
    let Some(proof) = proof else {
        return page(authority, &half, &user, true).await;
    };
    let first: LoginMethod = half.first.parse().map_err(|_| old())?;
    let method = first.and(match &proof {
        Proof::Recovery => Second::Recovery,
        Proof::Step | Proof::NewApp { .. } => Second::App,
        Proof::Passkey { synced } => Second::passkey(*synced),
    });
    let codes = match &proof {
        Proof::NewApp { seed, step } => Some(set_up(authority, request, &user, seed, *step).await?),
        Proof::Step | Proof::Recovery | Proof::Passkey { .. } => None,
    };
    let (session, cookie) =
        login::begin(authority, &user, method, request, before.as_deref()).await?;
    let mut ticket = half.ticket;
    ticket.login = false;
    let mut reply = if let Some(codes) = codes {
        ticket.bind(authority, &cookie);
        factor_pages::recovery(&RecoveryPage {
            action: &authority.issuer.local("continue"),
            request: &ticket.seal(authority)?,
            redirect: &ticket.redirect_uri,
            codes: &codes.iter().map(|code| code.as_str()).collect::<Vec<_>>(),
        })
    } else {
        arrive(authority, ticket, &session, &user, &cookie).await?
    };
    keep(&mut reply, &cookie)?;
    Ok(reply)
}

fn old() -> Refusal {
    Refusal::invalid("this page is too old, or its browser keeps no cookies")
}

fn open(
    authority: &Authority,
    sealed: Option<&str>,
    cookie: Option<&str>,
) -> Result<Half, Refusal> {
    let half = sealed.and_then(|sealed| authority.open(PURPOSE, sealed));
    let half: Half = half.ok_or_else(old)?;
    let age = authority.clock.unix_seconds().saturating_sub(half.at);
    if age > SECONDS || !half.ticket.is_of(authority, cookie) { Err(old()) } else { Ok(half) }
}

enum Proof {
    Step,
    Recovery,
    NewApp { seed: Seed, step: i64 },
    Passkey { synced: bool },
}

/// What the code proves; `None`: nothing.
async fn prove(
    authority: &Authority,
    request: &Request,
    half: &Half,
    user: &User,
    typed: &str,
) -> Result<Option<Proof>, Refusal> {
    let now = authority.clock.unix_seconds();
    let key = authority.pepper.digest("second factor", &user.id);
    let rules = Failures { free: authority.login.name.free.min(FREE), ..authority.login.name };
    // Counted before the code is looked at: of guesses that come at once none is free.
    if !authority.store.begin_attempt(&key, &rules, now).await? {
        authority.audit.count("login.failed", "", "locked", "second factor");
        return Ok(None);
    }
    let proof = if let Some(seed) = &half.seed {
        let seed = Seed::from_text(seed).ok_or_else(old)?;
        seed.step(typed, now).map(|step| Proof::NewApp { seed, step })
    } else if let Some(code) = recovery_code(typed) {
        let event = Event::of("factor.recovery_used").by(&user.id).from(request.peer.address);
        let digest = digest(authority, user, &code);
        let used = authority.audit.noting(event).use_recovery_code(&user.id, &digest).await?;
        used.then_some(Proof::Recovery)
    } else {
        taken(authority, user, typed, now).await?.then_some(Proof::Step)
    };
    if proof.is_some() {
        authority.store.end_attempt(&key, true).await?;
    } else {
        let event = Event::of("login.failed").by(&user.id).outcome("refused");
        let event = event.from(request.peer.address).with("kind", "second factor");
        authority.audit.record(event).await?;
    }
    Ok(proof)
}

/// Whether this is a code of the person's app that was not used before.
async fn taken(authority: &Authority, user: &User, typed: &str, now: i64) -> Result<bool, Refusal> {
    let Some(stored) = authority.store.authenticator(&user.id).await? else { return Ok(false) };
    let opened = authority.clients.sealer.open(&purpose(user), &stored.sealed)?;
    let seed = Seed::from_bytes(&opened).ok_or(VaultError::Broken)?;
    match seed.step(typed, now) {
        Some(step) => Ok(authority.store.use_step(&user.id, step).await?),
        None => Ok(false),
    }
}

/// Keeps a new app; the answer is the recovery codes that go with it.
async fn set_up(
    authority: &Authority,
    request: &Request,
    user: &User,
    seed: &Seed,
    step: i64,
) -> Result<Vec<zeroize::Zeroizing<String>>, Refusal> {
    let authenticator = StoredAuthenticator {
        sealed: authority.clients.sealer.seal(&purpose(user), seed.expose())?,
        last_step: step,
        created_at: authority.clock.unix_seconds(),
    };
    let event = Event::of("factor.added").by(&user.id).from(request.peer.address);
    // Whoever has one removes it first, which takes the password or the app itself.
    if !authority.audit.noting(event).add_authenticator(&user.id, &authenticator).await? {
        return Err(old());
    }
    tracing::info!(user = user.id, "authenticator set up");
    renew_codes(authority, request, user).await
}

/// New recovery codes in place of those that there were.
pub(super) async fn renew_codes(
    authority: &Authority,
    request: &Request,
    user: &User,
) -> Result<Vec<zeroize::Zeroizing<String>>, Refusal> {
    let codes = new_recovery_codes();
    let plain = codes.iter().filter_map(|code| recovery_code(code));
    let digests: Vec<String> = plain.map(|code| digest(authority, user, &code)).collect();
    let event = Event::of("factor.recovery_renewed").by(&user.id).from(request.peer.address);
    authority.audit.noting(event).set_recovery_codes(&user.id, &digests).await?;
    Ok(codes)
}

fn digest(authority: &Authority, user: &User, code: &str) -> String {
    authority.pepper.digest(&format!("recovery code of {}", user.id), code)
}

fn purpose(user: &User) -> String {
    format!("authenticator of {}", user.id)
}
