//! Attack list, section 1: is every token refused, wherever it is shown, that is not what it should be?
//!
//! Each forgery is tried at each place where the key manager takes a token. Nobody is asked for a key
//! meanwhile, whatever a token names.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use jose::SigningKey;
use key_manager::client_auth::Settings;
use key_manager::registration::{Application, register};
use serde_json::{Value, json};

use crate::databases::Scratch;
use crate::forge::{
    b64, cut, der, hs256, key, raw, rest, signature, spellings, twin, with_signature, written,
};
use crate::places::{Ground, Place};
use crate::stand::BEGIN;

/// What is tried, and how it is made.
struct Forgery {
    name: String,
    make: Box<dyn Fn(&Place) -> String>,
    /// Where it is no attack: what it changes is not looked at there, with a reason beside it.
    not: &'static [&'static str],
}

fn forgery(name: &str, make: impl Fn(&Place) -> String + 'static) -> Forgery {
    Forgery { name: name.to_owned(), make: Box::new(make), not: &[] }
}

impl Forgery {
    const fn but(mut self, not: &'static [&'static str]) -> Self {
        self.not = not;
        self
    }
}

/// A proof carries its own key, and has neither issuer, subject nor end.
const PROOF: &[&str] = &["DPoP proof"];
/// A hint says who somebody was, however long ago.
const HINTS: &[&str] = &["logout hint", "CIBA hint", "DPoP proof"];
/// White space around a field of a request is no part of it.
const FIELDS: &[&str] = &["userinfo", "registration", "DPoP proof"];

/// Tries everything everywhere.
async fn check(forgeries: &[Forgery]) {
    let scratch = Scratch::sqlite();
    let ground = Ground::on(&scratch).await;
    let mut wrong = Vec::new();
    for place in &ground.places {
        let good = ground.show(place, &place.signed(&json!({}), &json!({}))).await;
        assert_eq!(good, place.taken, "a good one at {}", place.name);
        for forgery in forgeries.iter().filter(|forgery| !forgery.not.contains(&place.name)) {
            let answer = ground.show(place, &(forgery.make)(place)).await;
            if answer != place.refused && answer != "it cannot be sent" {
                wrong.push(format!("{} at {}: {answer}", forgery.name, place.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ground.elsewhere.asked(), 0, "somebody was asked for a key");
}

/// The right key under a header that was changed so.
fn header(name: &str, changes: Value) -> Forgery {
    forgery(name, move |place| place.signed(&changes, &json!({})))
}

/// The right key over claims that were changed so.
fn claims(name: &str, changes: Value) -> Forgery {
    forgery(name, move |place| place.signed(&json!({}), &changes))
}

/// The right key over a payload that was written by hand, from the right one.
fn payload(name: &str, write: impl Fn(String) -> Vec<u8> + 'static) -> Forgery {
    forgery(name, move |place| {
        written(&place.key, place.header.to_string(), write(place.claims().to_string()))
    })
}

/// A good token, changed afterwards.
fn bent(name: &str, bend: impl Fn(&str) -> String + 'static) -> Forgery {
    forgery(name, move |place| bend(&place.signed(&json!({}), &json!({}))))
}

#[tokio::test]
async fn the_algorithm_is_the_one_that_was_agreed() {
    let mut all: Vec<Forgery> = ["none", "None", "nOnE", "NONE", "", "HS256", "HS512", "RS256"]
        .into_iter()
        .chain(["PS256", "ES384", "EdDSA", "es256", "ES256 ", "ES256K", "A128GCM", "dir"])
        .map(|alg| header(&format!("alg {alg:?}"), json!({ "alg": alg })))
        .collect();
    all.push(header("no alg", json!({ "alg": null })));
    all.push(header("alg as a list", json!({ "alg": ["ES256"] })));
    for none in ["none", "None", "nOnE", "NONE", ""] {
        for end in ["", ".", ".AA", ".."] {
            let name = format!("unsigned, alg {none:?} and {end:?}");
            all.push(forgery(&name, move |place| {
                let header = json!({ "alg": none, "typ": place.header["typ"] }).to_string();
                format!("{}.{}{end}", b64(header), b64(place.claims().to_string()))
            }));
        }
    }
    for (at, _) in spellings(&key()).into_iter().enumerate() {
        all.push(forgery(&format!("HS256 with spelling {at} of the public key"), move |place| {
            hs256(&place.header, &place.claims(), &spellings(&place.key)[at])
        }));
    }
    check(&all).await;
}

#[tokio::test]
async fn the_key_is_the_one_that_was_agreed() {
    let thief = || key();
    let with = |name: &str, more: fn(&SigningKey) -> Value| {
        forgery(name, move |place| {
            let thief = thief();
            place.signed_by(&thief, &more(&thief))
        })
    };
    let mut all = vec![
        with("another key", |_| json!({})),
        with("another key under the right kid", |_| json!({ "jku": null })),
        with("another key, no kid", |_| json!({ "kid": null })),
        with("jwk", |thief| json!({ "jwk": thief.public_jwk() })).but(PROOF),
        with("jwk and its kid", |thief| json!({ "jwk": thief.public_jwk(), "kid": thief.kid() }))
            .but(PROOF),
        with("x5c", |_| json!({ "x5c": [self_signed()] })),
        with("x5c twice", |_| json!({ "x5c": [self_signed(), self_signed()] })),
        with("x5t", |_| json!({ "x5t": "AAAA", "x5t#S256": "AAAA" })),
    ];
    let kids = [
        "../../dev/null",
        "/dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' --",
        "$(touch /tmp/kid)",
        "|touch /tmp/kid",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "\u{202e}\u{0}ключ",
        "",
    ];
    for kid in kids {
        // A proof is verified with the key that it carries; nobody looks for another one.
        all.push(header(&format!("kid {kid:?}"), json!({ "kid": kid })).but(PROOF));
        all.push(forgery(&format!("kid {kid:?}, empty secret"), move |place| {
            let mut header = place.header.clone();
            header["kid"] = json!(kid);
            hs256(&header, &place.claims(), b"")
        }));
    }
    all.push(header("a kid of 20 kB", json!({ "kid": "k".repeat(20_000) })));
    all.push(header("a kid that is a list", json!({ "kid": ["a"] })).but(PROOF));
    check(&all).await;
}

/// A certificate that its holder wrote.
fn self_signed() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    base64::engine::general_purpose::STANDARD.encode(certificate.der())
}

#[tokio::test]
async fn nobody_is_asked_for_a_key() {
    let scratch = Scratch::sqlite();
    let ground = Ground::on(&scratch).await;
    let uri = ground.elsewhere.uri.clone();
    let thief = key();
    ground.elsewhere.keep(&thief);
    for place in &ground.places {
        for name in ["jku", "x5u", "kid", "iss", "url", "jwks_uri"] {
            let header = json!({ name: uri, "typ": place.header["typ"] });
            let answer = ground.show(place, &place.signed_by(&thief, &header)).await;
            assert_eq!(answer, place.refused, "{name} at {}", place.name);
        }
    }
    assert_eq!(ground.elsewhere.asked(), 0, "somebody was asked for a key");
}

#[tokio::test]
async fn a_token_has_one_meaning() {
    let twice = |name: &'static str| {
        payload(&format!("{name} twice"), move |claims| {
            let value: Value = serde_json::from_str(&claims).expect("JSON");
            let (_, rest) = claims.split_at(1);
            format!("{{\"{name}\":{},{rest}", value[name]).into_bytes()
        })
    };
    let mut all = vec![
        header("crit", json!({ "crit": ["exp"] })),
        header("an empty crit", json!({ "crit": [] })),
        header("an unknown crit", json!({ "crit": ["x"], "x": 1 })),
        header("b64", json!({ "b64": false })),
        header("b64 as an extension", json!({ "b64": false, "crit": ["b64"] })),
        forgery("alg twice", |place| {
            let header = place.header.to_string();
            let twice = format!("{{\"alg\":\"none\",{}", rest(&header));
            written(&place.key, twice, place.claims().to_string())
        }),
        twice("iat"),
        payload("two objects", |claims| format!("{claims}{claims}").into_bytes()),
        payload("a mark of byte order", |claims| format!("\u{feff}{claims}").into_bytes()),
        payload("UTF-16", |claims| claims.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        payload("bytes that are no UTF-8", |claims| {
            [&br#"{"x":""#[..], &[0xff, 0xfe], &br#"","#[..], rest(&claims).as_bytes()].concat()
        }),
        payload("overlong UTF-8", |claims| {
            [&br#"{"x":""#[..], &[0xc0, 0xaf], &br#"","#[..], rest(&claims).as_bytes()].concat()
        }),
        payload("half a surrogate", |claims| {
            [&br#"{"x":"\ud800","#[..], rest(&claims).as_bytes()].concat()
        }),
        payload("a list", |claims| format!("[{claims}]").into_bytes()),
        payload("a token inside", |claims| b64(claims).into_bytes()),
        payload("nothing", |_| Vec::new()),
        payload("a deep nest", |claims| {
            let (open, close) = ("[".repeat(2_000), "]".repeat(2_000));
            format!("{{\"x\":{open}{close},{}", rest(&claims)).into_bytes()
        }),
        payload("3,000 claims", |claims| {
            let many = (0..3_000).map(|at| format!("\"c{at}\":0,")).collect::<Vec<_>>().concat();
            format!("{{{many}{}", rest(&claims)).into_bytes()
        }),
    ];
    // Base64 that says the same in another way.
    all.extend([
        bent("padding", |token| format!("{token}=")),
        bent("a stray bit", stray),
        bent("a line in the middle", |token| token.replacen('.', ".\n", 1)),
        bent("a blank in the middle", |token| token.replacen('.', ". ", 1)),
        bent("a blank before it", |token| format!(" {token}")).but(FIELDS),
        bent("a line behind it", |token| format!("{token}\n")),
        forgery("a stray bit in the header", |place| {
            let header = place.header.to_string();
            // So that bits are left over at the end.
            let blanks = " ".repeat((4 - header.len() % 3) % 3);
            let header = stray(&b64(format!("{header}{blanks}")));
            raw(&place.key, &header, &b64(place.claims().to_string()))
        }),
        forgery("a padded payload", |place| {
            let claims = place.claims().to_string();
            let blanks = " ".repeat((4 - claims.len() % 3) % 3);
            let claims = URL_SAFE.encode(format!("{claims}{blanks}"));
            raw(&place.key, &b64(place.header.to_string()), &claims)
        }),
        forgery("the other alphabet", |place| {
            let claims = place.claims().to_string();
            let claims = format!("{{\"x\":\"???>>>~~~ÿÿÿ\",{}", rest(&claims));
            let claims = STANDARD_NO_PAD.encode(claims);
            assert!(claims.contains(['+', '/']), "{claims}");
            raw(&place.key, &b64(place.header.to_string()), &claims)
        }),
    ]);
    check(&all).await;
}

/// The last character says the same and something that nobody reads.
fn stray(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let at = LETTERS.iter().position(|known| *known == last.as_bytes()[0]).expect("base64url");
    assert_eq!(at % 4, 0, "no bits are left over in {text}");
    format!("{rest}{}", char::from(LETTERS[at + 1]))
}

#[tokio::test]
async fn a_signature_is_whole_and_of_this_token() {
    let exactly =
        |name: &str, bytes: Vec<u8>| bent(name, move |token| with_signature(token, &bytes));
    let mut all = vec![
        exactly("r = s = 0", vec![0; 64]),
        exactly("r = 0", [vec![0; 32], vec![1; 32]].concat()),
        exactly("s = 0", [vec![1; 32], vec![0; 32]].concat()),
        exactly("r = s = n", [0xff; 64].to_vec()),
        exactly("one byte", vec![0]),
        bent("ASN.1", der),
        bent("a byte less", |token| with_signature(token, &signature(token)[..63])),
        bent("a byte more", |token| with_signature(token, &[signature(token), vec![0]].concat())),
        bent("r and s changed over", |token| {
            let whole = signature(token);
            with_signature(token, &[&whole[32..], &whole[..32]].concat())
        }),
        bent("cut", |token| cut(token).to_owned()),
        bent("longer", |token| format!("{token}A")),
        bent("the case turned", |token| {
            let turn = |c: char| {
                if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            };
            token.chars().map(turn).collect()
        }),
        bent("without a signature", |token| token.rsplit_once('.').expect("parts").0.to_owned()),
        bent("an empty signature", |token| with_signature(token, b"")),
        bent("a fourth part", |token| format!("{token}.e30")),
        bent("another payload", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], b64(r#"{"sub":"root"}"#), parts[2])
        }),
        forgery("the signature of another one", |place| {
            let (one, two) = (
                place.signed(&json!({}), &json!({})),
                place.signed(&json!({}), &json!({ "x": 1 })),
            );
            with_signature(&one, &signature(&two))
        }),
    ];
    // What is no compact JWS.
    all.extend([
        bent("JSON, flattened", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string()
        }),
        bent("JSON, several signatures", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            let one = json!({ "protected": parts[0], "signature": parts[2] });
            json!({ "payload": parts[1], "signatures": [one, one] }).to_string()
        }),
        bent("JWE", |token| {
            format!("{}.{token}.AA", b64(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#))
        }),
        bent("JWE, compressed", |token| {
            format!("{}.{token}.AA", b64(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#))
        }),
        bent("JWE with a password and 2^31 rounds", |token| {
            let header =
                r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483648,"p2s":"AA"}"#;
            format!("{}.{token}.AA", b64(header))
        }),
        bent("a nest of tokens", |token| {
            format!("{}.{}.AA", b64(r#"{"alg":"none","cty":"JWT"}"#), b64(token))
        }),
        forgery("nothing", |_| "..".to_owned()),
        forgery("60 kB", |_| "x".repeat(60_000)),
    ]);
    check(&all).await;
}

#[tokio::test]
async fn a_token_of_one_kind_is_none_of_another() {
    const KINDS: [&str; 12] = [
        "at+jwt",
        "JWT",
        "dpop+jwt",
        "logout+jwt",
        "oauth-authz-req+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "oauth-id-jag+jwt",
        "jwk+jwt",
        "JOSE",
        "",
    ];
    let scratch = Scratch::sqlite();
    let ground = Ground::on(&scratch).await;
    for place in &ground.places {
        for kind in KINDS.into_iter().filter(|kind| !place.types.contains(kind)) {
            let token = place.signed(&json!({ "typ": kind }), &json!({}));
            let answer = ground.show(place, &token).await;
            assert_eq!(answer, place.refused, "{kind} at {}", place.name);
        }
        // What is genuine elsewhere is shown here.
        for other in ground.places.iter().filter(|other| other.name != place.name) {
            let same =
                other.key.kid() == place.key.kid() && other.header["typ"] == place.header["typ"];
            if !same {
                let answer = ground.show(place, &other.signed(&json!({}), &json!({}))).await;
                assert_eq!(answer, place.refused, "{} at {}", other.name, place.name);
            }
        }
    }
}

#[tokio::test]
async fn a_claim_is_what_it_should_be() {
    let far = BEGIN + 1_000_000_000;
    let mut all: Vec<Forgery> = [
        json!(null),
        json!("2099-01-01"),
        json!(far.to_string()),
        json!(-1),
        json!(true),
        json!([far]),
        json!({ "exp": far }),
    ]
    .into_iter()
    .map(|exp| claims(&format!("exp {exp}"), json!({ "exp": exp })).but(PROOF))
    .collect();
    all.extend([
        claims("expired", json!({ "exp": BEGIN - 61 })).but(HINTS),
        claims("expired by half a second", json!({ "exp": 1_767_225_539.5 })).but(HINTS),
        claims("not yet", json!({ "nbf": BEGIN + 61 })).but(HINTS),
        claims("made tomorrow", json!({ "iat": BEGIN + 86_400 }))
            .but(&["logout hint", "CIBA hint"]),
        claims("iat as a text", json!({ "iat": "now" })),
        claims("nbf as a text", json!({ "nbf": "now" })).but(PROOF),
        claims("a list of subjects", json!({ "sub": ["ann", "root"] })).but(PROOF),
        claims("an object as a subject", json!({ "sub": { "ann": 1 } })).but(PROOF),
        claims("a number as jti", json!({ "jti": 7 })),
        payload("an end beyond all numbers", |claims| {
            let value: Value = serde_json::from_str(&claims).expect("JSON");
            let exp = format!("\"exp\":{}", value["exp"]);
            claims.replace(&exp, "\"exp\":1e400").into_bytes()
        })
        .but(PROOF),
    ]);
    for iss in [
        "https://127.0.0.1:9453/oauth2/",
        "https://127.0.0.1:9453/OAUTH2",
        "HTTPS://127.0.0.1:9453/oauth2",
        "http://127.0.0.1:9453/oauth2",
        "https://127.0.0.1/oauth2",
        "https://127.0.0.1:9453/\u{43e}auth2",
        "https://127.0.0.1:9453",
        "",
    ] {
        all.push(claims(&format!("iss {iss:?}"), json!({ "iss": iss })).but(PROOF));
    }
    all.push(claims("no iss", json!({ "iss": null })).but(PROOF));
    all.push(
        claims("a list of issuers", json!({ "iss": ["https://127.0.0.1:9453/oauth2"] })).but(PROOF),
    );
    check(&all).await;
}

/// Half of all honest signatures are the larger one (RFC 7518 section 3.4 allows both), so none is
/// refused. No signature is a name here: what was used or ended is known by `jti`.
#[tokio::test]
async fn the_twin_of_a_signature_is_no_second_token() {
    let scratch = Scratch::sqlite();
    let ground = Ground::on(&scratch).await;
    for place in &ground.places {
        let token = place.signed(&json!({}), &json!({}));
        assert_eq!(ground.show(place, &token).await, place.taken, "{}", place.name);
        let again = ground.show(place, &twin(&token)).await;
        let once = ["client assertion", "DPoP proof", "JWT bearer"].contains(&place.name);
        let expected = if once { place.refused } else { place.taken };
        assert_eq!(again, expected, "{}", place.name);
    }
}

#[tokio::test]
async fn a_weak_key_is_not_registered() {
    let scratch = Scratch::sqlite();
    let ground = Ground::on(&scratch).await;
    let good = key().public_jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let rsa = |bytes: usize, e: &str| {
        let n = b64(vec![0xc5; bytes]);
        json!({ "kty": "RSA", "alg": "PS256", "n": n, "e": e })
    };
    let table = [
        ("1024 bits", rsa(128, "AQAB")),
        ("e = 1", rsa(256, "AQ")),
        ("e = 2", rsa(256, "Ag")),
        ("an empty n", rsa(0, "AQAB")),
        ("a point off the curve", with("x", json!(b64([1; 32])))),
        ("a short point", with("x", json!(b64([1; 31])))),
        ("a private key", with("d", json!(b64([1; 32])))),
        ("a secret", json!({ "kty": "oct", "k": b64([1; 32]) })),
        ("an alg of another family", with("alg", json!("PS256"))),
        ("the wrong curve", with("crv", json!("P-384"))),
        ("for encryption", with("use", json!("enc"))),
        ("not for verifying", with("key_ops", json!(["encrypt"]))),
        ("an empty key", json!({})),
    ];
    for (name, jwk) in table {
        let settings = Settings {
            method: "private_key_jwt".to_owned(),
            jwks: json!({ "keys": [jwk] }).to_string(),
            ..Settings::default()
        };
        let application =
            Application { name: "app".to_owned(), settings, ..Application::default() };
        let refused = register(&ground.stand.authority, &application).await;
        assert!(refused.is_err(), "{name} was registered");
    }
}
