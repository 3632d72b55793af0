//! A grant of the operator's, which a program of theirs judges (KM-042, decision D8).
//!
//! The program says for whom a token is and how much it may hold at most; `Word` has nothing in it by
//! which more could be said. Whom it names is looked up here, what they agreed to is looked up here,
//! and what it allows is cut to what the client may have. Who is locked out or may not log in is
//! refused by the endpoint, as with every grant.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::approval::{Approval, Limits, Step};
use super::consent::agreed;
use super::error::GrantError;
use super::means::{Asked, Means};
use super::once::Once;
use super::pending;
use crate::audit::Event;
use crate::domain::{LoginMethod, Scopes, User, UserName, Wishes};
use crate::rpc::{
    Decision, Denial, Descriptor, Handler, HandlerError, Question, Single, Subject, Word,
};
use crate::store::Grant;
use crate::vault::new_family_id;

/// The error codes that every handler may answer.
const CODES: [&str; 8] = [
    "invalid_request",
    "invalid_grant",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "access_denied",
    "expired_token",
    "transaction_failed",
];
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

/// The claims that nobody but the key manager gives (RFC 7519, RFC 8693, RFC 9068, and ours).
const RESERVED: [&str; 37] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "appid",
    "scope",
    "scp",
    "cnf",
    "act",
    "may_act",
    "acr",
    "amr",
    "auth_time",
    "sid",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "typ",
    "token_type",
    "active",
    "username",
    "preferred_username",
    "authorization_details",
    "roles",
    "groups",
    "entitlements",
    "events",
    "sub_id",
    "txn",
    "km",
    "kid",
];

/// Whether a handler may never give this claim, whatever is configured.
pub fn is_reserved(claim: &str) -> bool {
    RESERVED.contains(&claim)
}

pub(super) async fn approve(
    handler: &Handler,
    grant_type: &str,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Approval, GrantError> {
    let descriptor = handler.descriptor().ok_or(HandlerError::Unknown)?;
    if !descriptor.types.iter().any(|known| known == grant_type) {
        return Err(HandlerError::Unknown.into());
    }
    let parameters = parameters(asked, &descriptor)?;
    let before = pending::resume(asked, means, grant_type).await?;
    // Counted before it is asked: of guesses that come at once none is free.
    if !means.lockout.begin(means.address).await? {
        return Err(GrantError::Invalid("too many tries failed from there; try again later"));
    }
    let scopes = asked.form.find("scope").unwrap_or_default().split(' ');
    let audience = asked.form.all("resource").chain(asked.form.all("audience"));
    let question = Question {
        grant_type,
        client: asked.client,
        parameters,
        scopes: scopes.filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        audience: audience.map(str::to_owned).collect(),
        address: means.address,
        agent: asked.agent,
        confirmation: asked.confirmation,
        now: means.now,
        handle: before.as_ref().map(|before| before.handle.clone()).unwrap_or_default(),
    };
    let decided = handler.ask(&question).await;
    if !matches!(&decided, Ok(Decision::Deny(denial)) if denial.guessed) {
        means.lockout.end(means.address).await?;
    }
    match decided? {
        Decision::Approve(word) => accept(handler, &descriptor, *word, asked, means).await,
        Decision::Deny(denial) => Err(deny(handler, &descriptor, denial, asked, means).await?),
        Decision::Pending(wait) => {
            Err(pending::wait(asked, means, grant_type, wait, before.as_ref())?)
        }
    }
}

/// The parameters that the handler declared, and no others.
fn parameters(
    asked: Asked<'_>,
    descriptor: &Descriptor,
) -> Result<BTreeMap<String, String>, GrantError> {
    let mut taken = BTreeMap::new();
    for parameter in &descriptor.parameters {
        let name = || parameter.name.clone();
        match asked.form.find(&parameter.name) {
            Some(value) if value.len() > parameter.longest => {
                return Err(GrantError::Parameter(name(), "is too long"));
            }
            Some(value) => {
                taken.insert(name(), value.to_owned());
            }
            None if parameter.required => {
                return Err(GrantError::Parameter(name(), "is missing"));
            }
            None => {}
        }
    }
    Ok(taken)
}

/// What is left of an approval.
async fn accept(
    handler: &Handler,
    descriptor: &Descriptor,
    word: Word,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Approval, GrantError> {
    let client = asked.client;
    let audience = within(means.audience, word.audience.as_deref());
    if audience.is_empty() {
        return Err(GrantError::Invalid("the token would be for nobody"));
    }
    let once = word.once.as_ref().map(|single| once(handler, single, means));
    let claims = claims(handler, descriptor, word.claims);
    // What is not kept with a family would be lost with the first refresh.
    let refresh =
        word.refresh && descriptor.may_refresh && claims.is_empty() && word.seconds.is_none();
    let limits = Limits { seconds: word.seconds, claims };
    let user = match &word.subject {
        Subject::Client if descriptor.needs_user => {
            return Err(HandlerError::Broken("it names no person, and said that it would").into());
        }
        Subject::Client => None,
        Subject::Id(id) => Some(means.store.user(id).await?.map(|stored| stored.user)),
        Subject::Name(name) => Some(match UserName::parse(name) {
            Ok(name) => means.store.user_named(&name).await?.map(|stored| stored.user),
            Err(_) => None,
        }),
    };
    let Some(user) = user else {
        let scopes = narrowed(&client.scopes, word.scopes.as_deref())?;
        let approval = Approval::vouched(client.id.clone(), scopes, audience, once);
        return Ok(approval.within(limits));
    };
    let user: User = user.ok_or(GrantError::Invalid("nobody of that name has an account here"))?;
    let asked_elsewhere = word.consented && handler.rules.consent;
    let scopes = agreed(client, means, &user.id, asked_elsewhere).await?;
    let grant = Grant {
        family_id: new_family_id(),
        client_id: client.id.clone(),
        user_id: user.id,
        session_id: String::new(),
        scopes: narrowed(&scopes, word.scopes.as_deref())?,
        audience,
        logged_in_at: word.at,
        method: LoginMethod::default(),
        wishes: Wishes::default(),
    };
    Ok(Approval::person(grant, Step::Vouched { once, refresh }).within(limits))
}

fn within(all: &[String], most: Option<&[String]>) -> Vec<String> {
    let fits = |one: &&String| most.is_none_or(|most| most.contains(one));
    all.iter().filter(fits).cloned().collect()
}

fn narrowed(all: &Scopes, most: Option<&[String]>) -> Result<Scopes, GrantError> {
    let fits = |scope: &&str| most.is_none_or(|most| most.iter().any(|one| one == scope));
    let scopes = Scopes::collect(all.iter().filter(fits));
    scopes.map_err(|_| GrantError::Invalid("a scope is none"))
}

fn once(handler: &Handler, single: &Single, means: &Means<'_>) -> Once {
    Once {
        owner: format!("plugin/{}", handler.rules.name),
        name: means.pepper.digest("single use", &single.name),
        until: single.until,
    }
}

/// The claims that are allowed; the others are told of in the log.
fn claims(
    handler: &Handler,
    descriptor: &Descriptor,
    said: Map<String, Value>,
) -> Map<String, Value> {
    let allowed = |name: &String| descriptor.claims.contains(name) && !is_reserved(name);
    let (kept, dropped): (Map<_, _>, Map<_, _>) =
        said.into_iter().partition(|(name, _)| allowed(name));
    if !dropped.is_empty() {
        let names = dropped.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
        tracing::warn!(handler = handler.rules.name, names, "claims that it may not give dropped");
    }
    kept
}

/// What the client hears; a guess is counted.
async fn deny(
    handler: &Handler,
    descriptor: &Descriptor,
    denial: Denial,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<GrantError, GrantError> {
    if denial.guessed {
        let name = UserName::parse(&denial.name).ok();
        if let Some(name) = &name {
            means.lockout.failed_for(name).await?;
        }
        let named = name.as_ref().map_or("", UserName::as_str);
        means.fraud.login_failed(named, means.address);
        let event = Event::of("login.failed").outcome("refused").from(means.address);
        let event = event.client(asked.client.id.as_str()).with("plugin", &handler.rules.name);
        means.audit.record(event.by("")).await?;
    }
    let Denial { error, description, .. } = denial;
    let known = CODES.contains(&error.as_str()) || descriptor.error_codes.contains(&error);
    let code = if known {
        error
    } else {
        let code: String = error.chars().take(LONGEST_DESCRIPTION).collect();
        tracing::warn!(handler = handler.rules.name, code, "error code that it may not answer");
        "invalid_grant".to_owned()
    };
    let description = description.chars().take(LONGEST_DESCRIPTION).collect();
    Ok(GrantError::Refused { code, description })
}
