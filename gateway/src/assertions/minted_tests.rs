//! When is a JWT used again, and when is it not?

use jose::{Algorithm, SigningKey};

use super::super::published::Published;
use super::super::signer::Signer;
use super::*;

/// The time of the first call.
const NOW: i64 = 1_700_000_000;

fn minted(most: usize) -> Minted {
    let signers = Arc::new(Signers::new("turnpike"));
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    signers
        .publish(Published { signing: vec![Arc::new(Signer::new(key))], ..Published::default() });
    Minted::new(signers, most)
}

const fn wanted() -> Wanted {
    Wanted {
        algorithm: Algorithm::ES256,
        encoding: Encoding::Base64url,
        lifetime: 60,
        ends_at: None,
        generation: 1,
        now: NOW,
    }
}

/// Asks for a JWT of `first` and then for one of `then`, and compares whether the second was signed.
#[track_caller]
fn check(first: (&str, Wanted), then: (&str, Wanted), signed: bool) {
    let mut minted = minted(8);
    let mut ask = |(who, wanted): (&str, Wanted)| {
        let fill = |out: &mut Vec<u8>, _: &mut Vec<u8>| {
            out.extend_from_slice(format!("\"sub\":\"{who}\"").as_bytes());
        };
        minted.assertion(wanted, fill).unwrap()
    };
    assert!(ask(first).fresh);
    assert_eq!(ask(then).fresh, signed);
}

#[test]
fn the_same_is_signed_once_in_half_of_its_life() {
    check(("ann", wanted()), ("ann", Wanted { now: NOW + 29, ..wanted() }), false);
    check(("ann", wanted()), ("ann", Wanted { now: NOW + 30, ..wanted() }), true);
}

#[test]
fn another_caller_or_another_wish_is_another_jwt() {
    check(("ann", wanted()), ("bob", wanted()), true);
    check(("ann", wanted()), ("ann", Wanted { lifetime: 30, ..wanted() }), true);
    check(("ann", wanted()), ("ann", Wanted { encoding: Encoding::Base64, ..wanted() }), true);
}

#[test]
fn a_generation_ends_what_was_signed_under_it() {
    check(("ann", wanted()), ("ann", Wanted { generation: 2, ..wanted() }), true);
}

#[test]
fn no_jwt_outlives_the_credential_that_it_is_for() {
    let short = Wanted { ends_at: Some(NOW + 10), ..wanted() };
    check(("ann", wanted()), ("ann", short), true);
    check(("ann", short), ("ann", Wanted { now: NOW + 9, ..short }), false);
    check(
        ("ann", short),
        ("ann", Wanted { now: NOW + 10, ends_at: Some(NOW + 99), ..short }),
        true,
    );
}

#[test]
fn no_more_are_kept_than_there_is_room_for() {
    let mut minted = minted(8);
    let mut ask = |who: usize| {
        let fill = |out: &mut Vec<u8>, _: &mut Vec<u8>| {
            out.extend_from_slice(format!("\"sub\":\"{who}\"").as_bytes());
        };
        minted.assertion(wanted(), fill).unwrap().fresh
    };
    (0..1000).for_each(|who| assert!(ask(who)));
    // Who comes all the time stays.
    for who in 1000..2000 {
        ask(who);
        ask(7_000_000);
    }
    assert!(!ask(7_000_000) && ask(1000));
    assert!(minted.young.len() <= 4 && minted.old.len() <= 4);
}

#[test]
fn nothing_is_said_without_a_key() {
    let mut minted = minted(8);
    let wanted = Wanted { algorithm: Algorithm::EdDSA, ..wanted() };
    let said = minted.assertion(wanted, |out, _| out.extend_from_slice(b"\"a\":1"));
    assert!(matches!(said, Err(NoKey::Missing(Algorithm::EdDSA))), "{said:?}");
}
