//! Does the caller hold the key that the token is bound to? (RFC 9449 §4.3, §7.1)
//!
//! What is said of every proof is asked in `jose`; here is which token and key it has to be for, which
//! address was called, and that it counts once. What was used is remembered for all workers together, in parts with a lock each: a proof that one worker has
//! seen must not be good at another, and only calls with such tokens come here.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, Uri};
use jose::{Freshness, PROOF_ALGORITHMS, ProofMisfit};

use crate::fault::ProofRefused;
use crate::received::Received;

const FRESH: Freshness = Freshness { window_seconds: 60, skew_seconds: 5 };
const PARTS: usize = 32;
/// Proofs that are remembered in one part.
const MOST: usize = 16 * 1024;

/// The proofs that were used, of all workers.
pub struct Proofs {
    parts: [Mutex<HashMap<[u8; 32], i64>>; PARTS],
}

impl Default for Proofs {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").finish_non_exhaustive()
    }
}

impl Proofs {
    /// Whether the request proves that its sender holds the key `thumbprint`, for `token`. `origin` is
    /// what the client calls: scheme and authority.
    pub fn check(
        &self,
        received: &Received,
        (scheme, authority): (&str, &str),
        (token, thumbprint): (&str, &str),
        now_unix: i64,
    ) -> Result<(), ProofRefused> {
        let proof = jose::verify_proof(one(&received.headers)?, &PROOF_ALGORITHMS)?;
        if proof.thumbprint != *thumbprint {
            return Err(ProofRefused::Key);
        }
        let is_here = |htu: &str| is_here(htu, scheme, authority, received);
        let until = proof.fits(received.method.as_str(), is_here, FRESH, now_unix)?;
        if proof.text("ath")? != jose::token_hash(token) {
            return Err(ProofRefused::Token);
        }
        let name = proof.name().ok_or(ProofMisfit::Claim("jti"))?;
        self.spend(name, until, now_unix)
    }

    /// Notes the use; once.
    fn spend(&self, name: [u8; 32], until: i64, now_unix: i64) -> Result<(), ProofRefused> {
        let place = name.first().map_or(0, |first| usize::from(*first) % PARTS);
        let Some(part) = self.parts.get(place) else { return Err(ProofRefused::Full) };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= MOST {
            part.retain(|_, until| *until >= now_unix);
        }
        if part.get(&name).is_some_and(|until| *until >= now_unix) {
            return Err(ProofRefused::Used);
        }
        if part.len() >= MOST {
            return Err(ProofRefused::Full);
        }
        part.insert(name, until);
        Ok(())
    }
}

/// The only proof among the fields.
fn one(headers: &HeaderMap) -> Result<&str, ProofRefused> {
    let mut fields = headers.get_all("dpop").iter();
    let field = fields.next();
    match (field.and_then(|field| field.to_str().ok()), fields.next()) {
        (Some(field), None) => Ok(field),
        _ => Err(ProofRefused::Missing),
    }
}

/// Whether a proof is for what is called, its query and fragment left out (RFC 9449 §4.3, 9).
fn is_here(htu: &str, scheme: &str, authority: &str, received: &Received) -> bool {
    let Ok(uri) = htu.split(['?', '#']).next().unwrap_or_default().parse::<Uri>() else {
        return false;
    };
    let (Some(said), Some(said_authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    // `http` has them in lower case already, except for the authority.
    let bare = |authority: &str| {
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(usual).map_or(authority.clone(), str::to_owned)
    };
    let called = received.target().split('?').next().unwrap_or_default();
    said.eq_ignore_ascii_case(scheme)
        && bare(said_authority.as_str()) == bare(authority)
        && uri.path() == called
}

#[cfg(test)]
mod tests {
    use http::Request;
    use jose::{Algorithm, SigningKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::received::{Bounds, Peer};

    const NOW: i64 = 1_700_000_000;
    const TOKEN: &str = "a.b.c";

    fn received(target: &str, proof: &str) -> Received {
        let request =
            Request::get(target).header("host", "api.example").header("dpop", proof).body(());
        let (parts, ()) = request.unwrap().into_parts();
        let bounds = Bounds { target_bytes: 1024, fields: 10, body_bytes: 0 };
        let peer = Peer::new(std::net::IpAddr::from([192, 0, 2, 1]), true);
        Received::take(parts, peer, bounds).unwrap()
    }

    fn claims() -> Value {
        let hash = jose::token_hash(TOKEN);
        json!({
            "jti": "1", "htm": "GET", "htu": "https://api.example/orders/1",
            "iat": NOW, "ath": hash
        })
    }

    fn made(key: &SigningKey, claims: &Value) -> String {
        let mut jwk = key.public_jwk();
        for name in ["kid", "alg", "use"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk });
        key.sign_under(&header.to_string(), claims).unwrap()
    }

    /// What becomes of a proof with one claim changed.
    #[track_caller]
    fn check(name: &str, value: Value, expected: &str) {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let mut claims = claims();
        claims[name] = value;
        let received = received("/orders/1?a=b", &made(&key, &claims));
        let here = ("https", "api.example");
        let said = Proofs::default().check(&received, here, (TOKEN, key.kid()), NOW);
        let said = said.map_or_else(|why| format!("{why:?}"), |()| "ok".to_owned());
        assert_eq!(said, expected, "{name}");
    }

    #[test]
    fn a_proof_is_for_one_call_and_one_token() {
        check("jti", json!("2"), "ok");
        check("htm", json!("POST"), "Misfit(Method)");
        for same in ["HTTPS://API.example:443/orders/1", "https://api.example/orders/1?x#y"] {
            check("htu", json!(same), "ok");
        }
        for other in [
            "http://api.example/orders/1",
            "https://api.example/orders/2",
            "https://api.example:8443/orders/1",
            "https://api.example.evil.example/orders/1",
            "/orders/1",
            "",
        ] {
            check("htu", json!(other), "Misfit(Address)");
        }
        check("ath", json!("x"), "Token");
        check("ath", Value::Null, "Misfit(Claim(\"ath\"))");
        check("iat", json!(NOW - 65), "ok");
        check("iat", json!(NOW - 66), "Misfit(Time)");
        check("jti", json!(""), "Misfit(Claim(\"jti\"))");
    }

    #[test]
    fn a_proof_counts_once_and_for_its_own_key() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let received = received("/orders/1", &made(&key, &claims()));
        let proofs = Proofs::default();
        let ask = |thumbprint: &str, now| {
            proofs.check(&received, ("https", "api.example"), (TOKEN, thumbprint), now)
        };
        assert_eq!(ask("another", NOW), Err(ProofRefused::Key));
        assert_eq!(ask(key.kid(), NOW), Ok(()));
        assert_eq!(ask(key.kid(), NOW + 65), Err(ProofRefused::Used));
    }
}
