//! Token exchange: a service calls the next one in the name of whoever called it (RFC 8693, KM-038).
//!
//! What comes out holds no more than what went in: not more scopes, no other audience, no longer life.
//! It says who acts (`act`), and it ends with the authorization that the first token came from.

use serde_json::{Value, json};

use super::approval::Approval;
use super::consent::agreed;
use super::error::GrantError;
use super::means::{Asked, Means};
use super::refresh_token;
use crate::domain::{Confirmation, LiveToken, Scopes};
use crate::issue::{identity, recognise};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Both are for the client alone that they were issued to.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
/// The longest chain of services that act for each other.
const LONGEST_CHAIN: usize = 8;
/// So many logins of a person are looked through.
const LOGINS: u32 = 1000;

const SUBJECT: &str = "subject_token";
const SUBJECT_TYPE: &str = "subject_token_type";

/// What the token that was shown allows at most.
#[derive(Clone, Debug)]
pub struct Exchanged {
    pub scopes: Scopes,
    pub audience: Vec<String>,
    /// Of the authorization behind it; `None`: there is none that could end.
    pub family: Option<String>,
    /// Whether its subject is a person, as far as it says so itself.
    pub person: bool,
    /// Who acts, and for whom they do (RFC 8693 section 4.1).
    pub act: Value,
    /// When it ends, Unix seconds.
    pub until: i64,
}

pub(super) async fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let form = asked.form;
    let subject = shown(asked, means, SUBJECT, SUBJECT_TYPE).await?;
    let subject = subject.ok_or(GrantError::Missing(SUBJECT))?;
    let actor = shown(asked, means, "actor_token", "actor_token_type").await?;
    if form.find("requested_token_type").is_some_and(|kind| !is_known(kind)) {
        return Err(GrantError::Unsupported("requested_token_type"));
    }
    let id = asked.client.id.as_str();
    let actor = actor.as_ref().map_or(id, |actor| actor.subject.as_str());
    // RFC 8693 section 4.4: where a token names who may act, nobody else may.
    let named = |may: &Value| may.get("sub").and_then(Value::as_str) == Some(actor);
    if subject.may_act.as_ref().is_some_and(|may| !named(may)) {
        return Err(GrantError::Invalid("the subject token names another who may act"));
    }
    let act = match &subject.act {
        None => json!({ "sub": actor }),
        Some(before) if depth(before) < LONGEST_CHAIN => json!({ "sub": actor, "act": before }),
        Some(_) => return Err(GrantError::Invalid("too many act for each other already")),
    };
    // Who logged in stays between the person and the first application.
    let allowed = |scope: &&String| asked.client.scopes.contains(scope) && *scope != "openid";
    let scopes = subject.scopes.iter().filter(allowed).map(String::as_str);
    let scopes = Scopes::collect(scopes).map_err(|_| GrantError::Invalid("a scope is none"))?;
    let exchanged = Exchanged {
        scopes,
        audience: subject.audience,
        person: subject.family.is_some() || form.find(SUBJECT_TYPE) == Some(ID_TOKEN),
        family: subject.family,
        act,
        until: subject.expires_at,
    };
    Ok(Approval::token(subject.subject, exchanged))
}

/// A token of ours that is good, and that whoever shows it may use. One that is not is never left out:
/// the request is refused.
async fn shown(
    asked: Asked<'_>,
    means: &Means<'_>,
    name: &'static str,
    kind: &'static str,
) -> Result<Option<LiveToken>, GrantError> {
    let (token, named) = (asked.form.find(name), asked.form.find(kind));
    let Some(token) = token else {
        let alone = named.is_some();
        return if alone { Err(GrantError::Missing(name)) } else { Ok(None) };
    };
    let found = match (named.ok_or(GrantError::Missing(kind))?, name) {
        (ID_TOKEN, SUBJECT) => login(token, asked, means).await?,
        (REFRESH_TOKEN, SUBJECT) => family(token, asked, means).await?,
        (known, _) if is_known(known) => {
            recognise(token, means.origin, means.now).ok_or_else(ended)?
        }
        _ => return Err(GrantError::Unsupported(kind)),
    };
    if means.log.has_ended(&found).await? {
        return Err(ended());
    }
    let held = |bound: &Option<String>, proven: &Option<String>| bound.is_none() || bound == proven;
    let proven = asked.confirmation;
    if !held(&found.confirmation.key, &proven.key)
        || !held(&found.confirmation.certificate, &proven.certificate)
    {
        return Err(GrantError::Invalid("the token that was shown is bound to another key"));
    }
    Ok(Some(found))
}

/// What an ID token stands for: the person who logged in at this client, as long as that login
/// lasts, with what they agreed to.
async fn login(token: &str, asked: Asked<'_>, means: &Means<'_>) -> Result<LiveToken, GrantError> {
    let found = identity(token, means.origin.issuer(), means.origin.ring, means.now);
    let found = found.ok_or_else(ended)?;
    if found.client_id != asked.client.id.as_str() {
        return Err(GrantError::Invalid("the ID token was issued to another client"));
    }
    let logins = means.store.sessions(&found.subject, means.now, LOGINS).await?;
    if !logins.iter().any(|login| login.id == found.session) {
        return Err(ended());
    }
    let scopes = agreed(asked.client, means, &found.subject, false).await?;
    Ok(LiveToken {
        issuer: means.origin.issuer().to_owned(),
        client_id: found.client_id,
        subject: found.subject,
        scopes: scopes.iter().map(str::to_owned).collect(),
        audience: means.audience.to_vec(),
        issued_at: found.issued_at,
        expires_at: found.expires_at,
        ..LiveToken::default()
    })
}

/// What a refresh token stands for: what the person agreed to. It is not used up.
async fn family(token: &str, asked: Asked<'_>, means: &Means<'_>) -> Result<LiveToken, GrantError> {
    let (_, family) = refresh_token::shown(token, asked, means).await?;
    let grant = family.grant;
    Ok(LiveToken {
        issuer: means.origin.issuer().to_owned(),
        client_id: grant.client_id.to_string(),
        subject: grant.user_id,
        scopes: grant.scopes.iter().map(str::to_owned).collect(),
        audience: grant.audience,
        issued_at: means.now,
        expires_at: family.ends_at,
        family: Some(grant.family_id),
        confirmation: Confirmation { key: family.key, certificate: None },
        ..LiveToken::default()
    })
}

const fn ended() -> GrantError {
    GrantError::Invalid("the token that was shown is none of this server, or has ended")
}

fn is_known(kind: &str) -> bool {
    matches!(kind, ACCESS_TOKEN | JWT)
}

fn depth(act: &Value) -> usize {
    std::iter::successors(Some(act), |act| act.get("act")).take(LONGEST_CHAIN + 1).count()
}
