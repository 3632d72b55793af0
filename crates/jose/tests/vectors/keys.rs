//! Is a key set read as it was meant, and refused where it was not meant so? (RFC 7517)

use jose::{Algorithm, KeySet, verify};
use serde_json::{Value, json};

use crate::group::Group;
use crate::made::{Holder, NOW, b64, bytes, changed, expect, holder, holders};

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[test]
fn a_key_serves_what_it_is_for() {
    let mut group = Group::of("use of keys");
    for holder in holders() {
        let (good, algorithm) = (holder.key.public_jwk(), holder.key.algorithm());
        let mut try_one = |changes: Value, taken: bool| {
            group.check_key(
                &changes.to_string(),
                &changed(good.clone(), &changes),
                algorithm,
                taken,
            );
        };
        for taken in [
            json!({}),
            json!({ "use": null }),
            json!({ "alg": null }),
            json!({ "kid": null }),
            json!({ "use": null, "key_ops": ["verify"] }),
            json!({ "x": good["x"], "unknown": 1 }),
            json!({ "key_ops": ["verify", "sign"] }),
        ] {
            try_one(taken, true);
        }
        for of in [json!("enc"), json!(""), json!("SIG"), json!(["sig"]), json!(1), json!({})] {
            try_one(json!({ "use": of }), false);
        }
        for operations in [
            json!([]),
            json!(["sign"]),
            json!(["encrypt", "wrapKey"]),
            json!("verify"),
            json!(["Verify"]),
            json!([["verify"]]),
            json!({ "verify": true }),
        ] {
            try_one(json!({ "key_ops": operations }), false);
        }
        for alg in ["none", "HS256", "RSA-OAEP", "ECDH-ES", "dir", "", "RSA1_5", "es256"] {
            try_one(json!({ "alg": alg }), false);
        }
        for odd in [json!(["RS256"]), json!(1), json!({})] {
            try_one(json!({ "alg": odd }), false);
        }
        for kty in ["oct", "", "rsa", "ec", "okp", "RSA ", "OKP2", "PBES2"] {
            try_one(json!({ "kty": kty }), false);
        }
        try_one(json!({ "kty": null }), false);
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            try_one(json!({ private: "AAAA" }), false);
            try_one(json!({ private: 1 }), false);
        }
    }
    group.ends(500);
}

#[test]
fn a_point_is_on_its_curve() {
    let mut group = Group::of("EC keys");
    let curves = [
        (Algorithm::ES256, "P-256", 32),
        (Algorithm::ES384, "P-384", 48),
        (Algorithm::ES512, "P-521", 66),
    ];
    for (algorithm, own, size) in curves {
        let good = changed(holder(algorithm).key.public_jwk(), &json!({ "alg": null }));
        let (x, y) = (bytes(good["x"].as_str().unwrap()), bytes(good["y"].as_str().unwrap()));
        let mut try_one = |case: &str, changes: Value, taken: bool| {
            group.check_key(case, &changed(good.clone(), &changes), algorithm, taken);
        };
        try_one("as it should be", json!({}), true);
        let zeros = b64(vec![0; size]);
        let ones = b64(vec![0xff; size]);
        try_one("the point 0, 0", json!({ "x": zeros, "y": zeros }), false);
        try_one("x = 0", json!({ "x": zeros }), false);
        try_one("y = 0", json!({ "y": zeros }), false);
        try_one("beyond the field", json!({ "x": ones }), false);
        try_one("beyond the field twice", json!({ "x": ones, "y": ones }), false);
        let mut bent = y.clone();
        bent[size - 1] ^= 1;
        try_one("off the curve", json!({ "y": b64(bent) }), false);
        try_one("x and y swapped", json!({ "x": b64(&y), "y": b64(&x) }), false);
        for (name, number) in [("x", &x), ("y", &y)] {
            let longer = [&[0], number.as_slice()].concat();
            try_one("a zero before", json!({ name: b64(longer) }), false);
            try_one(
                "a byte behind",
                json!({ name: b64([number.as_slice(), &[0]].concat()) }),
                false,
            );
            try_one("short", json!({ name: b64(&number[1..]) }), false);
            try_one("empty", json!({ name: "" }), false);
            try_one("none", json!({ name: null }), false);
            try_one("a number", json!({ name: 7 }), false);
            try_one("padded", json!({ name: format!("{}=", b64(number)) }), false);
        }
        let whole = [&[4], x.as_slice(), &y].concat();
        try_one("uncompressed point", json!({ "x": b64(whole), "y": null }), false);
        let compressed = [&[2 | (y[size - 1] & 1)], x.as_slice()].concat();
        try_one("compressed point", json!({ "x": b64(compressed), "y": null }), false);
        for crv in ["P-256", "P-384", "P-521", "secp256k1", "P256", "p-256", "Ed25519", ""] {
            if crv != own {
                try_one(&format!("said to be on {crv:?}"), json!({ "crv": crv }), false);
            }
        }
        try_one("no curve", json!({ "crv": null }), false);
        for kty in ["RSA", "OKP", "oct"] {
            try_one(kty, json!({ "kty": kty }), false);
        }
    }
    group.ends(100);
}

#[test]
fn a_set_says_which_key_is_meant() {
    let mut group = Group::of("key sets");
    let other = Holder::of(jose::SigningKey::generate(Algorithm::ES256).unwrap());
    let one = holder(Algorithm::ES256);
    let named =
        |holder: &Holder, kid: &str| changed(holder.key.public_jwk(), &json!({ "kid": kid }));
    let bare = |holder: &Holder| changed(holder.key.public_jwk(), &json!({ "kid": null }));
    let algorithm = Algorithm::ES256;
    let secret = json!({ "kty": "oct", "k": b64([7; 32]), "kid": "s" });
    let private = changed(one.key.public_jwk(), &json!({ "d": b64([7; 32]) }));
    let rsa = holder(Algorithm::RS256);
    for (case, set, kid, taken) in [
        ("one key", set(&[named(one, "a")]), Some("a"), true),
        ("two keys", set(&[named(one, "a"), named(&other, "b")]), Some("b"), true),
        ("the same key twice", set(&[named(one, "a"), named(one, "a")]), Some("a"), true),
        ("two keys of one name", set(&[named(one, "a"), named(&other, "a")]), Some("a"), false),
        (
            "two keys of one name, turned",
            set(&[named(&other, "a"), named(one, "a")]),
            Some("a"),
            false,
        ),
        ("one name, other kinds", set(&[named(one, "a"), named(rsa, "a")]), Some("a"), true),
        ("two keys, no name asked", set(&[named(one, "a"), named(&other, "b")]), None, false),
        ("keys without names", set(&[bare(one), bare(&other)]), None, false),
        ("a key without a name", set(&[bare(one)]), Some("a"), false),
        ("a key without a name, empty", set(&[bare(one)]), Some(""), false),
        ("a mixed set", set(&[named(one, "a"), secret.clone()]), Some("a"), false),
        ("a secret", set(&[secret]), Some("s"), false),
        ("a private key", set(&[named(&other, "a"), private]), Some("a"), false),
        ("a foreign key beside", set(&[named(one, "a"), json!({ "kty": "X" })]), Some("a"), true),
        (
            "a broken key beside",
            set(&[named(one, "a"), json!({ "kty": "EC", "crv": "P-256" })]),
            Some("a"),
            false,
        ),
        ("an empty key beside", set(&[named(one, "a"), json!({})]), Some("a"), false),
        ("null beside", set(&[named(one, "a"), json!(null)]), Some("a"), false),
        ("no key", set(&[]), None, false),
        ("a list", json!([one.key.public_jwk()]).to_string(), None, false),
        ("a key", one.key.public_jwk().to_string(), None, false),
        (
            "keys as an object",
            json!({ "keys": { "a": one.key.public_jwk() } }).to_string(),
            None,
            false,
        ),
        ("Keys", json!({ "Keys": [one.key.public_jwk()] }).to_string(), None, false),
        ("keys twice", format!("{{\"keys\":[],\"keys\":[{}]}}", bare(one)), None, false),
        ("text behind", format!("{} x", set(&[bare(one)])), None, false),
        ("no text", String::new(), None, false),
        ("129 keys", set(&vec![bare(one); 129]), None, false),
        ("128 keys", set(&vec![bare(one); 128]), None, true),
        ("a long set", format!("{}{}", set(&[bare(one)]), " ".repeat(1 << 20)), None, false),
    ] {
        group.check_keys(case, &set, algorithm, kid, taken);
    }
    let good = bare(one).to_string();
    for (name, value) in
        [("kty", "\"EC\""), ("x", "\"AAAA\""), ("crv", "\"P-256\""), ("use", "\"enc\"")]
    {
        let twice = format!("{},\"{name}\":{value}}}", good.trim_end_matches('}'));
        let set = format!("{{\"keys\":[{twice}]}}");
        group.check_keys(&format!("{name} twice"), &set, algorithm, None, false);
    }
    group.ends(32);
}

#[test]
fn a_key_that_has_left_the_set_verifies_nothing() {
    let mut group = Group::of("rotated keys");
    for holder in holders() {
        let algorithm = holder.key.algorithm();
        let next = Holder::of(jose::SigningKey::generate(Algorithm::ES256).unwrap());
        let both = KeySet::parse(&set(&[holder.key.public_jwk(), next.key.public_jwk()])).unwrap();
        let judged =
            |keys: &KeySet| verify(&holder.token(), keys, &expect(&[algorithm]), NOW).is_ok();
        group.note("while it stands there", judged(&both));
        group.note("when it has left", !judged(&next.keys));
        group.note("without any key", !judged(&KeySet::default()));
        let renamed = changed(next.key.public_jwk(), &json!({ "kid": holder.key.kid() }));
        let renamed = KeySet::parse(&set(&[renamed])).unwrap();
        group.note("another key under its name", !judged(&renamed));
    }
    group.ends(40);
}
