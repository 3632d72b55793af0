//! Who is the person behind an access token? (OpenID Connect Core section 5.3, KM-017)
//!
//! The token comes in `Authorization` and nowhere else: in a URL it would end up in logs.

use http::header;
use serde_json::{Map, json};

use super::introspect::live;
use super::{Authority, Refusal, Reply, Request, reply};

pub(super) async fn userinfo(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let mut headers = request.headers.get_all(header::AUTHORIZATION).iter();
    let (header, more) = (headers.next().ok_or(Refusal::NoToken)?, headers.next());
    let text = header.to_str().map_err(|_| Refusal::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidToken)?;
    if more.is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::InvalidToken);
    }
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
    }
    Ok(reply::private(&claims.into()))
}
