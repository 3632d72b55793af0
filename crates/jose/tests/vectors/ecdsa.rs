//! Does an ECDSA signature hold only where its two numbers are of their range and its form is that of
//! RFC 7518 §3.4?

use jose::Algorithm;
use num_bigint::BigUint;

use crate::group::Group;
use crate::made::{holder, signature, with_signature};

/// The algorithm, its length of a number, its order and its field (FIPS 186-5, SP 800-186).
fn curves() -> [(Algorithm, usize, BigUint, BigUint); 3] {
    let number = |hex: &str| BigUint::parse_bytes(hex.as_bytes(), 16).unwrap();
    let two = |power: u32| BigUint::from(1_u32) << power;
    let p256 = two(256) - two(224) + two(192) + two(96) - 1_u32;
    let p384 = two(384) - two(128) - two(96) + two(32) - 1_u32;
    let p521 = two(521) - 1_u32;
    let n256 = number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let n384 = number(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    );
    let low = "fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
    let n521 = number(&format!("1{}{low}", "f".repeat(64)));
    [
        (Algorithm::ES256, 32, n256, p256),
        (Algorithm::ES384, 48, n384, p384),
        (Algorithm::ES512, 66, n521, p521),
    ]
}

/// Big-endian in so many bytes; what is larger keeps its own length.
fn fixed(number: &BigUint, bytes: usize) -> Vec<u8> {
    let shown = number.to_bytes_be();
    [vec![0; bytes.saturating_sub(shown.len())], shown].concat()
}

/// In ASN.1, as most libraries outside JOSE write it.
fn der(numbers: [&BigUint; 2]) -> Vec<u8> {
    let number = |number: &BigUint| {
        let mut bytes = number.to_bytes_be();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [&[2, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat()
    };
    let both = numbers.map(number).concat();
    let length = u8::try_from(both.len()).unwrap();
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    [head, both].concat()
}

#[test]
fn the_numbers_are_of_their_range() {
    let mut group = Group::of("ECDSA edge values");
    for (algorithm, bytes, n, p) in curves() {
        let holder = holder(algorithm);
        let good = holder.token();
        let made = signature(&good);
        let (r, s) = made.split_at(bytes);
        let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
        let mut try_both = |case: &str, r: &BigUint, s: &BigUint, believed: bool| {
            let both = [fixed(r, bytes), fixed(s, bytes)].concat();
            group.check(case, &with_signature(&good, both), holder, believed);
        };
        let one = BigUint::from(1_u32);
        let edges = [
            ("0", BigUint::ZERO),
            ("1", one.clone()),
            ("2", &one + 1_u32),
            ("n/2", &n >> 1_u32),
            ("n-1", &n - 1_u32),
            ("n", n.clone()),
            ("n+1", &n + 1_u32),
            ("p", p.clone()),
            ("p+1", &p + 1_u32),
            ("all ones", (&one << (8 * bytes)) - 1_u32),
        ];
        for (first, of_r) in &edges {
            for (second, of_s) in &edges {
                try_both(&format!("r = {first}, s = {second}"), of_r, of_s, false);
            }
            try_both(&format!("r = {first}"), of_r, &s, false);
            try_both(&format!("s = {first}"), &r, of_r, false);
        }
        try_both("as it should be", &r, &s, true);
        // RFC 7518 allows both; the token stays the same one, by its `jti`.
        try_both("the larger s", &r, &(&n - &s), true);
        try_both("-r", &(&n - &r), &s, false);
        try_both("r and s swapped", &s, &r, false);
        try_both("r + n", &(&r + &n), &s, false);
        try_both("s + n", &r, &(&s + &n), false);
        try_both("both + n", &(&r + &n), &(&s + &n), false);
    }
    group.ends(360);
}

#[test]
fn the_form_is_fixed() {
    let mut group = Group::of("ECDSA forms");
    for (algorithm, bytes, ..) in curves() {
        let holder = holder(algorithm);
        let good = holder.token();
        let made = signature(&good);
        let (first, second) = made.split_at(bytes);
        let (r, s) = (BigUint::from_bytes_be(first), BigUint::from_bytes_be(second));
        for (case, form) in [
            ("ASN.1", der([&r, &s])),
            ("ASN.1 of zeros", der([&BigUint::ZERO, &BigUint::ZERO])),
            ("ASN.1 cut to length", {
                let mut form = der([&r, &s]);
                form.resize(2 * bytes, 0);
                form
            }),
            ("a zero before each", [&[0], first, &[0], second].concat()),
            ("a zero before", [&[0], first, second].concat()),
            ("a zero behind", [first, second, &[0]].concat()),
            ("r alone", first.to_vec()),
            ("s alone", second.to_vec()),
            ("little-endian", first.iter().rev().chain(second.iter().rev()).copied().collect()),
            ("with a mark of recovery", [&made, &[27][..]].concat()),
        ] {
            group.check(case, &with_signature(&good, form), holder, false);
        }
    }
    group.ends(30);
}
