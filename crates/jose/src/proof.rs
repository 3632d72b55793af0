//! Does the sender hold the private key whose public half it shows, and is that said of this call?
//!
//! RFC 9449 §4.3 without what only a service knows: which proofs were used (each side has a memory of
//! its own), which address is its own, which nonce it gave. Nothing says whose key it is; its
//! thumbprint is what a token is bound to.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::Algorithm;
use crate::encoding::{decode, encode};
use crate::jwk::public_key;
use crate::jws::{Refusal, read_fields, read_object, split, take_text};

/// The `typ` of RFC 9449.
const TYPE: &str = "dpop+jwt";

/// How proofs may be signed.
pub const PROOF_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::PS256, Algorithm::EdDSA];

/// The longest proof, in bytes: an RSA key of 8192 bits and its signature fit three times.
const LONGEST: usize = 8 * 1024;
/// The longest `jti`, in bytes: uses are remembered.
const LONGEST_JTI: usize = 256;

/// A proof whose signature holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The RFC 7638 thumbprint of its key, SHA-256.
    pub thumbprint: String,
    /// What it says; every name once.
    pub claims: Map<String, Value>,
}

/// For how long a proof counts (RFC 9449 §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How old it may be, in seconds.
    pub window_seconds: u32,
    /// How far clocks may differ, in seconds, in both directions.
    pub skew_seconds: u32,
}

/// Why a proof is none for this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofMisfit {
    /// A claim is missing or malformed.
    #[error("its claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// It is for another method.
    #[error("it is for another method")]
    Method,
    /// It is for another address.
    #[error("it is for another address")]
    Address,
    /// It was not made just now.
    #[error("it was not made just now")]
    Time,
}

impl Proof {
    /// Whether it was made for a call of `method` (§4.3, 8) to an address that `is_here` knows as the
    /// one that was called (§4.3, 9), just now (§4.3, 11). The answer is the second after which it
    /// would be refused as too old, and until which its use has to be remembered.
    pub fn fits(
        &self,
        method: &str,
        is_here: impl FnOnce(&str) -> bool,
        fresh: Freshness,
        now_unix: i64,
    ) -> Result<i64, ProofMisfit> {
        if self.text("htm")? != method {
            return Err(ProofMisfit::Method);
        }
        if !is_here(self.text("htu")?) {
            return Err(ProofMisfit::Address);
        }
        let made = self.claims.get("iat").and_then(Value::as_i64);
        let made = made.ok_or(ProofMisfit::Claim("iat"))?;
        let skew = i64::from(fresh.skew_seconds);
        let until = made.saturating_add(i64::from(fresh.window_seconds)).saturating_add(skew);
        if made > now_unix.saturating_add(skew) || until < now_unix {
            return Err(ProofMisfit::Time);
        }
        if !(1..=LONGEST_JTI).contains(&self.text("jti")?.len()) {
            return Err(ProofMisfit::Claim("jti"));
        }
        Ok(until)
    }

    /// The text of a claim.
    pub fn text(&self, name: &'static str) -> Result<&str, ProofMisfit> {
        self.claims.get(name).and_then(Value::as_str).ok_or(ProofMisfit::Claim(name))
    }

    /// What its use is remembered by: the SHA-256 of its key and its `jti`, so that nobody uses up the
    /// name of somebody else's proof. `None`: it has no `jti`.
    pub fn name(&self) -> Option<[u8; 32]> {
        let jti = self.text("jti").ok()?;
        let named = [self.thumbprint.as_bytes(), b" ", jti.as_bytes()].concat();
        digest(&SHA256, &named).as_ref().try_into().ok()
    }
}

/// What the `ath` of a proof for `token` says (RFC 9449 §4.2).
pub fn token_hash(token: &str) -> String {
    encode(digest(&SHA256, token.as_bytes()).as_ref())
}

/// Reads a `DPoP` proof that is signed with one of `algorithms`.
pub fn verify_proof(token: &str, algorithms: &[Algorithm]) -> Result<Proof, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::Malformed);
    }
    let parts = split(token)?;
    let mut header = read_fields(parts.header)?;
    if take_text(&mut header, "typ")?.as_deref() != Some(TYPE) {
        return Err(Refusal::Type);
    }
    let algorithm: Algorithm = take_text(&mut header, "alg")?
        .and_then(|name| name.parse().ok())
        .filter(|algorithm| algorithms.contains(algorithm))
        .ok_or(Refusal::Algorithm)?;
    let unusable = || Refusal::UnknownKey { kid: String::new() };
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or_else(unusable)?;
    let key = public_key(jwk).ok_or_else(unusable)?;
    let verifier = key.verifier(algorithm).ok_or_else(unusable)?;
    let signature = decode(parts.signature).ok_or(Refusal::Malformed)?;
    verifier.verify_sig(parts.message.as_bytes(), &signature).map_err(|_| Refusal::Signature)?;
    let claims = read_object(parts.payload)?;
    Ok(Proof { thumbprint: key.thumbprint().to_owned(), claims })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SigningKey;

    /// A proof whose header was changed before it was signed.
    fn made(key: &SigningKey, change: impl Fn(&mut Map<String, Value>)) -> String {
        let mut jwk = key.public_jwk();
        for name in ["kid", "alg", "use"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk });
        let Value::Object(mut header) = header else { unreachable!() };
        change(&mut header);
        let header = Value::Object(header).to_string();
        key.sign_under(&header, &json!({ "jti": "1" })).unwrap()
    }

    #[track_caller]
    fn check(token: &str, said: &str) {
        let judged = verify_proof(token, &[Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA]);
        assert_eq!(judged.map_or_else(|no| format!("{no:?}"), |_| "ok".to_owned()), said);
    }

    #[track_caller]
    fn check_changed(change: impl Fn(&mut Map<String, Value>), said: &str) {
        check(&made(&SigningKey::generate(Algorithm::ES256).unwrap(), change), said);
    }

    const UNUSABLE: &str = "UnknownKey { kid: \"\" }";

    #[test]
    fn a_proof_is_known_by_the_thumbprint_of_its_key() {
        for algorithm in [Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA] {
            let key = SigningKey::generate(algorithm).unwrap();
            let proof = verify_proof(&made(&key, |_| {}), &[algorithm]).unwrap();
            assert_eq!(proof.thumbprint, key.kid());
            assert_eq!(proof.claims["jti"], "1");
        }
    }

    #[test]
    fn another_type_or_algorithm_is_refused() {
        for typ in [json!("JWT"), json!("at+jwt"), json!("DPOP+JWT"), json!(null)] {
            let said = if typ.is_null() { "Malformed" } else { "Type" };
            check_changed(|header| drop(header.insert("typ".to_owned(), typ.clone())), said);
        }
        check_changed(|header| drop(header.remove("typ")), "Type");
        for alg in ["none", "nOnE", "", "HS256", "ES384", "RS256"] {
            check_changed(|header| drop(header.insert("alg".to_owned(), json!(alg))), "Algorithm");
        }
        check_changed(|header| drop(header.remove("alg")), "Algorithm");
        check_changed(|header| drop(header.insert("crit".to_owned(), json!(["x"]))), "Critical");
    }

    #[test]
    fn only_a_public_key_of_the_algorithm_is_a_key() {
        check_changed(|header| drop(header.remove("jwk")), UNUSABLE);
        check_changed(|header| drop(header.insert("jwk".to_owned(), json!("x"))), UNUSABLE);
        for private in ["d", "k", "p", "q", "dp", "dq", "qi"] {
            check_changed(|header| header["jwk"][private] = json!("AAAA"), UNUSABLE);
        }
        check_changed(|header| header["jwk"] = json!({ "kty": "oct", "k": "AAAA" }), UNUSABLE);
        check_changed(|header| header["jwk"]["use"] = json!("enc"), UNUSABLE);
        check_changed(|header| header["jwk"]["alg"] = json!("ES384"), UNUSABLE);
        check_changed(|header| header["jwk"]["crv"] = json!("P-384"), UNUSABLE);
        let other = SigningKey::generate(Algorithm::ES256).unwrap().public_jwk();
        check_changed(|header| header["jwk"] = other.clone(), "Signature");
    }

    #[test]
    fn a_changed_proof_is_refused() {
        let token = made(&SigningKey::generate(Algorithm::ES256).unwrap(), |_| {});
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        check(&format!("{head}.{}.{signature}", encode(br#"{"jti":"2"}"#)), "Signature");
        check(&format!("{token}="), "Malformed");
        check(&format!("{token}.x"), "Malformed");
        check("", "Malformed");
    }

    const NOW: i64 = 1_700_000_000;

    /// What is said of a proof with one claim changed.
    #[track_caller]
    fn check_claim(name: &str, value: &Value, said: &str) {
        let claims = json!({ "jti": "1", "htm": "GET", "htu": "https://here", "iat": NOW });
        let Value::Object(mut claims) = claims else { unreachable!() };
        claims.insert(name.to_owned(), value.clone());
        let proof = Proof { thumbprint: String::new(), claims };
        let fresh = Freshness { window_seconds: 60, skew_seconds: 5 };
        let judged = proof.fits("GET", |htu| htu == "https://here", fresh, NOW);
        assert_eq!(judged.map_or_else(|no| format!("{no:?}"), |at| (at - NOW).to_string()), said);
    }

    #[test]
    fn a_proof_is_for_one_method_and_address_now() {
        check_claim("jti", &json!("x".repeat(256)), "65");
        for name in ["htm", "htu", "iat", "jti"] {
            for odd in [json!(null), json!(["GET"]), json!({}), json!(true)] {
                check_claim(name, &odd, &format!("Claim({name:?})"));
            }
        }
        for method in ["get", "POST", "", "GET "] {
            check_claim("htm", &json!(method), "Method");
        }
        check_claim("htu", &json!("https://there"), "Address");
        check_claim("jti", &json!(""), "Claim(\"jti\")");
        check_claim("jti", &json!("x".repeat(257)), "Claim(\"jti\")");
    }

    #[test]
    fn a_proof_counts_to_the_second() {
        check_claim("iat", &json!(NOW + 5), "70");
        check_claim("iat", &json!(NOW + 6), "Time");
        check_claim("iat", &json!(NOW - 65), "0");
        check_claim("iat", &json!(NOW - 66), "Time");
        check_claim("iat", &json!(i64::MIN), "Time");
        check_claim("iat", &json!(i64::MAX), "Time");
        for odd in [json!(1.7e9), json!("1700000000"), json!(u64::MAX)] {
            check_claim("iat", &odd, "Claim(\"iat\")");
        }
    }

    #[test]
    fn the_name_of_a_use_is_of_one_key_and_one_jti() {
        let named = |thumbprint: &str, jti: &str| {
            let claims = Map::from_iter([("jti".to_owned(), json!(jti))]);
            Proof { thumbprint: thumbprint.to_owned(), claims }.name().unwrap()
        };
        assert_eq!(named("a", "1"), named("a", "1"));
        assert_ne!(named("a", "1"), named("b", "1"));
        assert_ne!(named("a", "1"), named("a", "2"));
        // RFC 9449 §4.2 and its example in §7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        assert_eq!(token_hash(token), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }
}
