//! How long does it take to believe a token?
//!
//! `cargo bench -p jose`, or as a test, which only shows that it runs.

use std::hint::black_box;
use std::time::Instant;

use jose::{Algorithm, Expectation, KeySet, SigningKey, verify};
use serde_json::json;

const ROUNDS: u32 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm)?;
        let claims = json!({
            "iss": "https://id.example.com", "sub": "ann", "aud": ["orders"], "exp": 2_000_000_000,
            "iat": 1_800_000_000, "jti": "7f1c0b6e", "client_id": "app", "scope": "read write",
        });
        let token = key.sign("at+jwt", &claims)?;
        let keys = KeySet::parse(&json!({ "keys": [key.public_jwk()] }).to_string())?;
        let expect = Expectation {
            algorithms: vec![algorithm],
            ..Expectation::access_token("https://id.example.com")
        };
        let started = now();
        for _ in 0..ROUNDS {
            black_box(verify(&token, &keys, &expect, 1_800_000_000)?);
        }
        let verified_ns = started.elapsed().as_nanos() / u128::from(ROUNDS);
        let started = now();
        for _ in 0..ROUNDS / 10 {
            black_box(key.sign("at+jwt", &claims)?);
        }
        let signed_ns = started.elapsed().as_nanos() / u128::from(ROUNDS / 10);
        eprintln!("{algorithm}: verify {verified_ns} ns, sign {signed_ns} ns");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
