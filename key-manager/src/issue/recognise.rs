//! Is this text a token of ours that is alive, apart from revocation?

use jose::Expectation;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::claims::Cnf;
use super::origin::Origin;
use super::ring::{Ring, signature};
use crate::domain::{Confirmation, LiveToken, Restrictions, TokenAlgorithm};
use crate::vault::OpaqueTokens;

/// Reads a token back. Whatever is wrong with it, the answer is the same: it is none.
pub fn recognise(token: &str, origin: Origin<'_>, now: i64) -> Option<LiveToken> {
    let issuer = &origin.rules.issuer;
    let live = if OpaqueTokens::is_one(token) {
        let claims: Map<String, Value> =
            serde_json::from_slice(&origin.opaque.open(token)?).ok()?;
        read(&claims)?
    } else {
        let expect = expectation(issuer);
        let claims = jose::verify(token, origin.ring.verifying(), &expect, now).ok()?;
        LiveToken {
            issuer: claims.issuer,
            client_id: claims.client_id?,
            subject: claims.subject?,
            scopes: claims.scopes,
            audience: claims.audience,
            issued_at: claims.issued_at?,
            expires_at: claims.expires_at,
            jti: claims.jti?,
            ..ours(&claims.other)?
        }
    };
    // `exp` is exact here: it was written by this clock.
    (live.issuer == *issuer && live.expires_at > now).then_some(live)
}

/// The claims of an opaque token, which only we have written.
fn read(claims: &Map<String, Value>) -> Option<LiveToken> {
    let text = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
    let number = |name: &str| claims.get(name)?.as_i64();
    let audience = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        several => texts(several),
    };
    Some(LiveToken {
        issuer: text("iss")?,
        client_id: text("client_id")?,
        subject: text("sub")?,
        scopes: text("scope").iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect(),
        audience,
        issued_at: number("iat")?,
        expires_at: number("exp")?,
        jti: text("jti")?,
        ..ours(claims)?
    })
}

/// What is ours among the claims; the rest is empty. `None`: what the token is bound to, or from where it
/// may be used, cannot be read, and it must not be good for more.
fn ours(claims: &Map<String, Value>) -> Option<LiveToken> {
    let ours = claims.get("km");
    Some(LiveToken {
        family: ours.and_then(|ours| ours.get("fam")?.as_str()).map(str::to_owned),
        userinfo: texts(ours.and_then(|ours| ours.get("uic"))),
        details: match claims.get("authorization_details") {
            Some(Value::Array(list)) => list.clone(),
            _ => Vec::new(),
        },
        act: claims.get("act").cloned(),
        may_act: claims.get("may_act").cloned(),
        roles: texts(claims.get("roles")),
        restrictions: match ours.and_then(|ours| ours.get("rst")) {
            None => Restrictions::default(),
            Some(rst) => Restrictions::deserialize(rst).ok()?,
        },
        confirmation: match claims.get("cnf") {
            None => Confirmation::default(),
            Some(cnf) => Cnf::deserialize(cnf).ok()?.confirmation(),
        },
        ..LiveToken::default()
    })
}

/// What the keys of the ring may have signed.
pub(super) fn expectation(issuer: &str) -> Expectation {
    let algorithms = TokenAlgorithm::ALL.map(signature).to_vec();
    Expectation { algorithms, ..Expectation::access_token(issuer) }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An ID token that a client shows again, to say whom it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Whom it was issued to.
    pub client_id: String,
    pub subject: String,
    /// The `sid`.
    pub session: String,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

/// How old it may be: it says who somebody was, and ends with the keys at the latest.
const OLDEST_SECONDS: u32 = 366 * 24 * 3600;

/// Reads an ID token back, however old it is. `None`: it is none of ours.
pub fn hint(token: &str, issuer: &str, ring: &Ring, now: i64) -> Option<Hint> {
    let expect = Expectation { skew_seconds: OLDEST_SECONDS, ..expectation(issuer) };
    id_token(token, expect, ring, now)
}

/// Reads an ID token back that is good now.
pub fn identity(token: &str, issuer: &str, ring: &Ring, now: i64) -> Option<Hint> {
    let found = id_token(token, expectation(issuer), ring, now);
    // As with an access token: exactly.
    found.filter(|found| now < found.expires_at)
}

fn id_token(token: &str, expect: Expectation, ring: &Ring, now: i64) -> Option<Hint> {
    let expect = Expectation { types: vec!["JWT".to_owned()], ..expect };
    let claims = jose::verify(token, ring.verifying(), &expect, now).ok()?;
    let [client_id] = claims.audience.as_slice() else { return None };
    Some(Hint {
        client_id: client_id.clone(),
        subject: claims.subject?,
        session: claims.other.get("sid")?.as_str()?.to_owned(),
        issued_at: claims.issued_at?,
        expires_at: claims.expires_at,
    })
}
