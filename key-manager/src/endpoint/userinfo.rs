//! Who is the person behind an access token? (OpenID Connect Core section 5.3, KM-017)
//!
//! The token comes in `Authorization`, or in the body of a form (RFC 6750 sections 2.1 and 2.2,
//! KM-015), never in the URL, where it would end up in logs.

use std::borrow::Cow;

use http::header;
use serde_json::{Map, json};

use super::introspect::live;
use super::{Authority, Refusal, Reply, Request, reply};
use crate::domain::Profile;

pub(super) async fn userinfo(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let token = token(request)?;
    let token = live(authority, token.trim()).await?.ok_or(Refusal::InvalidToken)?;
    if !token.confirmation.is_empty() {
        // No proof is read here, and without one whoever has found the token could use it.
        return Err(Refusal::InvalidToken);
    }
    let has = |scope: &str| token.scopes.iter().any(|known| known == scope);
    if !has("openid") || token.family.is_none() {
        return Err(Refusal::InsufficientScope);
    }
    let stored = authority.store.user(&token.subject).await?;
    let user = stored.map(|stored| stored.user).filter(|user| !user.disabled);
    let user = user.ok_or(Refusal::InvalidToken)?;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id));
    if has("profile") {
        claims.insert("preferred_username".to_owned(), json!(user.name.as_str()));
        if user.profile_at > 0 {
            claims.insert("updated_at".to_owned(), json!(user.profile_at));
        }
    }
    for scope in Profile::SCOPES.into_iter().filter(|scope| has(scope)) {
        for (name, value) in user.profile.of_scope(scope) {
            claims.insert(name.to_owned(), value.clone());
        }
    }
    Ok(reply::private(&claims.into()))
}

/// The token that was shown, in one place.
fn token(request: &Request) -> Result<Cow<'_, str>, Refusal> {
    let mut headers = request.headers.get_all(header::AUTHORIZATION).iter();
    let (header, more) = (headers.next(), headers.next());
    // Without a form there is none in the body; a body of something else says nothing.
    let form = request.form().ok();
    let posted = form.as_ref().and_then(|form| form.find("access_token"));
    let header = match (header, posted) {
        (Some(header), None) => header,
        (None, Some(token)) => return Ok(Cow::Owned(token.to_owned())),
        (Some(_), Some(_)) => return Err(Refusal::invalid("the token is shown twice")),
        (None, None) => return Err(Refusal::NoToken),
    };
    let text = header.to_str().map_err(|_| Refusal::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidToken)?;
    if more.is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::InvalidToken);
    }
    Ok(Cow::Borrowed(token))
}
