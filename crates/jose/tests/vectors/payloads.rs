//! Is a payload one object that says what a token must say?

use serde_json::{Value, json};

use crate::group::Group;
use crate::made::{ISSUER, NOW, changed, claims, holders};

#[test]
fn a_payload_is_one_object() {
    let mut group = Group::of("texts of payloads");
    for holder in holders() {
        let header = holder.header().to_string();
        let good = claims().to_string();
        let inside = good.trim_start_matches('{').trim_end_matches('}');
        for (case, payload) in [
            ("sub twice, the same", format!("{{\"sub\":\"ann\",{inside}}}")),
            ("sub twice, other last", format!("{{{inside},\"sub\":\"root\"}}")),
            ("sub twice, once escaped", format!("{{{inside},\"s\\u0075b\":\"root\"}}")),
            ("a name twice, deep", format!("{{{inside},\"cnf\":{{\"jkt\":\"a\",\"jkt\":\"b\"}}}}")),
            ("a name twice, in a list", format!("{{{inside},\"x\":[[{{\"a\":1,\"a\":1}}]]}}")),
            ("half a letter", format!("{{{inside},\"x\":\"\\ud800\"}}")),
            ("line in a text", format!("{{{inside},\"x\":\"\n\"}}")),
            ("1e400", format!("{{{inside},\"x\":1e400}}")),
            ("NaN", format!("{{{inside},\"x\":NaN}}")),
            ("zeros before", format!("{{{inside},\"x\":01}}")),
            ("plus", format!("{{{inside},\"x\":+1}}")),
            ("hexadecimal", format!("{{{inside},\"x\":0x1}}")),
            ("comma behind", format!("{{{inside},}}")),
            ("text behind", format!("{good}x")),
            ("mark before", format!("\u{feff}{good}")),
            ("list", format!("[{good}]")),
            ("text", Value::from(good.clone()).to_string()),
            ("null", "null".to_owned()),
            ("no text", " ".to_owned()),
            ("deep", format!("{{{inside},\"x\":{}{}}}", "[".repeat(200), "]".repeat(200))),
        ] {
            group.check(case, &holder.written(&header, payload), holder, false);
        }
        let odd = [good.trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"].concat();
        group.check("no UTF-8", &holder.written(&header, odd), holder, false);
        let many = format!("{{{inside},\"x\":[{}1]}}", "1,".repeat(5_000));
        group.check("many values", &holder.written(&header, many), holder, true);
    }
    group.ends(220);
}

#[test]
fn a_claim_is_of_its_kind() {
    let mut group = Group::of("claims");
    for holder in holders() {
        let mut try_one = |changes: Value, believed: bool| {
            let header = holder.header().to_string();
            let payload = changed(claims(), &changes).to_string();
            group.check(&changes.to_string(), &holder.written(header, payload), holder, believed);
        };
        for good in [
            json!({}),
            json!({ "sub": null }),
            json!({ "aud": "x" }),
            json!({ "aud": ["x", "y"] }),
            json!({ "nbf": NOW, "iat": NOW }),
            json!({ "exp": 1.800_000_001e9 }),
            json!({ "exp": NOW - 4 }),
            json!({ "nbf": NOW + 5 }),
            json!({ "iat": NOW + 5 }),
            json!({ "sub": "ünï" }),
        ] {
            try_one(good, true);
        }
        let odd = [json!([]), json!({}), json!(["ann"]), json!({ "a": "ann" }), json!(true)];
        for name in ["iss", "sub", "exp", "nbf", "iat", "jti", "client_id"] {
            for odd in &odd {
                try_one(json!({ name: odd }), false);
            }
        }
        for odd in
            [json!({}), json!(1), json!([1]), json!(["a", null]), json!([["a"]]), json!(false)]
        {
            try_one(json!({ "aud": odd }), false);
            try_one(json!({ "scope": odd }), false);
        }
        for text in ["ann\0", "\0", "ann\nroot", "\u{7f}", "\u{85}", "\r", "\u{1b}[2J"] {
            for name in ["sub", "jti", "client_id"] {
                try_one(json!({ name: text }), false);
            }
        }
        for time in [json!("x"), json!("1900000000"), json!(1e300), json!(-1e300)] {
            for name in ["exp", "nbf", "iat"] {
                try_one(json!({ name: time }), false);
            }
        }
        for exp in [json!(NOW - 5), json!(0), json!(-1), json!(i64::MIN), json!(1.799_999_995_9e9)]
        {
            try_one(json!({ "exp": exp }), false);
        }
        for ahead in [json!(NOW + 6), json!(i64::MAX)] {
            try_one(json!({ "nbf": ahead }), false);
            try_one(json!({ "iat": ahead }), false);
        }
        for iss in [
            format!("{ISSUER}/"),
            ISSUER.to_uppercase(),
            ISSUER.replace("https", "http"),
            format!("{ISSUER}:443"),
            ISSUER.replace('e', "\u{435}"),
            format!("{ISSUER} "),
            ISSUER.replace("id.", "id\u{3002}"),
            format!("{ISSUER}.evil.example"),
            String::new(),
        ] {
            try_one(json!({ "iss": iss }), false);
        }
        try_one(json!({ "iss": null }), false);
        try_one(json!({ "exp": null }), false);
    }
    group.ends(900);
}
