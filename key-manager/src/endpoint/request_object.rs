//! What does a signed authorization request ask? (RFC 9101, OpenID Connect Core section 6.1)
//!
//! Only what is inside counts: whatever stands beside the object, anybody may have added.

use jose::{Claims, Expectation};
use serde_json::Value;

use super::authorize::Denial;
use super::{Authority, Refusal};
use crate::client_auth::{ASSERTION_ALGORITHMS, AuthError};
use crate::domain::Client;
use crate::form::{Form, FormError};

/// The longest object, in bytes.
const LONGEST: usize = 16 * 1024;
/// How far away its end may be, and how old it may be, in seconds (FAPI 2.0 Message Signing 5.3.1).
const LONGEST_SECONDS: i64 = 3600;
/// What says something about the object and not about the request.
const ABOUT: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

const CODE: &str = "invalid_request_object";

/// The parameters inside `object`, which `client` has signed.
pub(super) async fn open(
    authority: &Authority,
    client: &Client,
    object: &str,
) -> Result<Form, Opening> {
    if object.len() > LONGEST {
        return Err(Opening::Denied(Denial(CODE, "the request object is too long")));
    }
    let now = authority.clock.unix_seconds();
    let expect = Expectation {
        issuer: client.id.as_str().to_owned(),
        audiences: vec![authority.issuer.as_str().to_owned()],
        algorithms: ASSERTION_ALGORITHMS.to_vec(),
        skew_seconds: authority.clients.rules.skew_seconds,
        types: vec!["oauth-authz-req+jwt".to_owned(), "jwt".to_owned()],
        type_may_be_absent: true,
    };
    let claims = match authority.clients.verify(client, object, &expect, now).await {
        Ok(claims) => claims,
        Err(AuthError::Assertion(error)) => {
            tracing::debug!(client = %client.id, error = %error, "request object refused");
            return Err(Opening::Denied(Denial(CODE, "the request object does not hold")));
        }
        Err(other) => return Err(Opening::Failed(other.into())),
    };
    let begun = claims.not_before.or(claims.issued_at).unwrap_or(now);
    let long = claims.expires_at.saturating_sub(begun) > LONGEST_SECONDS
        || begun < now.saturating_sub(LONGEST_SECONDS)
        || claims.expires_at > now.saturating_add(LONGEST_SECONDS);
    if long {
        return Err(Opening::Denied(Denial(CODE, "the request object is good for too long")));
    }
    if claims.client_id.as_deref().is_some_and(|id| id != client.id.as_str()) {
        return Err(Opening::Denied(Denial(CODE, "the request object names another client")));
    }
    read(client, &claims).map_err(Opening::Denied)
}

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Opening {
    Denied(Denial),
    Failed(Refusal),
}

fn read(client: &Client, claims: &Claims) -> Result<Form, Denial> {
    let wrong = |_: FormError| Denial(CODE, "a parameter of the request object is no text");
    if ["request", "request_uri"].iter().any(|name| claims.other.contains_key(*name)) {
        return Err(Denial(CODE, "a request object holds no other"));
    }
    let mut form = Form::default();
    form.add("client_id", client.id.as_str()).map_err(wrong)?;
    if !claims.scopes.is_empty() {
        form.add("scope", &claims.scopes.join(" ")).map_err(wrong)?;
    }
    for (name, value) in &claims.other {
        if ABOUT.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Array(list) if Form::may_repeat(name) => {
                for one in list {
                    form.add(name, one.as_str().unwrap_or_default()).map_err(wrong)?;
                }
            }
            Value::String(text) => form.add(name, text).map_err(wrong)?,
            // Numbers, and JSON where a parameter is some (`claims`, `authorization_details`).
            other => form.add(name, &other.to_string()).map_err(wrong)?,
        }
    }
    Ok(form)
}
