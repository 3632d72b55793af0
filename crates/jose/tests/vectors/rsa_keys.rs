//! Is an RSA key one that only its holder can sign with?

use jose::Algorithm;
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::group::Group;
use crate::made::{b64, bytes, holder};

const ALGORITHM: Algorithm = Algorithm::RS256;

fn jwk(n: &BigUint, e: u64) -> Value {
    json!({ "kty": "RSA", "n": b64(n.to_bytes_be()), "e": b64(BigUint::from(e).to_bytes_be()) })
}

/// A modulus of so many bits, or a few more, that has the mark of CVE-2017-15361: modulo each prime up
/// to 167 it is a power of 65537.
fn roca(bits: u64) -> BigUint {
    let is_prime = |number: &u32| (2..*number).all(|factor| !number.is_multiple_of(factor));
    let product = (2..=167_u32).filter(is_prime).fold(BigUint::from(1_u32), |all, one| all * one);
    let mut modulus = product + 1_u32;
    while modulus.bits() < bits {
        modulus *= 65_537_u32;
    }
    modulus
}

#[test]
fn a_modulus_is_large_and_of_a_sound_kind() {
    let mut group = Group::of("RSA keys");
    let good = holder(ALGORITHM).key.public_jwk();
    let n = BigUint::from_bytes_be(&bytes(good["n"].as_str().unwrap()));
    let mut try_one = |case: &str, jwk: &Value, taken: bool| {
        for algorithm in Algorithm::ALL.into_iter().filter(|one| one.name().starts_with(['R', 'P']))
        {
            group.check_key(case, jwk, algorithm, taken);
        }
    };
    try_one("as it should be", &jwk(&n, 65_537), true);
    try_one("e = 3", &jwk(&n, 3), true);
    for e in [0, 1, 2, 4, 65_536, u64::MAX, 1 << 33] {
        try_one(&format!("e = {e}"), &jwk(&n, e), false);
    }
    for bits in [1_u64, 512, 768, 1024, 1536, 2040, 2047] {
        let short = (&n >> (2048 - bits)) | BigUint::from(1_u32);
        try_one(&format!("{bits} bits"), &jwk(&short, 65_537), false);
    }
    try_one("more than 8192 bits", &jwk(&((&n << 6200_u32) + 1_u32), 65_537), false);
    try_one("even", &jwk(&(&n - 1_u32), 65_537), false);
    try_one("0", &jwk(&BigUint::ZERO, 65_537), false);
    for bits in [2048, 2560, 3072, 4096] {
        let found = roca(bits);
        try_one(&format!("CVE-2017-15361, {bits} bits"), &jwk(&found, 65_537), false);
    }
    for (name, odd) in [
        ("n", json!("")),
        ("e", json!("")),
        ("n", json!(null)),
        ("e", json!(null)),
        ("e", json!(65_537)),
        ("n", json!([good["n"]])),
        ("n", json!(format!("{}=", good["n"].as_str().unwrap()))),
        ("n", json!(format!(" {}", good["n"].as_str().unwrap()))),
        ("e", json!("AQAB=")),
        ("e", json!("AQA B")),
        ("e", json!("AQABA")),
    ] {
        let mut jwk = jwk(&n, 65_537);
        jwk[name] = odd.clone();
        try_one(&format!("{name} is {odd}"), &jwk, false);
    }
    let zeros = [&[0; 4][..], &n.to_bytes_be()].concat();
    try_one("zeros before n", &json!({ "kty": "RSA", "n": b64(zeros), "e": "AQAB" }), true);
    group.ends(200);
}
