//! Who is the person behind an access token? (OpenID Connect Core section 5.3, KM-015)
//!
//! The token comes in `Authorization`, or in the body of a form (RFC 6750 sections 2.1 and 2.2,
//! KM-023), never in the URL, where it would end up in logs.

use std::borrow::Cow;

use http::header;
use serde_json::{Map, Value, json};

use super::introspect::live;
use super::{Authority, Refusal, Reply, Request, reply};
use crate::binding::ProofError;
use crate::client_auth::thumbprint;
use crate::domain::{ClientId, Confirmation, LiveToken, Profile};

pub(super) async fn userinfo(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let (scheme, shown) = token(request)?;
    let token = live(authority, &shown).await?.ok_or(Refusal::InvalidToken)?;
    possessed(authority, request, scheme, &shown, &token).await?;
    let has = |scope: &str| token.scopes.iter().any(|known| known == scope);
    if !has("openid") || token.family.is_none() {
        return Err(Refusal::InsufficientScope);
    }
    let stored = authority.store.user(&token.subject).await?;
    let user = stored.map(|stored| stored.user).filter(|user| !user.disabled);
    let user = user.ok_or(Refusal::InvalidToken)?;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id));
    for scope in Profile::SCOPES.into_iter().filter(|scope| has(scope)) {
        claims.extend(user.claims_of(scope));
    }
    claims.extend(user.claims_named(&token.userinfo));
    signed_or_plain(authority, &token, claims).await
}

/// A client that wants it signed gets a JWT for itself (section 5.3.2).
async fn signed_or_plain(
    authority: &Authority,
    token: &LiveToken,
    mut claims: Map<String, Value>,
) -> Result<Reply, Refusal> {
    let id = ClientId::parse(&token.client_id).map_err(|_| Refusal::InvalidToken)?;
    let client = authority.store.client(&id).await?.ok_or(Refusal::InvalidToken)?.client;
    let Some(algorithm) = client.terms.userinfo_algorithm else {
        return Ok(reply::private(&claims.into()));
    };
    claims.insert("iss".to_owned(), json!(authority.issuer.as_str()));
    claims.insert("aud".to_owned(), json!(client.id.as_str()));
    let ring = authority.keeper.ring();
    let signed = ring.signer(algorithm)?.sign("JWT", &claims).await?;
    Ok(reply::private_text(signed, "application/jwt"))
}

/// Whose token is shown, alive or not.
pub(super) fn claimed(authority: &Authority, request: &Request) -> Option<ClientId> {
    let (_, shown) = token(request).ok()?;
    ClientId::parse(&authority.recognise(&shown)?.client_id).ok()
}

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// Whether whoever shows a bound token holds what it is bound to (RFC 9449 section 7.1, RFC 8705
/// section 3).
async fn possessed(
    authority: &Authority,
    request: &Request,
    scheme: Scheme,
    shown: &str,
    token: &LiveToken,
) -> Result<(), Refusal> {
    let Confirmation { key, certificate } = &token.confirmation;
    if let Some(expected) = certificate {
        let held = authority.clients.certificate(request.peer.certificate.as_deref());
        if held.map(thumbprint).as_ref() != Some(expected) {
            return Err(Refusal::InvalidToken);
        }
    }
    let Some(expected) = key else {
        // A token that is not bound is no DPoP token, whatever it is called.
        return if scheme == Scheme::Bearer { Ok(()) } else { Err(Refusal::InvalidToken) };
    };
    let now = authority.clock.unix_seconds();
    let method = request.method.as_str();
    let proof = authority.proofs.read(&request.headers, method, "userinfo", now);
    let proof = proof.map_err(unproven)?;
    let proof = proof.filter(|_| scheme == Scheme::Dpop).ok_or(Refusal::InvalidToken)?;
    if proof.key != *expected || !proof.is_for(shown) {
        return Err(Refusal::InvalidToken);
    }
    let client = ClientId::parse(&token.client_id).map_err(|_| Refusal::InvalidToken)?;
    let spent = authority.proofs.spend(authority.store.as_ref(), &client, &proof, now).await;
    spent.map_err(unproven)
}

fn unproven(error: ProofError) -> Refusal {
    match Refusal::from(error) {
        Refusal::Proof(error) => Refusal::TokenProof(error),
        other => other,
    }
}

/// The token that was shown, in one place.
fn token(request: &Request) -> Result<(Scheme, Cow<'_, str>), Refusal> {
    let mut headers = request.headers.get_all(header::AUTHORIZATION).iter();
    let (header, more) = (headers.next(), headers.next());
    // Without a form there is none in the body; a body of something else says nothing.
    let form = request.form().ok();
    let posted = form.as_ref().and_then(|form| form.find("access_token"));
    let header = match (header, posted) {
        (Some(header), None) => header,
        (None, Some(token)) => return Ok((Scheme::Bearer, Cow::Owned(token.to_owned()))),
        (Some(_), Some(_)) => return Err(Refusal::invalid("the token is shown twice")),
        (None, None) => return Err(Refusal::NoToken),
    };
    let text = header.to_str().map_err(|_| Refusal::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidToken)?;
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(Refusal::InvalidToken),
    };
    if more.is_some() { Err(Refusal::InvalidToken) } else { Ok((scheme, token.trim().into())) }
}
