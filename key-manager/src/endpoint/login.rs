//! Who sits before the browser? (KM-102, KM-107)
//!
//! A name and a password are looked at in the same time whoever it is, and the answer is the same
//! whatever was wrong. Attempts are counted before the password is looked at.

use std::net::IpAddr;

use http::header;

use super::{Authority, PasskeyUse, Refusal, Request, SignUp};
use crate::accounts::{self, AccountError};
use crate::audit::Event;
use crate::directory::{Directory, Found};
use crate::domain::{LoginMethod, Password, User, UserName, network};
use crate::store::{Failures, StoredSession, StoredUser};

/// Whether a password is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mfa {
    /// It is, and nobody can set up more.
    Off,
    /// Unless its person set up more, or the client asks for more.
    Optional,
    /// It is not.
    Required,
}

/// What holds for everybody who logs in.
#[derive(Clone, Copy, Debug)]
pub struct LoginRules {
    /// One logs in anew after so many seconds.
    pub life_seconds: i64,
    /// And after so many in which the browser did not come.
    pub idle_seconds: i64,
    pub mfa: Mfa,
    pub passkeys: PasskeyUse,
    pub signup: SignUp,
    /// For one name.
    pub name: Failures,
    /// For one network.
    pub network: Failures,
}

/// A session is kept alive at most this often, so that not every request writes.
const TOUCH_SECONDS: i64 = 60;

/// The longest name of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// What a name and a password turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Known(User),
    /// Somebody else's, or nobody's, and not why.
    Unknown,
    /// There were too many wrong ones; the next is looked at in so many seconds at the earliest.
    Locked {
        seconds: u32,
    },
}

/// Who shows this name and this password. `None`: nobody, and not why.
pub(super) async fn recognise(
    authority: &Authority,
    address: Option<IpAddr>,
    name: &str,
    password: &str,
) -> Result<Option<User>, Refusal> {
    match look(authority, address, name, password).await? {
        Shown::Known(user) => Ok(Some(user)),
        Shown::Unknown | Shown::Locked { .. } => Ok(None),
    }
}

/// The same, for somebody who has to hear how long to wait.
pub(super) async fn look(
    authority: &Authority,
    address: Option<IpAddr>,
    name: &str,
    password: &str,
) -> Result<Shown, Refusal> {
    let typed = password;
    let (Ok(name), Ok(password)) = (UserName::parse(name), Password::tried(typed)) else {
        return Ok(Shown::Unknown);
    };
    let now = authority.clock.unix_seconds();
    let store = &authority.store;
    let by_name = authority.pepper.digest(Failures::BY_NAME, name.as_str());
    let by_network = authority.pepper.digest(Failures::BY_NETWORK, &network(address));
    let rules = &authority.login;
    // From a network that is blocked nothing is counted: it could fill the store with names.
    let reached = store.begin_attempt(&by_network, &rules.network, now).await?;
    let allowed = reached && store.begin_attempt(&by_name, &rules.name, now).await?;

    let stored = store.user_named(&name).await?;
    let phc = stored.as_ref().map(|stored| stored.password.clone()).unwrap_or_default();
    let known = stored.as_ref().map(|stored| stored.password.as_str());
    // Also for one who is locked out: the time says nothing.
    let same = match authority.passwords.matches(password, known).await {
        Ok(same) => same,
        Err(failure) => {
            // Nothing was looked at, so nothing failed: an overload locks nobody out.
            if reached {
                store.end_attempt(&by_network, false).await?;
            }
            if allowed {
                store.end_attempt(&by_name, false).await?;
            }
            return Err(failure.into());
        }
    };
    // Who has an account here is not asked for there: a directory that is down holds up nobody else.
    let elsewhere = stored.as_ref().is_none_or(StoredUser::is_in_directory);
    let (user, same) = match &authority.directory {
        Some(directory) if elsewhere && allowed => {
            let user = stored.map(|stored| stored.user);
            match Box::pin(from_directory(authority, directory, &name, typed, user)).await {
                Ok((user, same)) => (user, same),
                Err(refusal) => {
                    // As with an overload: nothing was looked at.
                    store.end_attempt(&by_network, false).await?;
                    store.end_attempt(&by_name, false).await?;
                    return Err(refusal);
                }
            }
        }
        _ => (stored.map(|stored| stored.user), same),
    };
    let user_id = user.as_ref().map(|user| user.id.clone());
    if let Some(user) = user.filter(|user| allowed && same && !user.disabled) {
        store.end_attempt(&by_name, true).await?;
        store.end_attempt(&by_network, false).await?;
        tracing::info!(user = user.id, "logged in");
        if !elsewhere {
            renew(authority, &user, &phc, typed).await;
        }
        return Ok(Shown::Known(user));
    }
    let text = address.map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(address = text, allowed, "login failed");
    authority.fraud.login_failed(name.as_str(), address);
    failed(authority, address, user_id.as_deref(), allowed).await?;
    if allowed {
        return Ok(Shown::Unknown);
    }
    Ok(Shown::Locked { seconds: authority.lockout().wait(&name, address).await? })
}

/// Asks the directory; `user` is the account of somebody who came from there before.
async fn from_directory(
    authority: &Authority,
    directory: &Directory,
    name: &UserName,
    typed: &str,
    user: Option<User>,
) -> Result<(Option<User>, bool), Refusal> {
    let found = match directory.open(name.as_str(), typed).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "directory not asked");
            return Err(Refusal::Unavailable(Box::new(error)));
        }
    };
    let Some(found) = found else { return Ok((user, false)) };
    let user = match user {
        Some(user) => accounts::take_over_roles(authority, user, &found.roles).await.map(Some),
        None => join(authority, name, found).await,
    };
    match user {
        Ok(user) => Ok((user, true)),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(error) => Err(Refusal::Failed(Box::new(error))),
    }
}

/// Makes an account for somebody who came from there for the first time. `None`: meanwhile somebody else
/// has the name.
async fn join(
    authority: &Authority,
    name: &UserName,
    found: Found,
) -> Result<Option<User>, AccountError> {
    let (text, roles) = (name.as_str(), found.roles);
    // What the directory knows and we cannot keep is left out.
    let claims = serde_json::json!(found.claims).to_string();
    let joined = match accounts::join(authority, text, &claims, roles.clone()).await {
        Err(AccountError::Profile(_)) => accounts::join(authority, text, "", roles).await,
        joined => joined,
    };
    match joined {
        Ok(user) => Ok(Some(user)),
        // The same person was faster in another window.
        Err(AccountError::Taken) => {
            let stored = authority.store.user_named(name).await?;
            Ok(stored.filter(StoredUser::is_in_directory).map(|stored| stored.user))
        }
        Err(error) => Err(error),
    }
}

/// Makes a hash anew that was made otherwise than today (KM-101). When that does not work, the next
/// login tries again.
async fn renew(authority: &Authority, user: &User, stored: &str, typed: &str) {
    if authority.passwords.is_current(stored) {
        return;
    }
    let Ok(password) = Password::tried(typed) else { return };
    let Ok(hash) = authority.passwords.hash(password).await else { return };
    let event = Event::of("user.password_rehashed").by(&user.id);
    let renewed = authority.audit.noting(event).renew_hash(&user.id, stored, &hash).await;
    match renewed {
        Ok(true) => tracing::info!(user = user.id, "password hashed anew"),
        Ok(false) => {}
        Err(error) => tracing::warn!(user = user.id, %error, "password not hashed anew"),
    }
}

/// Notes a login that failed. What was typed as a name is not noted: it may be a password.
async fn failed(
    authority: &Authority,
    address: Option<IpAddr>,
    user: Option<&str>,
    allowed: bool,
) -> Result<(), Refusal> {
    if allowed {
        let event = Event::of("login.failed").outcome("refused").from(address);
        authority.audit.record(event.by(user.unwrap_or_default())).await?;
    } else {
        // One who is locked out can come as often as they like: they are counted.
        authority.audit.count("login.failed", "", "locked", "");
    }
    Ok(())
}

/// What sessions are digested under.
const SESSION: &str = "session";

/// Begins a session in place of what the browser had before; the answer is the new cookie.
pub(super) async fn begin(
    authority: &Authority,
    user: &User,
    method: LoginMethod,
    request: &Request,
    before: Option<&str>,
) -> Result<(StoredSession, String), Refusal> {
    let now = authority.clock.unix_seconds();
    let address = request.peer.address;
    let cookie = chassis::random::token(32);
    let session = StoredSession {
        id: chassis::random::token(16),
        digest: authority.pepper.digest(SESSION, &cookie),
        user_id: user.id.clone(),
        method,
        address: address.map(|address| address.to_canonical().to_string()).unwrap_or_default(),
        agent: agent(request),
        logged_in_at: now,
        idle_until: now.saturating_add(authority.login.idle_seconds),
        ends_at: now.saturating_add(authority.login.life_seconds),
    };
    let instead_of = before.map(|cookie| authority.pepper.digest(SESSION, cookie));
    let event = Event::of("login.succeeded").by(&user.id).from(address);
    let event = event.with("session", &session.id).with("method", &method.to_string());
    let store = authority.audit.noting(event);
    store.add_session(&session, &instead_of.unwrap_or_default()).await?;
    authority.fraud.logged_in(&user.id, address);
    Ok((session, cookie))
}

/// What a browser calls itself, as far as it fits.
pub(super) fn agent(request: &Request) -> String {
    let field = request.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    field.unwrap_or_default().chars().take(LONGEST_AGENT).collect()
}

/// The session that a cookie stands for, and whose it is, while both are good.
pub(super) async fn find(
    authority: &Authority,
    cookie: &str,
) -> Result<Option<(StoredSession, User)>, Refusal> {
    let now = authority.clock.unix_seconds();
    let digest = authority.pepper.digest(SESSION, cookie);
    let Some(session) = authority.store.session(&digest).await? else { return Ok(None) };
    if now >= session.ends_at || now >= session.idle_until {
        return Ok(None);
    }
    let stored = authority.store.user(&session.user_id).await?;
    let Some(user) = stored.map(|stored| stored.user).filter(|user| !user.disabled) else {
        return Ok(None);
    };
    let idle_until = now.saturating_add(authority.login.idle_seconds).min(session.ends_at);
    if idle_until.saturating_sub(session.idle_until) >= TOUCH_SECONDS {
        authority.store.keep_session(&session.id, idle_until).await?;
    }
    Ok(Some((session, user)))
}
