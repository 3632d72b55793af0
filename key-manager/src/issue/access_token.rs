//! How does an approved request become an access token?

use serde_json::{Map, Value};

use super::IssueError;
use super::claims::{Audience, Claims, Cnf, Ours, ScopeText};
use super::origin::Origin;
use crate::domain::{Client, Confirmation, Roles, Scopes, TokenAlgorithm};
use crate::store::Grant;

/// What holds for every token.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The `iss`, fixed by configuration and never taken from a request (KM-001).
    pub issuer: String,
    /// The audiences that a token may have, and has unless fewer were asked for.
    pub audience: Vec<String>,
    pub algorithm: TokenAlgorithm,
    /// Life in seconds, unless the client has its own.
    pub seconds: u32,
    /// The longest life that a client may have.
    pub longest_seconds: u32,
}

/// One token to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order<'o> {
    pub client: &'o Client,
    pub subject: &'o str,
    pub scopes: &'o Scopes,
    pub audience: &'o [String],
    /// What a person agreed to; `None`: nobody was asked.
    pub person: Option<&'o Grant>,
    /// What the person is, as far as it is known; empty where nobody is behind it.
    pub roles: &'o Roles,
    /// The token that it comes from; `None`: from none.
    pub source: Option<Source<'o>>,
    /// How long it may last at most, in seconds; `None`: as long as others of the client.
    pub longest_seconds: Option<u32>,
    /// More that it says; none of the names that are given here.
    pub claims: &'o Map<String, Value>,
    /// Authorization details (RFC 9396 section 9.1).
    pub details: &'o [Value],
    pub confirmation: &'o Confirmation,
    /// Unix seconds.
    pub now: i64,
}

/// The token that another comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'o> {
    /// Of the authorization behind it.
    pub family: Option<&'o str>,
    /// Who acts.
    pub act: &'o Value,
    /// When it ends, Unix seconds: the new one does not last longer.
    pub until: i64,
}

/// A token to be handed out; it is not stored.
pub struct AccessToken {
    pub token: String,
    pub expires_in: u32,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

pub async fn issue(order: Order<'_>, origin: Origin<'_>) -> Result<AccessToken, IssueError> {
    let Origin { rules, ring, opaque } = origin;
    let client = order.client;
    let seconds = client.access_token_seconds.unwrap_or(rules.seconds).min(rules.longest_seconds);
    // Tokens until `ended_until` were revoked together, whole seconds: one that is issued in the
    // same second afterwards is dated to the next.
    let issued_at = order.now.max(client.ended_until.saturating_add(1));
    let seconds = order.longest_seconds.map_or(seconds, |longest| seconds.min(longest));
    let source = order.source;
    let left = source.map_or(i64::MAX, |source| source.until.saturating_sub(issued_at));
    let seconds = seconds.min(u32::try_from(left.max(0)).unwrap_or(u32::MAX));
    let family = order.person.map(|grant| grant.family_id.as_str());
    let claims = Claims {
        iss: &rules.issuer,
        sub: order.subject,
        aud: Audience(order.audience),
        client_id: client.id.as_str(),
        iat: issued_at,
        exp: issued_at.saturating_add(i64::from(seconds)),
        jti: chassis::random::token(16),
        cnf: (!order.confirmation.is_empty()).then(|| Cnf::of(order.confirmation)),
        scope: (!order.scopes.is_empty()).then_some(ScopeText(order.scopes)),
        auth_time: order.person.map(|grant| grant.logged_in_at),
        acr: order.person.and_then(|grant| grant.method.acr()),
        amr: order.person.map(|grant| grant.method.amr()).unwrap_or_default(),
        roles: order.roles.iter().collect(),
        km: Ours {
            fam: family.or(source.and_then(|source| source.family)),
            sid: order.person.map(|grant| grant.session_id.as_str()),
            uic: order.person.map_or(&[], |grant| grant.wishes.userinfo.as_slice()),
            rst: &client.terms.restrictions,
        },
        authorization_details: order.details,
        act: source.map(|source| source.act),
        more: order.claims,
    };
    let token = if client.terms.opaque_tokens {
        let claims = serde_json::to_vec(&claims).map_err(IssueError::Claims)?;
        opaque.seal(&claims)?
    } else {
        let signer = ring.signer(client.algorithm.unwrap_or(rules.algorithm))?;
        signer.sign("at+jwt", &claims).await?
    };
    Ok(AccessToken { token, expires_in: seconds })
}
