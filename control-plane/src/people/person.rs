//! Who is it that a verified token speaks of?
//!
//! A token counts for the client that it was made for. One that is bound to a key is refused: whether
//! its bearer has the key cannot be seen here.

use jose::Claims;
use serde_json::Value;

use super::caller::{Caller, Known, Limits, Shown};
use super::config::Rules;

/// The most teams of a user; further ones are left out.
const MOST_TEAMS: usize = 200;

/// Why it is nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit(pub(super) &'static str);

/// Whom the claims mean.
pub(super) fn caller(rules: &Rules, claims: &Claims) -> Result<Caller, Misfit> {
    if claims.other.contains_key("cnf") {
        return Err(Misfit("the token is bound to a key"));
    }
    if claims.client_id.as_ref().is_some_and(|client| !rules.clients.contains(client)) {
        return Err(Misfit("the token was made for another client"));
    }
    let user = claims.text(&rules.name_claim).filter(|name| Caller::is_user(name));
    let user = user.ok_or(Misfit("the token names no user"))?.to_owned();
    let roles = rules.roles(&words(claims.at(&rules.roles_claim)));
    let teams = if rules.teams_claim.is_empty() {
        Vec::new()
    } else {
        let names = words(claims.at(&rules.teams_claim)).into_iter();
        names
            .filter(|name| Caller::is_user(name))
            .take(MOST_TEAMS)
            .map(|it| Caller::team(&it))
            .collect()
    };
    let tenant = tenant(rules, claims)?;
    Ok(Caller::of(Known {
        name: format!("user:{user}"),
        shown: Shown::SignIn,
        user,
        teams,
        roles,
        tenant,
        limits: Limits::default(),
        expires_at: Some(claims.expires_at),
    }))
}

/// Whoever says no tenant, where tenants are told apart, is not let in: the operator is one of them, and
/// not what is left.
fn tenant(rules: &Rules, claims: &Claims) -> Result<String, Misfit> {
    if rules.tenant_claim.is_empty() {
        return Ok(String::new());
    }
    let found = claims.text(&rules.tenant_claim);
    let found = found.or_else(|| claims.at(&rules.tenant_claim).and_then(Value::as_str));
    match found {
        Some(name) if !rules.operator.is_empty() && name == rules.operator => Ok(String::new()),
        Some(name) if plan::is_name(name) => Ok(name.to_owned()),
        _ => Err(Misfit("the token names no tenant")),
    }
}

/// A list of words, or words in one text.
fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
