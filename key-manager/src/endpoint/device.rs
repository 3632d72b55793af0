//! How does a device without a keyboard ask, and how does a person answer? (RFC 8628, KM-017)
//!
//! The device gets two codes: one for itself, and a short one that a person types at `/device`, where
//! they log in and see who asks. Short codes could be guessed, so attempts are counted.

use http::Method;
use serde_json::json;

use super::account::{Visitor, visitor};
use super::audience::audience;
use super::device_page::{self, DevicePage};
use super::interaction::cookie;
use super::scope::scopes;
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, reply, wanted};
use crate::domain::{Client, LoginMethod, Wishes, network};
use crate::form::Form;
use crate::grant::{DEVICE_OWNER, GrantKind, PAUSE_SECONDS, USER_OWNER};
use crate::store::{DeviceState, Failures, Grant, StoredDevice};
use crate::vault::new_family_id;

/// How long the codes are good.
const SECONDS: i64 = 600;
/// Letters that are not taken for each other, and that make no words (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
/// The most requests of one client at a time.
const MOST_OF_CLIENT: u32 = 10_000;
/// Everybody together may be wrong so many times as often as one network.
const NETWORKS: u32 = 10;

/// `POST /device_authorization`.
pub(super) async fn authorize(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let now = authority.clock.unix_seconds();
    let form = request.form()?;
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    if !client.may_use(GrantKind::DeviceCode.name()) {
        return Err(Refusal::UnauthorizedGrant);
    }
    let (code, user_code) = (chassis::random::token(32), user_code());
    let device = StoredDevice {
        grant: Grant {
            family_id: new_family_id(),
            client_id: client.id.clone(),
            user_id: String::new(),
            session_id: String::new(),
            scopes: scopes(authority, &client, form.find("scope"))?,
            audience: audience(&authority.rules.audience, &form)?.into_owned(),
            logged_in_at: 0,
            method: LoginMethod::default(),
            wishes: Wishes::default(),
        },
        for_user: String::new(),
        message: String::new(),
        bell: String::new(),
        state: DeviceState::Waiting,
        pause_seconds: PAUSE_SECONDS,
        asked_at: 0,
        expires_at: now.saturating_add(SECONDS),
    };
    let digest = authority.pepper.digest(DEVICE_OWNER, &code);
    let user_digest = authority.pepper.digest(USER_OWNER, &user_code);
    // Whoever knows the name of a public client can ask: neither a network nor a client fills the
    // store.
    let by_network = authority.pepper.digest("device by network", &network(request.peer.address));
    let (store, limits) = (&authority.store, &authority.login.network);
    let free = store.begin_attempt(&by_network, limits, now).await?
        && store.add_device(&digest, &user_digest, &device, MOST_OF_CLIENT).await?;
    if !free {
        return Err(Refusal::Full("too many devices are waiting".into()));
    }
    tracing::debug!(client = %client.id, "a device asks");
    let shown = hyphened(&user_code);
    let page = authority.issuer.address("device");
    Ok(reply::private(&json!({
        "device_code": code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": SECONDS,
        "interval": PAUSE_SECONDS,
    })))
}

/// The page for people.
pub(super) async fn page(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let path = authority.issuer.local("device");
    if request.method != Method::POST {
        let query = Form::parse(request.query.as_deref().unwrap_or_default().as_bytes())?;
        let typed = plain(query.find("user_code").unwrap_or_default());
        let back = if typed.is_empty() { path } else { format!("{path}?user_code={typed}") };
        return match visitor(authority, request, &back).await? {
            Ok(visitor) => ask(&visitor, &hyphened(&typed), ""),
            Err(instead) => Ok(instead),
        };
    }
    let form = request.form()?;
    let ticket = Ticket::open(authority, form.find("request"), cookie(request).as_deref())?;
    if !ticket.is_of_page(&path) {
        return Err(Refusal::invalid("this form belongs to another page"));
    }
    match visitor(authority, request, &path).await? {
        Ok(visitor) => answer(&visitor, &form).await,
        Err(instead) => Ok(instead),
    }
}

/// What somebody who is logged in does with a code.
async fn answer(visitor: &Visitor<'_>, form: &Form) -> Result<Reply, Refusal> {
    let authority = visitor.authority;
    let typed = plain(form.find("user_code").unwrap_or_default());
    let Some(device) = known(visitor, &typed).await? else {
        return ask(visitor, &hyphened(&typed), "The code is not known, or it is too old.");
    };
    let client = super::authorize::client(authority, device.grant.client_id.as_str()).await?;
    let allowed = match form.find("answer") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return confirm(visitor, &client, &device, &typed),
    };
    let digest = authority.pepper.digest(USER_OWNER, &typed);
    if !decide(visitor, device.grant, &digest, allowed).await? {
        return ask(visitor, "", "The code was answered before.");
    }
    Ok(device_page::done(allowed))
}

/// Writes the answer of whoever is logged in; `digest` is of the name of the request. `false`: it was
/// answered before.
pub(super) async fn decide(
    visitor: &Visitor<'_>,
    asked: Grant,
    digest: &str,
    allowed: bool,
) -> Result<bool, Refusal> {
    let authority = visitor.authority;
    let name = if allowed { "consent.given" } else { "consent.refused" };
    let event = visitor.event(name).client(asked.client_id.as_str()).with("by", "device");
    let grant = Grant {
        // What they have seen: roles that they get later open nothing that nobody asked them for.
        scopes: authority.scopes.of_person(&asked.scopes, &visitor.user.roles()),
        user_id: visitor.user.id.clone(),
        session_id: visitor.session.id.clone(),
        logged_in_at: visitor.session.logged_in_at,
        method: visitor.session.method,
        ..asked
    };
    let now = authority.clock.unix_seconds();
    let decided = Some(&grant).filter(|_| allowed);
    if !authority.audit.noting(event).decide_device(digest, decided, now).await? {
        return Ok(false);
    }
    tracing::info!(client = %grant.client_id, user = grant.user_id, allowed, "asked elsewhere");
    Ok(true)
}

/// The request behind a code, if this person has not tried too many.
async fn known(visitor: &Visitor<'_>, typed: &str) -> Result<Option<StoredDevice>, Refusal> {
    let authority = visitor.authority;
    let now = authority.clock.unix_seconds();
    let (store, rules) = (&authority.store, &authority.login);
    let by_network = network(visitor.request.peer.address);
    // RFC 8628 section 5.1: all guesses together are few beside the codes that there could be.
    let all = Failures { free: rules.network.free.saturating_mul(NETWORKS), ..rules.network };
    let keys = [
        (authority.pepper.digest("user code by person", &visitor.user.id), rules.name),
        (authority.pepper.digest("user code by network", &by_network), rules.network),
        (authority.pepper.digest("user code by anybody", ""), all),
    ];
    for (key, limits) in &keys {
        if !store.begin_attempt(key, limits, now).await? {
            let event = visitor.event("device.locked_out").outcome("refused");
            authority.audit.record(event).await?;
            return Ok(None);
        }
    }
    let digest = authority.pepper.digest(USER_OWNER, typed);
    let found = store.device_of_user_code(&digest).await?;
    let good =
        |device: &StoredDevice| now < device.expires_at && device.state == DeviceState::Waiting;
    let found = found.filter(good);
    if found.is_some() {
        for (key, _) in &keys {
            store.end_attempt(key, false).await?;
        }
    }
    Ok(found)
}

fn ask(visitor: &Visitor<'_>, typed: &str, wrong: &str) -> Result<Reply, Refusal> {
    let path = visitor.authority.issuer.local("device");
    let page = DevicePage { action: &path, request: &visitor.mark(&path)?, code: typed };
    Ok(device_page::ask(&page, wrong))
}

fn confirm(
    visitor: &Visitor<'_>,
    client: &Client,
    device: &StoredDevice,
    typed: &str,
) -> Result<Reply, Refusal> {
    let path = visitor.authority.issuer.local("device");
    let page = DevicePage { action: &path, request: &visitor.mark(&path)?, code: &hyphened(typed) };
    let known = &visitor.authority.scopes;
    let scopes = known.of_person(&device.grant.scopes, &visitor.user.roles());
    let wanted = wanted::items(known, scopes.iter());
    Ok(device_page::confirm(&page, &client.name, visitor.user.name.as_str(), &wanted))
}

fn user_code() -> String {
    let letter = |_| {
        let place = usize::try_from(chassis::random::below(LETTERS.len() as u64)).ok()?;
        LETTERS.get(place).map(|letter| char::from(*letter))
    };
    (0..LENGTH).filter_map(letter).collect()
}

/// As it was made, however somebody typed it.
fn plain(typed: &str) -> String {
    let letters = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    letters.take(LENGTH * 2).flat_map(char::to_uppercase).collect()
}

/// As people read it.
fn hyphened(code: &str) -> String {
    match code.split_at_checked(LENGTH / 2) {
        Some((first, rest)) if !rest.is_empty() => format!("{first}-{rest}"),
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, code: &str) {
        assert_eq!(plain(typed), code, "{typed:?}");
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        check("WDJB-MJHT", "WDJBMJHT");
        check(" wdjb mjht ", "WDJBMJHT");
        check("", "");
        assert_eq!(hyphened("WDJBMJHT"), "WDJB-MJHT");
        assert_eq!(hyphened(""), "");
    }

    #[test]
    fn a_code_has_eight_letters_of_twenty() {
        for _ in 0..50 {
            let code = user_code();
            assert_eq!(code.len(), LENGTH);
            assert!(code.bytes().all(|letter| LETTERS.contains(&letter)), "{code}");
        }
    }
}
