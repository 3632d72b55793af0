//! Does each store keep the contract?

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::Clock;
use key_manager::domain::{
    AuthMethod, Authentication, CertificateName, Client, ClientId, Confirmation, Ended, Entry,
    KeyState, LiveToken, Scopes, TokenAlgorithm,
};
use key_manager::store::{
    DatabaseUrl, KeyChange, SqlStore, Store, StoreError, StoredClient, StoredKey, StoredSecret,
    Use, Used,
};

use crate::databases::{Scratch, each};
use crate::stand::config;

async fn open(url: &DatabaseUrl) -> Result<SqlStore, StoreError> {
    SqlStore::open(url, &config().store, &Clock::system()).await
}

async fn store(scratch: &Scratch) -> SqlStore {
    open(&scratch.url).await.expect("a store")
}

fn client(id: &str) -> StoredClient {
    let client = Client {
        id: ClientId::parse(id).expect("an id"),
        name: "Größe 'n' \"all\"".to_owned(),
        grant_types: vec!["client_credentials".to_owned()],
        scopes: Scopes::parse("a b").expect("scopes"),
        access_token_seconds: Some(60),
        algorithm: Some(TokenAlgorithm::Rs256),
        ended_until: 0,
        created_at: 7,
        authentication: Authentication {
            method: AuthMethod::PrivateKeyJwt,
            algorithm: Some(jose::Algorithm::PS256),
            jwks: "{\"keys\":[]}".to_owned(),
            certificate_name: CertificateName::parse("dns:app.example"),
            dpop_bound: true,
            certificate_bound: true,
        },
    };
    let secret = |id: &str, expires_at| StoredSecret {
        id: id.to_owned(),
        digest: format!("digest of {id}"),
        created_at: 8,
        expires_at,
        sealed: format!("sealed {id}"),
    };
    StoredClient { client, secrets: vec![secret("s1", None), secret("s2", Some(99))] }
}

fn entry(what: Ended, forget_after: i64) -> Entry {
    Entry { issuer: "https://issuer".to_owned(), what, forget_after }
}

fn token(jti: &str) -> Entry {
    entry(Ended::Token(jti.to_owned()), 1_000)
}

#[tokio::test]
async fn what_was_written_is_read_back_whole() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let written = client("ann");
        store.add_client(&written).await.expect("added");
        assert_eq!(store.client(&written.client.id).await.expect("read"), Some(written.clone()));
        let nobody = ClientId::parse("nobody").expect("an id");
        assert_eq!(store.client(&nobody).await.expect("read"), None);
        assert!(store.add_client(&written).await.is_err(), "an identifier was given twice");

        let bare = StoredClient {
            client: Client {
                access_token_seconds: None,
                algorithm: None,
                authentication: Authentication::default(),
                ..client("ben").client
            },
            secrets: Vec::new(),
        };
        store.add_client(&bare).await.expect("added");
        assert_eq!(store.client(&bare.client.id).await.expect("read"), Some(bare));
    })
    .await;
}

#[tokio::test]
async fn a_client_and_the_line_that_ends_its_tokens_go_together() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let ann = client("ann");
        store.add_client(&ann).await.expect("added");
        let end = entry(Ended::Client(ann.client.id.clone(), 5), 1_000);
        assert_eq!(store.remove_client(&ann.client.id, &end).await.expect("removed"), Some(1));
        assert_eq!(store.client(&ann.client.id).await.expect("read"), None);
        assert_eq!(store.remove_client(&ann.client.id, &end).await.expect("none"), None);
        assert_eq!(store.ledger().await.expect("a ledger").head, 1, "nothing removed, no line");
        store.add_client(&ann).await.expect("its secrets went too");
    })
    .await;
}

#[tokio::test]
async fn the_log_names_exactly_the_tokens_that_ended() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let id = |text: &str| ClientId::parse(text).expect("an id");
        store.add_client(&client("ann")).await.expect("added");
        assert_eq!(store.revoke(&token("j1")).await.expect("written"), Some(1));
        assert_eq!(store.revoke(&token("j1")).await.expect("known"), None);
        let all = entry(Ended::Client(id("ann"), 50), 1_000);
        assert_eq!(store.revoke(&all).await.expect("written"), Some(2), "no sequence was lost");
        let of = entry(Ended::Subject("sue".to_owned(), 50), 1_000);
        assert_eq!(store.revoke(&of).await.expect("written"), Some(3));
        let noted = store.client(&id("ann")).await.expect("read").expect("a client");
        assert_eq!(noted.client.ended_until, 50);

        let ended = async |issuer: &str, jti: &str, client: &str, subject: &str, issued_at| {
            let token = LiveToken {
                issuer: issuer.to_owned(),
                client_id: client.to_owned(),
                subject: subject.to_owned(),
                scopes: Vec::new(),
                audience: Vec::new(),
                issued_at,
                expires_at: 100,
                jti: jti.to_owned(),
                confirmation: Confirmation::default(),
            };
            store.is_revoked(&token).await.expect("an answer")
        };
        assert!(ended("https://issuer", "j1", "ben", "ben", 60).await);
        assert!(!ended("https://other", "j1", "ben", "ben", 60).await);
        assert!(ended("https://issuer", "j2", "ann", "x", 50).await);
        assert!(!ended("https://issuer", "j2", "ann", "x", 51).await);
        assert!(ended("https://issuer", "j2", "x", "sue", 50).await);
        assert!(!ended("https://issuer", "j2", "sue", "ann", 50).await, "names were mixed up");
        assert!(!ended("https://issuer", "ann", "j1", "j1", 50).await, "kinds were mixed up");

        let lines = store.revocations(1, 3, 10).await.expect("lines");
        assert_eq!(lines.iter().map(|line| line.sequence).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(lines[0].entry, all);
        assert_eq!(store.revocations(0, 3, 1).await.expect("lines").len(), 1);
        assert_eq!(store.revocations(0, 2, 10).await.expect("lines").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn forgotten_lines_leave_the_head_where_it_is() {
    each(async |scratch| {
        let store = store(&scratch).await;
        for (jti, forget_after) in [("a", 10), ("b", 20), ("c", 30)] {
            let line = entry(Ended::Token(jti.to_owned()), forget_after);
            store.revoke(&line).await.expect("written");
        }
        assert_eq!(store.forget(20).await.expect("forgotten"), 1, "b can still matter");
        assert_eq!(store.forget(31).await.expect("forgotten"), 2);
        assert_eq!(store.ledger().await.expect("a ledger").head, 3);
        assert_eq!(store.revocations(0, 3, 10).await.expect("lines"), []);
        assert_eq!(store.revoke(&token("d")).await.expect("written"), Some(4));
    })
    .await;
}

/// The promise that watchers stand on: whoever sees a head, sees every line up to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_skips_a_line_that_commits_late() {
    const WRITERS: usize = 8;
    const LINES: usize = 15;
    each(async |scratch| {
        let (one, two) = (Arc::new(store(&scratch).await), Arc::new(store(&scratch).await));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = Arc::clone(if writer % 2 == 0 { &one } else { &two });
                async move {
                    let mut given = Vec::new();
                    for line in 0..LINES {
                        let written = store.revoke(&token(&format!("{writer}-{line}"))).await;
                        given.push(written.expect("written").expect("new"));
                    }
                    given
                }
            })
            .collect();
        let writing = futures_util::future::join_all(writers);
        let total = u64::try_from(WRITERS * LINES).expect("a number");
        let reading = async {
            loop {
                let head = two.ledger().await.expect("a ledger").head;
                let lines = two.revocations(0, head, 1_000).await.expect("lines");
                let seen: Vec<u64> = lines.iter().map(|line| line.sequence).collect();
                assert_eq!(seen, (1..=head).collect::<Vec<_>>(), "a line is missing below {head}");
                if head == total {
                    return;
                }
            }
        };
        let (given, ()) = tokio::join!(writing, reading);
        let given: BTreeSet<u64> = given.into_iter().flatten().collect();
        assert_eq!(given, (1..=total).collect());
    })
    .await;
}

#[tokio::test]
async fn keys_change_all_or_nothing_and_only_from_the_version_that_was_read() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let key = |kid: &str, state| StoredKey {
            kid: kid.to_owned(),
            algorithm: TokenAlgorithm::Es256,
            state,
            sealed: "sealed".to_owned(),
            since: 1,
            gone_after: 0,
        };
        let (active, next) = (key("a", KeyState::Active), key("n", KeyState::Next));
        let first = [KeyChange::Add(active.clone()), KeyChange::Add(next)];
        assert_eq!(store.keys().await.expect("keys"), (0, Vec::new()));
        assert!(store.change_keys(0, &first).await.expect("changed"));
        assert!(!store.change_keys(0, &first).await.expect("late"));

        let two_active = [KeyChange::Activate { kid: "n".to_owned(), since: 2 }];
        assert!(store.change_keys(1, &two_active).await.is_err(), "two keys sign at once");
        assert_eq!(store.keys().await.expect("keys").0, 1);

        let rotation = [
            KeyChange::Retire { kid: "a".to_owned(), since: 3, gone_after: 9 },
            KeyChange::Activate { kid: "n".to_owned(), since: 3 },
            KeyChange::Add(key("m", KeyState::Next)),
        ];
        assert!(store.change_keys(1, &rotation).await.expect("changed"));
        let (version, keys) = store.keys().await.expect("keys");
        assert_eq!((version, keys.len()), (2, 3));
        let retired = StoredKey { state: KeyState::Retiring, since: 3, gone_after: 9, ..active };
        assert!(keys.contains(&retired));
        let gone = [KeyChange::Remove { kid: "a".to_owned() }];
        assert!(store.change_keys(2, &gone).await.expect("changed"));
        assert_eq!(store.keys().await.expect("keys").1.len(), 2);
    })
    .await;
}

/// KM-122: each use is let through once, whoever asks, and nothing is forgotten early.
#[tokio::test]
async fn what_may_be_used_once_is_used_once_within_its_owners_room() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let ask = async |owner: &str, name: &str, until, now| {
            let used = Used { owner, name, until, now, most: 2 };
            store.use_once(&used).await.expect("an answer")
        };
        assert_eq!(ask("ann", "a", 100, 50).await, Use::First);
        assert_eq!(ask("ann", "a", 100, 50).await, Use::Again);
        assert_eq!(ask("ann", "a", 900, 100).await, Use::Again, "in its last second");
        assert_eq!(ask("ben", "a", 100, 50).await, Use::First, "rooms are apart");
        assert_eq!(ask("ann", "b", 200, 50).await, Use::First);
        assert_eq!(ask("ann", "c", 200, 50).await, Use::Full);
        assert_eq!(ask("ann", "b", 200, 50).await, Use::Again, "a full room forgets nothing");
        assert_eq!(ask("ann", "c", 200, 101).await, Use::First, "what is too old takes no room");
        assert_eq!(ask("ann", "a", 300, 201).await, Use::First, "nor does it stand in the way");
        assert_eq!(store.forget_used(100).await.expect("forgotten"), 0, "ben's can still come");
        assert_eq!(store.forget_used(101).await.expect("forgotten"), 1);
        assert_eq!(store.forget_used(201).await.expect("forgotten"), 2);
        assert_eq!(ask("ann", "a", 300, 201).await, Use::Again);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_use_the_same_at_once_one_is_first() {
    each(async |scratch| {
        let (one, two) = (store(&scratch).await, store(&scratch).await);
        let used = Used { owner: "ann", name: "a", until: 100, now: 50, most: 100 };
        let asked = (0..20).map(|n| if n % 2 == 0 { &one } else { &two }).map(|store| async move {
            let answered = store.use_once(&used).await;
            // A store may say that it was too busy; nobody is told `First` then.
            matches!(answered, Ok(Use::First))
        });
        let firsts = futures_util::future::join_all(asked).await;
        assert_eq!(firsts.into_iter().filter(|first| *first).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_claimed_once_stays() {
    each(async |scratch| {
        let store = store(&scratch).await;
        assert_eq!(store.claim_master("").await.expect("asked"), "");
        assert_eq!(store.claim_master("one").await.expect("claimed"), "one");
        assert_eq!(store.claim_master("two").await.expect("asked"), "one");
        assert_eq!(store.allow_life(100).await.expect("noted"), 100);
        assert_eq!(store.allow_life(50).await.expect("noted"), 100);
        assert_eq!(store.ledger().await.expect("a ledger").longest_seconds, 100);
        store.begin_epoch("", "e1").await.expect("begun");
        store.begin_epoch("", "e2").await.expect("too late");
        assert_eq!(store.ledger().await.expect("a ledger").epoch, "e1");
        store.begin_epoch("e1", "e3").await.expect("begun");
        assert_eq!(store.ledger().await.expect("a ledger").epoch, "e3");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_migrate_once() {
    each(async |scratch| {
        let opened = futures_util::future::join_all((0..4).map(|_| open(&scratch.url))).await;
        for store in opened {
            let store = store.expect("a store");
            assert_eq!(store.ledger().await.expect("a ledger").head, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_newer_or_was_edited_is_refused() {
    each(async |scratch| {
        store(&scratch).await.close().await;
        let alter = async |statement: &'static str| {
            use sqlx::Connection as _;
            let text = scratch.text.replace(' ', "%20");
            let mut connection = sqlx::AnyConnection::connect(&text).await.expect("connected");
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("altered");
            connection.close().await.expect("closed");
        };
        alter("UPDATE schema_version SET digest = 'other' WHERE version = 1").await;
        assert!(matches!(open(&scratch.url).await, Err(StoreError::Edited { version: 1 })));
        alter("UPDATE schema_version SET version = 999 WHERE version = 1").await;
        let refused = open(&scratch.url).await;
        assert!(matches!(refused, Err(StoreError::Newer { found: 999, .. })), "{refused:?}");
    })
    .await;
}
