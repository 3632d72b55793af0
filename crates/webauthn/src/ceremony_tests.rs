//! The example of the standard, and what an attacker would change of it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn site(id: &str) -> Site {
    Site { id: id.to_owned(), origins: vec![format!("https://{id}")] }
}

/// The RP ID and the origin of the standard's examples.
const EXAMPLE: &str = "example.org";

/// Web Authentication Level 3 §16.2: ES256 without attestation.
struct Vector {
    challenge: Vec<u8>,
    object: Vec<u8>,
    asked: Vec<u8>,
    data: Vec<u8>,
    told: Vec<u8>,
    signature: Vec<u8>,
}

fn vector() -> Vector {
    Vector {
        challenge: hex("00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130"),
        object: hex(
            "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360
             d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff
             6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a50102
             03262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df6122
             5820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
        ),
        asked: hex("39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408"),
        data: hex("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"),
        told: hex(
            "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e
             55685158756c5455506f334a5558543049393770767a7a59425039745a6368587961763031416722
             2c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72
             6967696e223a66616c73657d",
        ),
        signature: hex(
            "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38022100
             8480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
        ),
    }
}

/// What a browser writes.
fn told(kind: &str, challenge: &[u8], origin: &str, more: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    let text = format!(
        r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#
    );
    text.into_bytes()
}

#[test]
fn the_example_of_the_standard_is_taken() {
    let Vector { challenge, object, asked, data, told: shown, signature } = vector();
    let site = site(EXAMPLE);
    let client_data = told("create", &challenge, "https://example.org", r#","extra":"x""#);
    let made = register(&site, &challenge, &client_data, &object).expect("a passkey");
    assert_eq!(made.id, hex("f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4"));
    assert_eq!((made.counter, made.verified, made.synced), (0, false, true));
    let key = (made.key.as_slice(), true);
    let said = assert(&site, &asked, key, &shown, &data, &signature).expect("the passkey");
    assert_eq!(said, Shown { counter: 0, verified: false });
}

#[test]
fn what_was_changed_of_it_is_refused() {
    let Vector { challenge, object, asked, data, told: shown, signature } = vector();
    let here = site(EXAMPLE);
    let good = told("create", &challenge, "https://example.org", "");
    let made = register(&here, &challenge, &good, &object).expect("a passkey");
    let key = (made.key.as_slice(), true);
    let check =
        |site: &Site, asked: &[u8], key, shown: &[u8], data: &[u8], signature: &[u8], why| {
            assert_eq!(assert(site, asked, key, shown, data, signature), Err(why));
        };
    let wrong = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let other = Site { id: "example.com".to_owned(), ..here.clone() };
    check(&here, &challenge, key, &shown, &data, &signature, Refusal::Challenge);
    check(&site("example.com"), &asked, key, &shown, &data, &signature, Refusal::Origin);
    check(&other, &asked, key, &shown, &data, &signature, Refusal::Site);
    check(&here, &asked, key, &good, &data, &signature, Refusal::Kind);
    check(&here, &asked, key, b"{}", &data, &signature, Refusal::ClientData);
    check(&here, &asked, key, &shown, &wrong(&data, 32), &signature, Refusal::NobodyThere);
    check(&here, &asked, key, &shown, &wrong(&data, 36), &signature, Refusal::Signature);
    check(&here, &asked, key, &shown, &data, &wrong(&signature, 70), Refusal::Signature);
    check(&here, &asked, (&made.key, false), &shown, &data, &signature, Refusal::Backup);
    check(&here, &asked, (&made.id, true), &shown, &data, &signature, Refusal::Key);
    for more in [r#","crossOrigin":true"#, r#","topOrigin":"https://evil.example""#] {
        let framed = told("get", &asked, "https://example.org", more);
        check(&here, &asked, key, &framed, &data, &signature, Refusal::Framed);
    }
    let twice = told("get", &asked, "https://evil.example", r#","origin":"https://example.org""#);
    check(&here, &asked, key, &twice, &data, &signature, Refusal::ClientData);

    let create = |client_data: &[u8], object: &[u8], why| {
        assert_eq!(register(&here, &challenge, client_data, object), Err(why));
    };
    create(&told("get", &challenge, "https://example.org", ""), &object, Refusal::Kind);
    create(&good, &object[..object.len() - 1], Refusal::AuthenticatorData);
    create(&good, &[object.clone(), vec![0]].concat(), Refusal::AuthenticatorData);
    create(&good, &wrong(&object, 30), Refusal::Site);
    // An assertion in the place of a registration.
    let mut bare = hex("a363666d74646e6f6e656761747453746d74a0686175746844617461 5825");
    bare.extend(&data);
    create(&good, &bare, Refusal::AuthenticatorData);
}

/// Authenticator data of a passkey of `EXAMPLE` whose person is there.
fn data_of(counter: u8) -> Vec<u8> {
    let mut data = digest(&SHA256, EXAMPLE.as_bytes()).as_ref().to_vec();
    data.extend([0x05, 0, 0, 0, counter]);
    data
}

fn message(data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [data, digest(&SHA256, client_data).as_ref()].concat()
}

#[test]
fn other_keys_are_taken_as_well() {
    let (site, data) = (site(EXAMPLE), data_of(9));
    let client_data = told("get", b"challenge", "https://example.org", "");
    let message = message(&data, &client_data);

    let pair = Ed25519KeyPair::generate().expect("a key");
    let mut key = hex("a4 01 01 03 27 20 06 21 5820");
    key.extend(pair.public_key().as_ref());
    let signature = pair.sign(&message);
    let said = assert(&site, b"challenge", (&key, false), &client_data, &data, signature.as_ref());
    assert_eq!(said, Ok(Shown { counter: 9, verified: true }));

    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let signature = pair.sign(&SystemRandom::new(), &message).expect("a signature");
    // The key of somebody else.
    let said = assert(&site, b"challenge", (&key, false), &client_data, &data, signature.as_ref());
    assert_eq!(said, Err(Refusal::Signature));
}
