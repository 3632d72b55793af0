//! Does each store keep the contract?

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::Clock;
use key_manager::domain::{
    About, AuthMethod, Authentication, CertificateName, Client, ClientId, Ended, Entry, KeyState,
    LiveToken, LoginMethod, Profile, RedirectUri, RefreshPolicy, Requests, Roles, Scopes, Second,
    Terms, TokenAlgorithm, User, UserName, Wishes,
};
use key_manager::store::{
    DatabaseUrl, Failures, Grant, KeyChange, KeyHome, Rotation, SqlStore, Store, StoreError,
    StoredClient, StoredCode, StoredFamily, StoredKey, StoredSecret, StoredSession, StoredUser,
    Use, Used,
};

use sqlx::Connection as _;

use crate::databases::{Scratch, each};
use crate::stand::config;

async fn open(url: &DatabaseUrl) -> Result<SqlStore, StoreError> {
    SqlStore::open(url, &config().store, &Clock::system()).await
}

async fn store(scratch: &Scratch) -> SqlStore {
    open(&scratch.url).await.expect("a store")
}

fn redirect(text: &str) -> RedirectUri {
    RedirectUri::parse(text).expect("an address")
}

fn client(id: &str) -> StoredClient {
    let client = Client {
        id: ClientId::parse(id).expect("an id"),
        name: "Größe 'n' \"all\"".to_owned(),
        grant_types: vec!["client_credentials".to_owned()],
        scopes: Scopes::parse("a b").expect("scopes"),
        access_token_seconds: Some(60),
        algorithm: Some(TokenAlgorithm::Rs256),
        redirect_uris: vec![redirect("https://a.example/cb"), redirect("com.example:/cb?x=1")],
        first_party: true,
        requests: Requests { without_pkce: true, pushed: true, signed: true },
        logout_uris: vec![redirect("https://a.example/bye")],
        logout_notice: Some("https://a.example/notice".to_owned()),
        refresh: RefreshPolicy::Rotate,
        ended_until: 0,
        created_at: 7,
        authentication: Authentication {
            method: AuthMethod::PrivateKeyJwt,
            algorithm: Some(jose::Algorithm::PS256),
            jwks: "{\"keys\":[]}".to_owned(),
            jwks_uri: Some("https://a.example/keys".to_owned()),
            certificate_name: CertificateName::parse("dns:app.example"),
            dpop_bound: true,
            certificate_bound: true,
        },
        about: About::parse(r#"{"client_uri":"https://a.example"}"#).expect("a description"),
        terms: Terms::parse(r#"{"opaque_tokens":true}"#).expect("terms"),
    };
    let secret = |id: &str, expires_at| StoredSecret {
        id: id.to_owned(),
        label: "old".to_owned(),
        digest: format!("digest of {id}"),
        created_at: 8,
        expires_at,
        sealed: format!("sealed {id}"),
    };
    let registration = Some("digest of a token".to_owned());
    StoredClient { client, secrets: vec![secret("s1", None), secret("s2", Some(99))], registration }
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
            registration: None,
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
                family: Some("f1".to_owned()).filter(|_| jti == "of f1"),
                ..LiveToken::default()
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

        assert!(!ended("https://issuer", "of f1", "x", "x", 60).await);
        let family = entry(Ended::Family("f1".to_owned()), 1_000);
        assert_eq!(store.revoke(&family).await.expect("written"), Some(4));
        assert_eq!(store.revoke(&family).await.expect("known"), None);
        assert!(ended("https://issuer", "of f1", "x", "x", 60).await);
        assert!(!ended("https://issuer", "f1", "x", "x", 60).await, "kinds were mixed up");
        assert_eq!(store.revocations(3, 4, 10).await.expect("lines")[0].entry, family);

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
            home: KeyHome::Hsm,
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
        let ended = [KeyChange::Revoke { kid: "n".to_owned(), since: 4, gone_after: 10 }];
        assert!(store.change_keys(2, &ended).await.expect("changed"));
        let keys = store.keys().await.expect("keys").1;
        let revoked = keys.iter().find(|key| key.kid == "n").expect("the key");
        assert_eq!((revoked.state, revoked.sealed.as_str()), (KeyState::Revoked, ""));
        assert_eq!((revoked.since, revoked.gone_after), (4, 10));
        let gone = [KeyChange::Remove { kid: "a".to_owned() }];
        assert!(store.change_keys(3, &gone).await.expect("changed"));
        assert_eq!(store.keys().await.expect("keys").1.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_goes_however_much_it_is() {
    each(async |scratch| {
        let store = store(&scratch).await;
        let mut by_hand = sqlx::AnyConnection::connect(&scratch.text).await.expect("connected");
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO used_once SELECT 'ann', CAST(i AS TEXT), 100 + i % 2 FROM n";
        sqlx::query(many).execute(&mut by_hand).await.expect("added");
        assert_eq!(store.sweep(101).await.expect("forgotten"), 1_250, "the others can still come");
        assert_eq!(store.sweep(102).await.expect("forgotten"), 1_250);
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
        assert_eq!(store.sweep(100).await.expect("forgotten"), 0, "ben's can still come");
        assert_eq!(store.sweep(101).await.expect("forgotten"), 1);
        assert_eq!(store.sweep(201).await.expect("forgotten"), 2);
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

fn user(id: &str) -> StoredUser {
    StoredUser {
        user: User {
            id: id.to_owned(),
            name: UserName::parse(&format!("größe {id}").replace(' ', "-")).expect("a name"),
            disabled: false,
            ended_until: 0,
            profile: Profile::parse(r#"{"name":"Größe"}"#).expect("a profile"),
            profile_at: 8,
            directory_roles: Roles::collect(["reader"]).expect("roles"),
            created_at: 9,
        },
        password: "$argon2id$v=19$...".to_owned(),
    }
}

fn grant(family: &str) -> Grant {
    Grant {
        family_id: family.to_owned(),
        client_id: ClientId::parse("ann").expect("an id"),
        user_id: "u1".to_owned(),
        session_id: "s1".to_owned(),
        scopes: Scopes::parse("openid a").expect("scopes"),
        audience: vec!["turnpike".to_owned(), "a \"b\"".to_owned()],
        logged_in_at: 5,
        method: LoginMethod::PASSWORD.and(Second::App),
        wishes: Wishes::parse(r#"{"userinfo":["email"]}"#).expect("wishes"),
    }
}

fn family(id: &str) -> StoredFamily {
    StoredFamily {
        grant: grant(id),
        key: Some("thumbprint".to_owned()),
        generation: 1,
        digest: format!("{id} 1"),
        former_digest: None,
        former_until: 0,
        successor: None,
        idle_until: 500,
        ends_at: 1_000,
        revoked: false,
    }
}

fn code() -> StoredCode {
    StoredCode {
        grant: grant("f1"),
        redirect_uri: "https://a.example/cb?b=c".to_owned(),
        challenge: Some("challenge".to_owned()),
        key: Some("thumbprint".to_owned()),
        nonce: Some("n".to_owned()),
        expires_at: 60,
        used_at: None,
    }
}

fn rotation(id: &str, from: i64) -> Rotation {
    Rotation {
        generation: from,
        from_digest: format!("{id} {from}"),
        to_digest: format!("{id} {}", from + 1),
        successor: "sealed".to_owned(),
        former_until: 20,
        idle_until: 600,
    }
}

/// A store with a client `ann` and a person `u1`.
async fn peopled(scratch: &Scratch) -> SqlStore {
    let store = store(scratch).await;
    store.add_client(&client("ann")).await.expect("added");
    assert!(store.add_user(&user("u1")).await.expect("added"));
    store
}

#[tokio::test]
async fn people_are_known_by_identifier_and_by_name() {
    each(async |scratch| {
        let store = peopled(&scratch).await;
        let written = user("u1");
        assert_eq!(store.user("u1").await.expect("read"), Some(written.clone()));
        let named = store.user_named(&written.user.name).await.expect("read");
        assert_eq!(named, Some(written.clone()));
        let twin = StoredUser { user: User { id: "u2".to_owned(), ..written.user }, ..written };
        assert!(!store.add_user(&twin).await.expect("an answer"), "a name was given twice");
        let known = Profile::parse(r#"{"nickname":"a"}"#).expect("a profile");
        assert!(store.set_profile("u1", &known, 70, None).await.expect("changed"));
        assert!(!store.set_profile("u2", &known, 70, None).await.expect("nobody"));
        let read = store.user("u1").await.expect("an answer").expect("a person").user;
        assert_eq!((read.profile, read.profile_at, read.ended_until), (known, 70, 0));
        let none = Roles::default();
        let lost = entry(Ended::Subject("u1".to_owned(), 2), 1_000);
        assert!(store.set_directory_roles("u1", &none, Some(&lost)).await.expect("changed"));
        assert!(!store.set_directory_roles("u2", &none, Some(&lost)).await.expect("nobody"));
        let read = store.user("u1").await.expect("an answer").expect("a person").user;
        assert_eq!((read.directory_roles, read.ended_until), (none, 2));
        let mine = entry(Ended::Subject("u1".to_owned(), 3), 1_000);
        assert!(store.change_password("u1", "new", &mine, "").await.expect("changed"));
        let other = entry(Ended::Subject("u2".to_owned(), 3), 1_000);
        assert!(!store.change_password("u2", "new", &other, "").await.expect("nobody"));
        assert!(store.disable_user("u1", Some(&mine)).await.expect("changed"));
        let changed = store.user("u1").await.expect("read").expect("a person");
        assert_eq!((changed.password.as_str(), changed.user.disabled), ("new", true));
        let end = entry(Ended::Subject("u1".to_owned(), 5), 1_000);
        assert_eq!(store.remove_user("u1", &end).await.expect("removed"), Some(4));
        assert_eq!(store.remove_user("u1", &end).await.expect("nobody"), None);
        assert_eq!(store.user("u1").await.expect("read"), None);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_with_the_login_behind_it() {
    each(async |scratch| {
        let store = peopled(&scratch).await;
        let session = |digest: &str, id: &str| StoredSession {
            id: id.to_owned(),
            digest: digest.to_owned(),
            user_id: "u1".to_owned(),
            method: LoginMethod::PASSWORD.and(Second::Recovery),
            address: "192.0.2.1".to_owned(),
            agent: "a browser".to_owned(),
            logged_in_at: 1,
            idle_until: 50,
            ends_at: 100,
        };
        let (one, two) = (session("d1", "s1"), session("d2", "s2"));
        store.add_session(&one, "").await.expect("added");
        assert_eq!(store.session("d1").await.expect("read"), Some(one));
        store.add_session(&two, "d1").await.expect("rotated");
        assert_eq!(store.session("d1").await.expect("read"), None);
        store.keep_session("s2", 70).await.expect("kept");
        store.sweep(69).await.expect("swept");
        assert_eq!(store.session("d2").await.expect("read").expect("alive").idle_until, 70);
        store.sweep(70).await.expect("swept");
        assert_eq!(store.session("d2").await.expect("read"), None);
        store.add_session(&two, "").await.expect("added");
        let end = entry(Ended::Subject("u1".to_owned(), 3), 1_000);
        assert!(store.change_password("u1", "new", &end, "s2").await.expect("changed"));
        assert!(store.session("d2").await.expect("read").is_some(), "the one that is kept");
        assert!(store.change_password("u1", "new", &end, "s1").await.expect("changed"));
        assert_eq!(store.session("d2").await.expect("read"), None);
    })
    .await;
}

#[tokio::test]
async fn consent_grows_and_is_each_clients_own() {
    each(async |scratch| {
        let store = peopled(&scratch).await;
        let (ann, ben) = (client("ann").client.id, client("ben").client.id);
        store.add_client(&client("ben")).await.expect("added");
        let scopes = |text: &str| Scopes::parse(text).expect("scopes");
        assert!(store.consent("u1", &ann).await.expect("read").is_empty());
        store.add_consent("u1", &ann, &scopes("b"), 1).await.expect("added");
        store.add_consent("u1", &ann, &scopes("a"), 2).await.expect("added");
        assert_eq!(store.consent("u1", &ann).await.expect("read"), scopes("a b"));
        assert!(store.consent("u1", &ben).await.expect("read").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attempts_that_come_at_once_are_all_counted() {
    const LIMITS: Failures =
        Failures { free: 5, wait_seconds: 60, longest_seconds: 900, forget_seconds: 1_000 };
    each(async |scratch| {
        let store = store(&scratch).await;
        let begun = (0..20).map(|_| store.begin_attempt("k", &LIMITS, 10));
        let begun = futures_util::future::join_all(begun).await;
        let allowed = begun.into_iter().filter(|begun| *begun.as_ref().expect("an answer")).count();
        assert_eq!(allowed, 5);
        let at = async |key: &str, now| store.begin_attempt(key, &LIMITS, now).await.expect("one");
        assert!(at("other", 10).await);
        assert!(!at("k", 69).await);
        let blocked =
            async |key: &str, now| store.blocked_until(key, now).await.expect("an answer");
        assert_eq!((blocked("k", 69).await, blocked("k", 70).await), (Some(70), None));
        assert_eq!((blocked("other", 10).await, blocked("nobody", 10).await), (None, None));
        assert!(at("k", 70).await, "the first wait is over");
        assert!(!at("k", 70 + 119).await);
        assert!(at("k", 70 + 120).await, "the wait has doubled");
        store.end_attempt("k", true).await.expect("a success");
        assert!(at("k", 191).await && at("k", 191).await);
        store.end_attempt("k", false).await.expect("a success");
        for _ in 0..4 {
            assert!(at("k", 192).await);
        }
        assert!(!at("k", 192).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_used_once_and_its_family_begins_with_it() {
    each(async |scratch| {
        let (one, two) = (peopled(&scratch).await, store(&scratch).await);
        one.add_code("d", &code()).await.expect("added");
        assert_eq!(one.code("d").await.expect("read"), Some(code()));
        assert_eq!(one.code("e").await.expect("read"), None);
        let begins = family("f1");
        let uses = (0..50).map(|n| {
            let store = if n % 2 == 0 { &one } else { &two };
            store.use_code("d", Some(&begins), 30)
        });
        let used = futures_util::future::join_all(uses).await;
        assert_eq!(used.iter().filter(|used| *used.as_ref().expect("an answer")).count(), 1);
        assert_eq!(one.code("d").await.expect("read").expect("a code").used_at, Some(30));
        assert_eq!(one.family("f1").await.expect("read"), Some(begins));
        one.add_family(&family("f2")).await.expect("added");
        assert_eq!(two.family("f2").await.expect("read"), Some(family("f2")));
        assert!(one.add_family(&family("f2")).await.is_err(), "it is there");
        one.sweep(60).await.expect("swept");
        assert!(one.code("d").await.expect("read").is_some(), "a second use would not be seen");
        one.sweep(60 + 86_401).await.expect("swept");
        assert!(one.code("d").await.expect("read").is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_generation_is_followed_by_exactly_one() {
    each(async |scratch| {
        let (one, two) = (peopled(&scratch).await, store(&scratch).await);
        one.add_code("d", &code()).await.expect("added");
        one.use_code("d", Some(&family("f1")), 1).await.expect("used");
        let step = rotation("f1", 1);
        let steps = (0..40).map(|n| {
            let store = if n % 2 == 0 { &one } else { &two };
            store.rotate_family("f1", &step)
        });
        let moved = futures_util::future::join_all(steps).await;
        assert_eq!(moved.iter().filter(|moved| *moved.as_ref().expect("an answer")).count(), 1);
        let found = one.family("f1").await.expect("read").expect("a family");
        assert_eq!((found.generation, found.digest.as_str()), (2, "f1 2"));
        assert_eq!(found.former_digest.as_deref(), Some("f1 1"));
        assert_eq!((found.former_until, found.idle_until), (20, 600));
        assert_eq!(found.successor.as_deref(), Some("sealed"));
        one.sweep(20).await.expect("swept");
        let found = one.family("f1").await.expect("read").expect("a family");
        assert_eq!(found.successor, None, "an answer was kept beyond the grace");
        assert!(one.keep_family("f1", 700).await.expect("kept"));
        let again = (0..10).map(|n| {
            let store = if n % 2 == 0 { &one } else { &two };
            store.replay_family("f1", "f1 1", 3)
        });
        let again = futures_util::future::join_all(again).await;
        assert_eq!(again.iter().filter(|again| *again.as_ref().expect("an answer")).count(), 3);
        assert!(!one.replay_family("f1", "f1 0", 100).await.expect("an answer"));

        let end = entry(Ended::Family("f1".to_owned()), 1_000);
        assert_eq!(two.revoke(&end).await.expect("ended"), Some(1));
        assert!(one.family("f1").await.expect("read").expect("a family").revoked);
        assert!(!one.rotate_family("f1", &rotation("f1", 2)).await.expect("an answer"));
        assert!(!one.keep_family("f1", 800).await.expect("an answer"));
        one.sweep(1_000).await.expect("swept");
        assert_eq!(one.family("f1").await.expect("read"), None);
    })
    .await;
}

#[tokio::test]
async fn families_end_with_their_client_and_their_person() {
    each(async |scratch| {
        let store = peopled(&scratch).await;
        for (digest, id, what) in [
            ("d1", "f1", Ended::Client(client("ann").client.id, 50)),
            ("d2", "f2", Ended::Subject("u1".to_owned(), 50)),
        ] {
            let code = StoredCode { grant: grant(id), ..code() };
            store.add_code(digest, &code).await.expect("added");
            store.use_code(digest, Some(&family(id)), 1).await.expect("used");
            assert!(!store.family(id).await.expect("read").expect("one").revoked);
            store.revoke(&entry(what, 1_000)).await.expect("ended");
            assert!(store.family(id).await.expect("read").expect("one").revoked, "{id}");
        }
        assert_eq!(store.user("u1").await.expect("read").expect("one").user.ended_until, 50);
    })
    .await;
}
