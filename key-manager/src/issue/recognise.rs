//! Is this text a token of ours that is alive, apart from revocation?

use jose::Expectation;
use serde::Deserialize as _;

use super::claims::Cnf;
use super::ring::{Ring, signature};
use crate::domain::{Confirmation, LiveToken, TokenAlgorithm};

/// Reads a token back. Whatever is wrong with it, the answer is the same: it is none.
pub fn recognise(token: &str, issuer: &str, ring: &Ring, now: i64) -> Option<LiveToken> {
    let expect = expectation(issuer);
    let claims = jose::verify(token, ring.verifying(), &expect, now).ok()?;
    // `exp` is exact here: it was written by this clock.
    if claims.expires_at <= now {
        return None;
    }
    let ours = claims.other.get("km");
    let family = ours.and_then(|ours| ours.get("fam")?.as_str()).map(str::to_owned);
    Some(LiveToken {
        issuer: claims.issuer,
        client_id: claims.client_id?,
        subject: claims.subject?,
        scopes: claims.scopes,
        audience: claims.audience,
        issued_at: claims.issued_at?,
        expires_at: claims.expires_at,
        jti: claims.jti?,
        family,
        act: claims.other.get("act").cloned(),
        may_act: claims.other.get("may_act").cloned(),
        // One that cannot be read makes the token none: it must not become a bearer token.
        confirmation: match claims.other.get("cnf") {
            None => Confirmation::default(),
            Some(cnf) => Cnf::deserialize(cnf).ok()?.confirmation(),
        },
    })
}

/// What the keys of the ring may have signed.
fn expectation(issuer: &str) -> Expectation {
    let algorithms = TokenAlgorithm::ALL.map(signature).to_vec();
    Expectation { algorithms, ..Expectation::access_token(issuer) }
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
    let expect = Expectation {
        types: vec!["JWT".to_owned()],
        skew_seconds: OLDEST_SECONDS,
        ..expectation(issuer)
    };
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
