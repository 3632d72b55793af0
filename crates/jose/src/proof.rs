//! Does the sender hold the private key whose public half it shows?
//!
//! RFC 9449 §4.3, the part without a request: type, algorithm, a public key in the header, the
//! signature. Nothing says whose key it is; its thumbprint is what a token is bound to.

use serde_json::{Map, Value};

use crate::Algorithm;
use crate::encoding::decode;
use crate::jwk::public_key;
use crate::jws::{Refusal, read_fields, read_object, split, take_text};

/// The `typ` of RFC 9449.
const TYPE: &str = "dpop+jwt";

/// A proof whose signature holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The RFC 7638 thumbprint of its key, SHA-256.
    pub thumbprint: String,
    /// What it says; every name once.
    pub claims: Map<String, Value>,
}

/// Reads a `DPoP` proof that is signed with one of `algorithms`.
pub fn verify_proof(token: &str, algorithms: &[Algorithm]) -> Result<Proof, Refusal> {
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
    use crate::encoding::encode;

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
}
