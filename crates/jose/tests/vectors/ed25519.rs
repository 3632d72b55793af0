//! Does an Ed25519 signature hold in one form only, and under points of full order only? (RFC 8032)

use jose::{Algorithm, PROOF_ALGORITHMS, verify_proof};
use num_bigint::BigUint;
use serde_json::json;

use crate::group::Group;
use crate::made::{b64, bytes, holder, signature, with_signature};

/// The `y` of every point whose order is at most 8, in every spelling of 255 bits.
fn small() -> Vec<[u8; 32]> {
    let field = (BigUint::from(1_u32) << 255_u32) - 19_u32;
    // Little-endian, as they are encoded.
    let eighth = |hex: &str| {
        let mut bytes = BigUint::parse_bytes(hex.as_bytes(), 16).unwrap().to_bytes_be();
        bytes.reverse();
        BigUint::from_bytes_be(&bytes)
    };
    let one = BigUint::from(1_u32);
    let all = [
        BigUint::ZERO,
        one.clone(),
        &field - 1_u32,
        field.clone(),
        &field + 1_u32,
        eighth("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        eighth("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];
    let sign = one << 255_u32;
    all.iter().flat_map(|y| [encoded(y), encoded(&(y + &sign))]).collect()
}

fn encoded(number: &BigUint) -> [u8; 32] {
    let mut bytes = number.to_bytes_le();
    bytes.resize(32, 0);
    bytes.try_into().unwrap()
}

#[test]
fn a_signature_has_one_form() {
    let mut group = Group::of("Ed25519 signatures");
    let holder = holder(Algorithm::EdDSA);
    let good = holder.token();
    let made = signature(&good);
    let (point, scalar) = made.split_at(32);
    let order = (BigUint::from(1_u32) << 252_u32)
        + BigUint::parse_bytes(b"27742317777372353535851937790883648493", 10).unwrap();
    let scalar = BigUint::from_bytes_le(scalar);
    let mut try_one = |case: &str, point: &[u8], scalar: &BigUint, believed: bool| {
        let both = [point, &encoded(scalar)].concat();
        group.check(case, &with_signature(&good, both), holder, believed);
    };
    try_one("as it should be", point, &scalar, true);
    let most = BigUint::from(1_u32) << 256_u32;
    let mut higher = &scalar + &order;
    let mut times = 1;
    while higher < most {
        try_one(&format!("S + {times}L"), point, &higher, false);
        higher += &order;
        times += 1;
    }
    for edge in [BigUint::ZERO, BigUint::from(1_u32), order.clone(), &order - 1_u32, &most - 1_u32]
    {
        try_one(&format!("S = {edge}"), point, &edge, false);
        for small in small() {
            try_one(&format!("R of small order, S = {edge}"), &small, &edge, false);
        }
    }
    for small in small() {
        try_one("R of small order", &small, &scalar, false);
    }
    try_one("-S", point, &(&order - &scalar), false);
    let mut turned = point.to_vec();
    turned[31] ^= 0x80;
    try_one("-R", &turned, &scalar, false);
    group.ends(100);
}

#[test]
fn a_point_that_everybody_can_sign_under_is_no_key() {
    let mut group = Group::of("Ed25519 keys");
    let algorithm = Algorithm::EdDSA;
    let jwk = |point: &[u8]| json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(point) });
    let good = holder(algorithm).key.public_jwk();
    group.check_key("as it should be", &good, algorithm, true);
    let all = small();
    for point in &all {
        group.check_key(&format!("{point:02x?}"), &jwk(point), algorithm, false);
        // The holder of no key at all "proves" it: R is the point itself or the neutral one, S is 0.
        let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk(point) }).to_string();
        let message = format!("{}.{}", b64(header), b64("{}"));
        for r in &all {
            let token = format!("{message}.{}", b64([*r, [0; 32]].concat()));
            let judged = verify_proof(&token, &PROOF_ALGORITHMS);
            group.note(&format!("proof under {point:02x?}"), judged.is_err());
        }
    }
    // 19 values of 255 bits lie beyond the field: other spellings of points.
    let field = (BigUint::from(1_u32) << 255_u32) - 19_u32;
    for beyond in 0..19_u32 {
        let point = encoded(&(&field + beyond));
        group.check_key(&format!("p + {beyond}"), &jwk(&point), algorithm, false);
    }
    let x = bytes(good["x"].as_str().unwrap());
    for (case, odd) in [
        ("nothing", json!("")),
        ("short", json!(b64(&x[1..]))),
        ("long", json!(b64([x.as_slice(), &[0]].concat()))),
        ("padded", json!(format!("{}=", b64(&x)))),
        ("list", json!([b64(&x)])),
        ("null", json!(null)),
    ] {
        let odd = json!({ "kty": "OKP", "crv": "Ed25519", "x": odd });
        group.check_key(case, &odd, algorithm, false);
    }
    for (kty, crv) in [
        ("OKP", "X25519"),
        ("OKP", "Ed448"),
        ("OKP", "ed25519"),
        ("EC", "Ed25519"),
        ("okp", "Ed25519"),
        ("OKP", "P-256"),
        ("oct", "Ed25519"),
    ] {
        let odd = json!({ "kty": kty, "crv": crv, "x": b64(&x) });
        group.check_key(&format!("{kty} {crv}"), &odd, algorithm, false);
    }
    group.ends(240);
}
