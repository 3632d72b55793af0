use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::Signature;
use crate::clock::Clock;
use crate::pki::authority::Development;
use crate::pki::{Identity, development};

const DAY: i64 = 24 * 3600;

fn now() -> i64 {
    Clock::system().unix_seconds()
}

fn identity(folder: &Path, name: &str) -> Identity {
    development(folder, &[name]).expect("development");
    Identity::named(folder, name).expect("an identity")
}

/// Signs "content" for "use" as `signer`, lets `change` at it, and asks `reader` whether the
/// control plane has said so; the answer holds `expected`.
#[track_caller]
fn check(signer: &Identity, reader: &Identity, change: impl Fn(&mut Signature), expected: &str) {
    let mut signature = signer.sign("use", b"content", now()).expect("a signature");
    change(&mut signature);
    let said = reader.has_said("control-plane", "use", b"content", &signature);
    let said = said.map_or_else(|error| error.to_string(), |()| "said".to_owned());
    assert!(said.contains(expected), "`{said}` says nothing of `{expected}`");
}

#[test]
fn what_a_service_says_can_be_shown_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plane, gateway) =
        (identity(folder.path(), "control-plane"), identity(folder.path(), "gateway"));
    check(&plane, &gateway, |_| (), "said");
    check(&gateway, &gateway, |_| (), "signed by gateway/");
}

#[test]
fn nothing_of_it_can_be_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plane, gateway) =
        (identity(folder.path(), "control-plane"), identity(folder.path(), "gateway"));
    let check = |change: fn(&mut Signature), expected| check(&plane, &gateway, change, expected);
    check(|it| it.signed_at += 1, "not one of this certificate");
    check(|it| it.bytes[9] ^= 1, "not one of this certificate");
    check(|it| it.bytes.clear(), "not one of this certificate");
    check(|it| it.scheme = 0x0401, "in a way that is not used here");
    check(|it| it.chain.clear(), "0 certificates");
    check(|it| it.chain = vec![it.chain[0].clone(); 9], "9 certificates");
    check(|it| it.chain[0] = vec![1, 2, 3].into(), "does not stand on our authority");
    let signature = plane.sign("use", b"content", now()).expect("a signature");
    for (domain, content) in [("another", &b"content"[..]), ("use", b"contents")] {
        assert!(gateway.has_said("control-plane", domain, content, &signature).is_err());
    }
}

#[test]
fn a_service_of_another_authority_says_nothing() {
    let (ours, theirs) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let gateway = identity(ours.path(), "gateway");
    check(
        &identity(theirs.path(), "control-plane"),
        &gateway,
        |_| (),
        "not stand on our authority",
    );
}

#[test]
fn what_was_said_stays_said_when_the_certificate_has_expired() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = identity(folder.path(), "gateway");
    // Of the same authority, and good for 90 days from then on.
    let then = now() - 200 * DAY;
    let ago = UNIX_EPOCH + Duration::from_secs(then.unsigned_abs());
    let old = Development::new(folder.path(), "control-plane", "old").expect("a name");
    old.at(Clock::fixed(ago)).ensure().expect("a certificate");
    let plane = Identity::named(folder.path(), "control-plane.old").expect("an identity");
    let say = |at| plane.sign("use", b"content", at).expect("a signature");
    let said = |at| gateway.has_said("control-plane", "use", b"content", &say(at));
    said(then + DAY).expect("it was good then");
    assert!(said(now()).is_err(), "it is not good now");
    assert!(said(-1).is_err(), "nor before all time");
}
