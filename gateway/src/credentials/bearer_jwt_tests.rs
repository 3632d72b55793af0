//! Tokens that are good, that are not, and that cease to be.

use std::sync::Arc;

use jose::{Algorithm, KeySet, SigningKey};
use plan::Plan;
use serde_json::json;
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

use super::*;
use crate::generation::ResidentKeys;

const ISSUER: &str = "https://issuer.example/oauth2";
const NOW: i64 = 1_700_000_000;

/// One issuer, one worker's table, and a clock that is moved by hand.
struct Stand {
    key: SigningKey,
    generation: Generation,
    revocations: Revocations,
    tokens: RefCell<Tokens>,
    cells: Cells,
}

impl Stand {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let generation = generation(1, Some(&key));
        Self {
            key,
            generation,
            revocations: Revocations::new(),
            tokens: RefCell::new(Tokens::new(2)),
            cells: Cells::default(),
        }
    }

    fn token(&self, jti: &str) -> String {
        let claims = json!({
            "iss": ISSUER, "sub": "ann", "client_id": "c", "jti": jti,
            "iat": NOW - 10, "exp": NOW + 60, "aud": "any",
        });
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// What becomes of `token` at `now`: the refusal, or whether it was verified or known.
    fn judge(&self, token: &str, now: i64) -> String {
        let before = self.cells.tokens_verified.get();
        let Self { generation, revocations, tokens, cells, .. } = self;
        let missing = &missing_keys::Handle::off();
        let grounds = Grounds { generation, revocations, tokens, cells, missing, now_unix: now };
        match verify(token, grounds) {
            Ok(Verified::Ask(_)) => "asks".to_owned(),
            Ok(_) if self.cells.tokens_verified.get() > before => "verified".to_owned(),
            Ok(_) => "known".to_owned(),
            Err(TokenRefused::Refused(refusal)) => format!("{refusal:?}"),
            Err(refused) => format!("{refused:?}"),
        }
    }
}

fn generation(number: u64, key: Option<&SigningKey>) -> Generation {
    let keys = key.map(|key| {
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        ResidentKeys { issuer: ISSUER.to_owned(), keys: Arc::new(KeySet::parse(&set).unwrap()) }
    });
    Generation::new(number, Plan::empty(), keys, crate::sender::Backends::first().unwrap())
}

/// Lets `change` happen between two looks at the same token and compares what is said then.
#[track_caller]
fn check(change: impl FnOnce(&mut Stand), now: i64, expected: &str) {
    let mut stand = Stand::new();
    let token = stand.token("t");
    assert_eq!(stand.judge(&token, NOW), "verified");
    assert_eq!(stand.judge(&token, NOW), "known");
    change(&mut stand);
    assert_eq!(stand.judge(&token, now), expected);
}

#[test]
fn a_known_token_is_not_verified_again() {
    check(|_| {}, NOW + 59, "known");
}

#[test]
fn a_known_token_still_ends_at_its_time() {
    check(|_| {}, NOW + 66, "Expired");
}

#[test]
fn a_known_token_is_refused_once_it_is_revoked() {
    let revoke = |stand: &mut Stand| {
        let what = Some(What::Jti("t".to_owned()));
        let issuer = ISSUER.to_owned();
        stand.revocations.apply(&[Revocation { issuer, what, ..Revocation::default() }]);
    };
    check(revoke, NOW, "Revoked");
}

#[test]
fn revoking_another_token_changes_nothing() {
    let revoke = |stand: &mut Stand| {
        let what = Some(What::Jti("u".to_owned()));
        let issuer = ISSUER.to_owned();
        stand.revocations.apply(&[Revocation { issuer, what, ..Revocation::default() }]);
    };
    check(revoke, NOW, "known");
}

#[test]
fn new_keys_ask_for_a_new_verification() {
    let rotate = |stand: &mut Stand| {
        let next = SigningKey::generate(Algorithm::ES256).unwrap();
        stand.generation = generation(2, Some(&next));
    };
    let mut stand = Stand::new();
    let token = stand.token("t");
    assert_eq!(stand.judge(&token, NOW), "verified");
    rotate(&mut stand);
    assert!(stand.judge(&token, NOW).starts_with("UnknownKey"));
}

#[test]
fn a_swap_that_keeps_the_keys_keeps_the_tokens() {
    let swap = |stand: &mut Stand| {
        let old = &stand.generation;
        let (keys, backends) = (old.resident_keys.clone(), Arc::clone(&old.backends));
        stand.generation = Generation::new(2, old.plan.clone(), keys, backends);
    };
    check(swap, NOW, "known");
}

#[test]
fn without_keys_every_token_is_refused() {
    check(|stand| stand.generation = generation(2, None), NOW, "NoKeys");
}

#[test]
fn what_is_no_token_of_ours_is_refused() {
    let stand = Stand::new();
    assert_eq!(stand.judge("x", NOW), "Unreadable");
    let foreign = json!({ "iss": "https://other.example", "exp": NOW + 60 });
    let foreign = stand.key.sign("at+jwt", &foreign).unwrap();
    assert_eq!(stand.judge(&foreign, NOW), "Issuer");
    let forger = SigningKey::generate(Algorithm::ES256).unwrap();
    let forged = forger.sign("at+jwt", &json!({ "iss": ISSUER, "exp": NOW + 60 })).unwrap();
    assert!(stand.judge(&forged, NOW).starts_with("UnknownKey"));
    let mut changed = stand.token("t");
    changed.truncate(changed.len() - 4);
    changed.push_str("AAAA");
    assert_eq!(stand.judge(&changed, NOW), "Signature");
}

#[test]
fn the_table_never_grows_beyond_its_bound() {
    let stand = Stand::new();
    for jti in ["a", "b", "c", "d"] {
        assert_eq!(stand.judge(&stand.token(jti), NOW), "verified");
        assert!(stand.tokens.borrow().len() <= 2);
    }
}

#[test]
fn a_token_that_is_used_stays_when_another_has_to_leave() {
    let stand = Stand::new();
    let [used, unused, new] = ["a", "b", "c"].map(|jti| stand.token(jti));
    for token in [&used, &unused, &used] {
        stand.judge(token, NOW);
    }
    assert_eq!(stand.judge(&new, NOW), "verified");
    assert_eq!(stand.judge(&used, NOW), "known");
    assert_eq!(stand.judge(&unused, NOW), "verified");
}

#[test]
fn a_token_that_is_bound_to_something_unknown_is_good_for_nobody() {
    let stand = Stand::new();
    let claims = json!({
        "iss": ISSUER, "sub": "ann", "client_id": "c", "jti": "j",
        "iat": NOW - 10, "exp": NOW + 60, "aud": "any", "cnf": { "kid": "k" },
    });
    let token = stand.key.sign("at+jwt", &claims).unwrap();
    assert_eq!(stand.judge(&token, NOW), "Bound");
    assert_eq!(stand.judge(&token, NOW), "Bound", "it was remembered");
}
