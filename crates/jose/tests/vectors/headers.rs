//! Does a header say one thing, and ask for nothing that is not understood?

use serde_json::{Value, json};

use crate::group::Group;
use crate::made::{changed, claims, holders};

#[test]
fn a_header_is_plain() {
    let mut group = Group::of("headers");
    for holder in holders() {
        let payload = claims().to_string();
        let mut try_one = |case: &str, changes: &Value, believed: bool| {
            let header = changed(holder.header(), changes).to_string();
            group.check(case, &holder.written(header, &payload), holder, believed);
        };
        try_one("as it should be", &json!({}), true);
        try_one("long type", &json!({ "typ": "application/at+jwt" }), true);
        // What a header says of keys is not looked at.
        let thief = json!({ "kty": "oct", "k": "AAAA" });
        let elsewhere = "https://evil.example/keys";
        try_one("jwk", &json!({ "jwk": thief }), true);
        try_one("jku", &json!({ "jku": elsewhere, "x5u": elsewhere }), true);
        try_one("x5c", &json!({ "x5c": ["AAAA"], "x5t": "AAAA", "x5t#S256": "AAAA" }), true);
        try_one("no kid, one key", &json!({ "kid": null }), true);
        for alg in [
            json!("none"),
            json!("None"),
            json!("NONE"),
            json!("nOnE"),
            json!(""),
            json!(" "),
            json!("HS256"),
            json!("HS384"),
            json!("HS512"),
            json!("ES256K"),
            json!("RSA-OAEP"),
            json!("dir"),
            json!("A128GCM"),
            json!("PBES2-HS256+A128KW"),
            json!("Ed25519"),
            json!(holder.key.algorithm().name().to_lowercase() + "x"),
            json!(format!("{} ", holder.key.algorithm())),
            json!(format!("{}\0", holder.key.algorithm())),
            json!([holder.key.algorithm().name()]),
            json!({ "alg": "none" }),
            json!(0),
            json!(true),
        ] {
            try_one(&format!("alg {alg}"), &json!({ "alg": alg }), false);
        }
        try_one("no alg", &json!({ "alg": null }), false);
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("crit", json!("exp")),
            ("crit", json!(["b64"])),
            ("b64", json!(false)),
            ("b64", json!(true)),
        ] {
            try_one(&format!("{name} {value}"), &json!({ name: value }), false);
        }
        for kid in [
            json!("other"),
            json!(""),
            json!("../../dev/null"),
            json!("' OR '1'='1"),
            json!(holder.key.kid().to_lowercase()),
            json!(holder.key.kid().to_uppercase()),
            json!(format!("{} ", holder.key.kid())),
            json!(format!("{}\0", holder.key.kid())),
            json!(7),
            json!([holder.key.kid()]),
            json!({ "kid": holder.key.kid() }),
        ] {
            try_one(&format!("kid {kid}"), &json!({ "kid": kid }), false);
        }
        for typ in [
            json!("JWT"),
            json!("id+jwt"),
            json!("dpop+jwt"),
            json!("logout+jwt"),
            json!("secevent+jwt"),
            json!("oauth-authz-req+jwt"),
            json!("at+jwt "),
            json!(""),
            json!(["at+jwt"]),
            json!(1),
            json!("application/application/at+jwt"),
            json!("at+jwt;charset=utf-8"),
        ] {
            try_one(&format!("typ {typ}"), &json!({ "typ": typ }), false);
        }
        try_one("no typ", &json!({ "typ": null }), false);
    }
    group.ends(500);
}

#[test]
fn a_header_is_one_object() {
    let mut group = Group::of("texts of headers");
    for holder in holders() {
        let payload = claims().to_string();
        let good = holder.header().to_string();
        let inside = good.trim_start_matches('{').trim_end_matches('}');
        let alg = holder.key.algorithm();
        for (case, header) in [
            ("alg twice, the same", format!("{{\"alg\":\"{alg}\",{inside}}}")),
            ("alg twice, none first", format!("{{\"alg\":\"none\",{inside}}}")),
            ("alg twice, none last", format!("{{{inside},\"alg\":\"none\"}}")),
            ("alg twice, once escaped", format!("{{{inside},\"\\u0061lg\":\"none\"}}")),
            ("kid twice", format!("{{{inside},\"kid\":\"other\"}}")),
            ("a name twice, deep", format!("{{{inside},\"x\":{{\"a\":1,\"a\":2}}}}")),
            ("a name twice, in a list", format!("{{{inside},\"x\":[{{\"a\":1,\"a\":2}}]}}")),
            ("comma behind", format!("{{{inside},}}")),
            ("comment", format!("{{{inside}/**/}}")),
            ("two objects", format!("{good}{good}")),
            ("text behind", format!("{good}x")),
            ("NUL behind", format!("{good}\0")),
            ("mark before", format!("\u{feff}{good}")),
            ("list", format!("[{good}]")),
            ("quotes", good.replace('"', "'")),
            ("text", Value::from(good.clone()).to_string()),
            ("number", "1".to_owned()),
            ("null", "null".to_owned()),
            ("nothing", "{}".to_owned()),
            ("cut", good.trim_end_matches('}').to_owned()),
            ("deep", format!("{{{inside},\"x\":{}{}}}", "[".repeat(500), "]".repeat(500))),
        ] {
            group.check(case, &holder.written(header, &payload), holder, false);
        }
        let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
        group.check("UTF-16", &holder.written(wide, &payload), holder, false);
        let odd = [good.trim_end_matches('}').as_bytes(), b",\"x\":\"\xc0\xaf\"}"].concat();
        group.check("overlong UTF-8", &holder.written(odd, &payload), holder, false);
        let spaced = format!(" \n{good}\t");
        group.check("white space around", &holder.written(spaced, &payload), holder, true);
    }
    group.ends(220);
}
