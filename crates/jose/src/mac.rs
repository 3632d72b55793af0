//! Does whoever made this token hold the secret that we share?
//!
//! HS256 (RFC 7518 §3.2) and nothing else. The caller says that a secret is expected, never the
//! token: what is signed with a private key does not pass here, and what is made with a secret
//! does not pass `verify`.

use aws_lc_rs::hmac;

use crate::encoding::decode;
use crate::jws::{Refusal, read_fields, read_object, split, take_text};
use crate::{Claims, Expectation};

/// The shortest secret, in bytes (RFC 7518 §3.2).
const SHORTEST_SECRET: usize = 32;

/// Believes `token`, made with `secret`, or says why not. The algorithms of `expect` are not looked
/// at.
pub fn verify_hs256(
    token: &str,
    secret: &[u8],
    expect: &Expectation,
    now_unix: i64,
) -> Result<Claims, Refusal> {
    let parts = split(token)?;
    let mut header = read_fields(parts.header)?;
    if take_text(&mut header, "alg")?.as_deref() != Some("HS256") {
        return Err(Refusal::Algorithm);
    }
    if !expect.accepts_type(take_text(&mut header, "typ")?.as_deref()) {
        return Err(Refusal::Type);
    }
    if secret.len() < SHORTEST_SECRET {
        return Err(Refusal::UnknownKey { kid: String::new() });
    }
    let signature = decode(parts.signature).ok_or(Refusal::Malformed)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, parts.message.as_bytes(), &signature).map_err(|_| Refusal::Signature)?;
    let claims = Claims::from_map(read_object(parts.payload)?)?;
    claims.check(expect, now_unix)?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm as Foreign, EncodingKey, Header};
    use serde_json::json;

    use super::*;
    use crate::encoding::encode;
    use crate::{Algorithm, SigningKey};

    const NOW: i64 = 1_800_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn made(algorithm: Foreign, secret: &[u8]) -> String {
        let claims = json!({ "iss": "app", "sub": "app", "aud": "https://as", "exp": NOW + 60 });
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap()
    }

    #[track_caller]
    fn check(token: &str, secret: &[u8], said: &str) {
        let expect = Expectation::access_token("app").any_jwt_type();
        let judged = verify_hs256(token, secret, &expect, NOW);
        assert_eq!(judged.map_or_else(|no| format!("{no:?}"), |_| "ok".to_owned()), said);
    }

    #[test]
    fn only_the_holder_of_the_secret_is_believed() {
        let token = made(Foreign::HS256, SECRET);
        check(&token, SECRET, "ok");
        check(&token, b"0123456789abcdef0123456789abcdeX", "Signature");
        let (message, _) = token.rsplit_once('.').unwrap();
        check(&format!("{message}."), SECRET, "Malformed");
        check(&format!("{message}.AAAA"), SECRET, "Signature");
    }

    #[test]
    fn no_other_algorithm_passes() {
        check(&made(Foreign::HS384, SECRET), SECRET, "Algorithm");
        check(&made(Foreign::HS512, SECRET), SECRET, "Algorithm");
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let claims = json!({ "iss": "app", "exp": NOW + 60 });
        check(&key.sign("JWT", &claims).unwrap(), SECRET, "Algorithm");
        for none in ["none", "None", "nOnE", "NONE", ""] {
            let header = encode(json!({ "alg": none }).to_string().as_bytes());
            let payload = encode(claims.to_string().as_bytes());
            check(&format!("{header}.{payload}.AAAA"), SECRET, "Algorithm");
        }
    }

    #[test]
    fn a_short_secret_proves_nothing() {
        let short = &SECRET[..31];
        check(&made(Foreign::HS256, short), short, "UnknownKey { kid: \"\" }");
    }
}
