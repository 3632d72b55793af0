//! Attack list, client authentication: does Basic say one thing only, and does the time say nothing?
//!
//! Assertions and methods are in the suite `service`, `assertions.rs`; forged ones in `jose.rs`.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use key_manager::registration::Registered;

use crate::databases::Scratch;
use crate::forge::cut;
use crate::stand::{Dressed, Stand, post, said};

const FORM: &str = "grant_type=client_credentials";

async fn basic(stand: &Stand, credentials: &[u8]) -> String {
    let value = format!("Basic {}", STANDARD.encode(credentials));
    said(&stand.ask(&post("/oauth2/token", FORM).header("authorization", &value)).await)
}

/// Every character escaped.
fn escaped(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

#[tokio::test]
async fn both_halves_of_basic_are_decoded_once_and_compared_whole() {
    const REFUSED: &str = "401 invalid_client";
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    let table = [
        (format!("{id}:{secret}"), "200"),
        (format!("{}:{}", escaped(id), escaped(secret)), "200"),
        (format!("{}:{}", escaped(&escaped(id)), secret), REFUSED),
        (format!("{id}:{}", escaped(&escaped(secret))), REFUSED),
        (format!("{id}:{secret}:"), REFUSED),
        (format!("{id}:{secret}:{secret}"), REFUSED),
        (format!("{id}::{secret}"), REFUSED),
        (format!(":{id}:{secret}"), REFUSED),
        (format!("{id}:"), REFUSED),
        (format!("{id}:{secret} "), REFUSED),
        (format!("{id}:{secret}%00"), REFUSED),
        (format!("{id}:{secret}%0a"), REFUSED),
        (format!("{id}:+{secret}"), REFUSED),
        (format!("{id}%3a{secret}"), REFUSED),
        (format!("{}:{secret}", id.to_uppercase()), REFUSED),
        (format!("{id}:{}", secret.to_uppercase()), REFUSED),
        (format!("{id}:{}", cut(secret)), REFUSED),
        (format!("{id}:{secret}A"), REFUSED),
        (format!("{id}:%zz"), REFUSED),
        (format!("{id}:{}", "x".repeat(5_000)), REFUSED),
        (String::new(), REFUSED),
        (":".to_owned(), REFUSED),
    ];
    for (credentials, answer) in table {
        assert_eq!(basic(&stand, credentials.as_bytes()).await, answer, "{credentials}");
    }
    assert_eq!(basic(&stand, &[id.as_bytes(), b":\xff\xfe"].concat()).await, REFUSED);
    // In a form the same: whole, and without a second meaning.
    let post_secret = async |secret: &str| {
        let form = format!("{FORM}&client_id={id}&client_secret={secret}");
        said(&stand.ask(&post("/oauth2/token", &form)).await)
    };
    assert_eq!(post_secret(&escaped(secret)).await, "200");
    assert_eq!(post_secret(&escaped(&escaped(secret))).await, REFUSED);
    assert_eq!(post_secret("").await, REFUSED);
}

/// How long it takes usually, of `rounds` that are asked in turns so that both see the same machine:
/// the faster half shows what has to be done, the slower one how busy the machine is.
#[expect(clippy::disallowed_methods, reason = "a test measures the time that really passes")]
async fn usual(
    stand: &Stand,
    client: &Registered,
    rounds: usize,
    secrets: [&str; 2],
    ids: [&str; 2],
) -> [Duration; 2] {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (of, took) in took.iter_mut().enumerate() {
            let id = if ids[of].is_empty() { client.client.id.as_str() } else { ids[of] };
            let request = post("/oauth2/token", FORM).basic(id, secrets[of]);
            let begun = Instant::now();
            let reply = stand.ask(&request).await;
            let spent = begun.elapsed();
            assert_eq!(said(&reply), "401 invalid_client");
            // The first ones warm up.
            if round >= rounds / 10 {
                took.push(spent);
            }
        }
    }
    took.map(|mut took| {
        took.sort();
        took[took.len() / 4]
    })
}

/// A wrong secret that begins rightly, one that is wrong from the first character, and a client that
/// there is not cost the same. The bound is wide: a comparison of texts is a thousandth of it, and
/// what is shown is that no branch leaves out the store or the digest.
#[tokio::test]
async fn the_time_says_nothing_of_a_secret_or_of_a_client() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let secret = client.secret.as_str();
    let almost = format!("{}_", cut(secret));
    let wrong = "_".repeat(secret.len());
    let nobody = "A".repeat(client.client.id.as_str().len());
    for (name, secrets, ids) in [
        ("almost right and all wrong", [almost.as_str(), wrong.as_str()], ["", ""]),
        ("a client and none", [wrong.as_str(), wrong.as_str()], ["", nobody.as_str()]),
        ("short and long", ["x", wrong.as_str()], ["", ""]),
    ] {
        let [one, two] = usual(&stand, &client, 200, secrets, ids).await;
        let (less, more) = (one.min(two), one.max(two));
        assert!(more < less * 4, "{name}: {one:?} and {two:?}");
    }
}
