//! Does a gateway hear who shows a name and a password, and does nobody else learn anything by it? (KM-102,
//! KM-103)

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use key_manager::accounts;
use key_manager::config::Config;
use key_manager::endpoint::{Authenticated, Mfa, Refusal, authenticate_for_gateway};
use key_manager::store::{Store as _, StoredPasskey};

use crate::authenticator::ORIGIN;
use crate::browser::PASSWORD;
use crate::databases::{Scratch, each};
use crate::postgres::Server;
use crate::stand::{BEGIN, Stand, config};

const HERE: &str = "192.0.2.7";
const THERE: &str = "2001:db8:1::9";

fn few() -> Config {
    let mut config = config();
    config.login.failures = 3;
    config.login.failures_of_network = 6;
    config
}

/// What a gateway hears that is asked from `address`; "": it does not know from where.
pub(crate) async fn ask(stand: &Stand, address: &str, name: &str, password: &str) -> String {
    let address = Some(address).filter(|text| !text.is_empty());
    let address = address.map(|text| text.parse::<IpAddr>().expect("an address"));
    match authenticate_for_gateway(&stand.authority, address, name, password).await {
        Ok(Authenticated::Person { user, at }) => format!("{} {}", user.name, at - BEGIN),
        Ok(Authenticated::Nobody) => "nobody".to_owned(),
        Ok(Authenticated::Locked { seconds }) => format!("locked {seconds}"),
        Err(Refusal::Unavailable(_)) => "away".to_owned(),
        Err(refusal) => format!("{refusal:?}"),
    }
}

async fn check(stand: &Stand, name: &str, password: &str, said: &str) {
    assert_eq!(ask(stand, HERE, name, password).await, said, "{name}");
}

#[tokio::test]
async fn the_right_password_of_somebody_who_may_log_in_is_somebody() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        check(&stand, "ann", PASSWORD, "ann 0").await;
        check(&stand, " ANN ", PASSWORD, "ann 0").await;
        assert_eq!(ask(&stand, "", "ann", PASSWORD).await, "ann 0", "an address is not needed");
        for (name, password) in [
            ("ann", "another one"),
            ("ben", PASSWORD),
            ("ann", ""),
            ("", PASSWORD),
            (&"a".repeat(257), PASSWORD),
            ("ann", &"a".repeat(1025)),
        ] {
            check(&stand, name, password, "nobody").await;
        }
        accounts::disable(&stand.authority, &ann.id, true).await.expect("disabled");
        check(&stand, "ann", PASSWORD, "nobody").await;
        accounts::disable(&stand.authority, &ann.id, false).await.expect("enabled");
        // What was said before has ended; what is said now comes after it.
        check(&stand, "ann", PASSWORD, "ann 1").await;
        stand.pass(5);
        accounts::set_password(&stand.authority, &ann.id, "another one").await.expect("set");
        check(&stand, "ann", PASSWORD, "nobody").await;
        check(&stand, "ann", "another one", "ann 6").await;
        let waits = accounts::sign_up(&stand.authority, "cid", PASSWORD, true, None).await;
        let waits = waits.expect("an account");
        check(&stand, "cid", PASSWORD, "nobody").await;
        accounts::approve(&stand.authority, &waits.id).await.expect("approved");
        check(&stand, "cid", PASSWORD, "cid 5").await;
    })
    .await;
}

#[tokio::test]
async fn who_guesses_waits_and_hears_how_long_whoever_is_meant() {
    each(async |scratch| {
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, few()).await;
        stand.person().await;
        for name in ["ann", "nobody-here"] {
            for _ in 0..3 {
                assert_eq!(ask(&stand, "", name, "wrong").await, "nobody");
            }
            assert_eq!(ask(&stand, THERE, name, PASSWORD).await, "locked 60", "{name}");
        }
        stand.pass(20);
        check(&stand, "ann", PASSWORD, "locked 40").await;
        stand.pass(40);
        check(&stand, "ann", PASSWORD, "ann 60").await;
        // A success forgets what went before.
        for _ in 0..2 {
            check(&stand, "ann", "wrong", "nobody").await;
        }
        check(&stand, "ann", PASSWORD, "ann 60").await;
        // Another network is not the one that guesses.
        for number in 0..3 {
            check(&stand, &format!("p{number}"), "wrong", "nobody").await;
        }
        check(&stand, "ann", PASSWORD, "locked 60").await;
        assert_eq!(ask(&stand, THERE, "ann", PASSWORD).await, "ann 60");
    })
    .await;
}

#[tokio::test]
async fn a_password_is_not_enough_where_a_second_factor_is_wanted() {
    let scratch = Scratch::sqlite();
    let mut required = config();
    required.login.mfa = Mfa::Required;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, required).await;
    let ann = stand.person().await;
    check(&stand, "ann", PASSWORD, "nobody").await;

    let mut optional = config();
    // Where passkeys can be used.
    optional.issuer.url =
        key_manager::endpoint::Issuer::parse(&format!("{ORIGIN}/oauth2")).expect("an issuer");
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, optional).await;
    check(&stand, "ann", PASSWORD, "ann 0").await;
    let passkey = StoredPasskey {
        id: "p1".to_owned(),
        user_id: ann.id,
        name: "key".to_owned(),
        key: "AA".to_owned(),
        counter: 0,
        synced: false,
        created_at: BEGIN,
        used_at: 0,
    };
    assert!(stand.store.add_passkey(&passkey, 20).await.expect("added"));
    check(&stand, "ann", PASSWORD, "nobody").await;
}

#[tokio::test]
async fn what_was_asked_stands_in_the_log_and_looks_like_guessing_where_it_is() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.fraud.stuffing = 3;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let mut signals = stand.authority.fraud.signals().expect("signals");
    let ann = stand.person().await;
    for _ in 0..2 {
        check(&stand, "ann", PASSWORD, "ann 0").await;
    }
    for name in ["ann", "ben", "cid"] {
        check(&stand, name, "wrong", "nobody").await;
    }
    let signal = signals.queue.try_recv().expect("a signal");
    assert_eq!(signal.kind, "CredentialStuffing");
    stand.authority.audit.flush().await.expect("written");
    let lines = stand.authority.audit.lines(0, 0, 100).await.expect("lines");
    let logins = lines.into_iter().map(|line| line.note);
    let logins = logins.filter(|note| note.event.starts_with("login."));
    let told: Vec<_> = logins
        .map(|note| format!("{} {} {} {}", note.event, note.who, note.address, note.details))
        .collect();
    let failed = |who: &str| format!("login.failed {who} {HERE} {{}}");
    let counted = r#"login.succeeded   {"kind":"gateway","times":"2"}"#.to_owned();
    assert_eq!(told, [failed(&ann.id), failed(""), failed(""), counted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_nobody_can_say() {
    let Some(server) = Server::start().await else {
        eprintln!("left out: no PostgreSQL in /usr/lib/postgresql");
        return;
    };
    let server = Arc::new(server);
    let scratch = Scratch::on(server.clone()).await;
    let mut config = config();
    config.store.timeout = Duration::from_millis(500);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    check(&stand, "ann", PASSWORD, "ann 0").await;
    server.kill();
    check(&stand, "ann", PASSWORD, "away").await;
    check(&stand, "nobody-here", PASSWORD, "away").await;
    server.restart().await;
    check(&stand, "ann", PASSWORD, "ann 0").await;
}
