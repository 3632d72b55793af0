//! What travels through the browser beside a code, for clients that may have it so? (OpenID Connect
//! Core sections 3.2 and 3.3, KM-035)
//!
//! Such tokens are bearer tokens that many have seen. They belong to the authorization of the code
//! beside them, so they end when it is used twice.

use serde_json::{Map, Value};

use super::{Authority, Refusal};
use crate::domain::{Client, Confirmation, Profile, ResponseType, User};
use crate::issue::{AccessToken, Identity, Order, identify, issue};
use crate::store::Grant;

/// What is answered with, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front<'f> {
    pub(super) client: &'f Client,
    pub(super) grant: &'f Grant,
    pub(super) user: &'f User,
    pub(super) kind: ResponseType,
    pub(super) nonce: Option<&'f str>,
    pub(super) state: Option<&'f str>,
    /// The code beside it.
    pub(super) code: Option<&'f str>,
}

/// The parameters of the answer, but for the code.
pub(super) async fn answer(
    authority: &Authority,
    front: Front<'_>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let Front { client, grant, user, kind, nonce, state, code } = front;
    let ring = authority.keeper.ring();
    let origin = authority.origin(&ring);
    // As at the token endpoint: what is issued after an end in the same second is dated to the next.
    let now = authority.clock.unix_seconds().max(user.ended_until.saturating_add(1));
    let roles = user.roles();
    let mut pairs = Vec::new();
    let mut issued: Option<AccessToken> = None;
    if kind.token {
        let order = Order {
            client,
            subject: &grant.user_id,
            scopes: &grant.scopes,
            audience: &grant.audience,
            person: Some(grant),
            roles: &roles,
            source: None,
            longest_seconds: None,
            claims: &Map::new(),
            details: &grant.wishes.details,
            confirmation: &Confirmation::default(),
            now,
        };
        issued = Some(issue(order, origin).await?);
    }
    if let Some(issued) = &issued {
        pairs.push(("access_token", issued.token.clone()));
        pairs.push(("token_type", "Bearer".to_owned()));
        pairs.push(("expires_in", issued.expires_in.to_string()));
        pairs.push(("scope", grant.scopes.to_string()));
    }
    if kind.id_token {
        let identity = Identity {
            client,
            grant,
            nonce,
            access_token: issued.as_ref().map(|issued| issued.token.as_str()),
            code,
            state: state.filter(|_| code.is_some()),
            claims: &claims(grant, user, kind),
            now,
        };
        pairs.push(("id_token", identify(identity, origin).await?));
    }
    Ok(pairs)
}

/// Where there is no access token to ask userinfo with, the scopes stand for claims of the ID token
/// (section 5.4).
fn claims(grant: &Grant, user: &User, kind: ResponseType) -> Map<String, Value> {
    let mut claims = Map::new();
    if !kind.token && !kind.code {
        for scope in Profile::SCOPES.into_iter().filter(|scope| grant.scopes.contains(scope)) {
            claims.extend(user.claims_of(scope));
        }
    }
    claims.extend(user.claims_named(&grant.wishes.id_token));
    claims
}
