//! The suite on etcd, and what only it can show.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::config::Secret;
use control_plane::store::{Etcd, EtcdConfig, Store, StoreError, Transaction};

use crate::proxy::Proxy;
use crate::server::{Server, is_installed};
use crate::suite::{Fixture, beside, check, commit, contents, put};

struct Cluster {
    server: Server,
    proxy: Proxy,
    store: Arc<Etcd>,
    /// Whether a restore keeps the cluster's token.
    as_before: bool,
}

fn config(endpoint: &str) -> EtcdConfig {
    EtcdConfig {
        endpoints: vec![endpoint.to_owned()],
        user: String::new(),
        password: Secret::default(),
        ca: String::new(),
        certificate: String::new(),
        key: String::new(),
        prefix: "/turnpike".to_owned(),
    }
}

impl Cluster {
    fn new() -> Self {
        let server = Server::start();
        let proxy = Proxy::start(server.address());
        let store = Self::open(&server, &proxy);
        Self { server, proxy, store, as_before: false }
    }

    fn open(server: &Server, proxy: &Proxy) -> Arc<Etcd> {
        let config = config(&format!("http://{}", proxy.address()));
        Arc::new(Etcd::new(&config, &Self::witness(server)).unwrap())
    }

    fn witness(server: &Server) -> PathBuf {
        server.folder.path().join("etcd.instance")
    }
}

#[async_trait::async_trait]
impl Fixture for Cluster {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn restart(&mut self) {
        self.server.restart();
        self.store = Self::open(&self.server, &self.proxy);
    }

    async fn cut(&mut self) {
        self.proxy.cut();
    }

    async fn backup(&mut self) {
        self.server.snapshot();
    }

    async fn restore(&mut self) {
        self.server.restore(self.as_before);
        self.store = Self::open(&self.server, &self.proxy);
    }
}

fn cluster() -> Option<fn() -> Cluster> {
    is_installed().then_some(Cluster::new)
}

crate::suite!(cluster());

#[track_caller]
fn check_on_etcd(story: impl AsyncFnOnce(Cluster)) {
    if let Some(cluster) = cluster() {
        check(cluster, story);
    }
}

#[test]
fn a_snapshot_restored_under_the_old_token_has_a_new_epoch_too() {
    check_on_etcd(async |mut it| {
        it.as_before = true;
        crate::suite::a_restored_store_has_a_new_epoch(it).await;
    });
}

#[test]
fn a_write_beside_whose_answer_is_lost_is_made_once() {
    check_on_etcd(async |it| {
        let others = Cluster::open(&it.server, &Proxy::start(it.server.address()));
        for (key, overtaken) in [("a/1", false), ("a/2", true)] {
            let store = it.store();
            store.get(key).await.unwrap();
            it.proxy.mute(true);
            let first = beside(key, None, "x");
            let meanwhile = async {
                while others.get(key).await.unwrap().is_none() {
                    tokio::task::yield_now().await;
                }
                if overtaken {
                    others.write_beside(&beside(key, Some("x"), "y")).await.unwrap();
                }
                it.proxy.mute(false);
            };
            let (told, ()) = tokio::join!(store.write_beside(&first), meanwhile);
            match told {
                Ok(()) => assert!(!overtaken),
                Err(StoreError::Conflict { what, .. }) => assert!(overtaken && what == key),
                Err(other) => panic!("{other:?}"),
            }
        }
        // Who meets the same value at once did not write it.
        let met = it.store().write_beside(&beside("a/1", None, "x")).await;
        assert!(matches!(met, Err(StoreError::Conflict { .. })), "{met:?}");
    });
}

#[test]
fn a_running_watch_is_told_that_the_store_was_restored() {
    for as_before in [true, false] {
        check_on_etcd(async |mut it| {
            let store = it.store();
            commit(&*store, vec![put("Tier/a", "1")]).await;
            it.server.snapshot();
            for n in 0..5 {
                commit(&*store, vec![put("Tier/a", &n.to_string())]).await;
            }
            let before = store.list("objects/").await.unwrap();
            let mut watch = store.watch(before.position).await.unwrap();
            it.server.restore(as_before);
            let told = loop {
                match watch.next().await {
                    Err(error) if error.is_retryable() => {}
                    told => break told,
                }
            };
            assert!(matches!(told, Err(StoreError::Restored)), "{told:?}");
            let after = store.list("objects/").await.unwrap();
            assert_ne!(after.epoch, before.epoch);
            assert_eq!(contents(&*store).await, "Tier/a=1");
        });
    }
}

#[test]
fn a_store_that_went_back_and_came_further_than_before_is_noticed_by_who_was_away() {
    check_on_etcd(async |mut it| {
        it.as_before = true;
        let store = it.store();
        let direct = config(&format!("http://{}", it.server.address()));
        let direct = Etcd::new(&direct, &it.server.folder.path().join("direct.instance")).unwrap();
        commit(&*store, vec![put("Tier/a", "1")]).await;
        it.server.snapshot();
        for n in 2..5 {
            commit(&direct, vec![put("Tier/a", &n.to_string())]).await;
        }
        let listing = store.list("objects/").await.unwrap();
        let mut watch = store.watch(listing.position).await.unwrap();
        commit(&direct, vec![put("Tier/a", "5")]).await;
        watch.next().await.unwrap();
        it.proxy.freeze(true);
        it.server.restore(true);
        for n in 0..20 {
            commit(&direct, vec![put("Tier/b", &n.to_string())]).await;
        }
        it.proxy.freeze(false);
        it.proxy.cut();
        let told = loop {
            match watch.next().await {
                Err(error) if error.is_retryable() => {}
                told => break told,
            }
        };
        assert!(matches!(told, Err(StoreError::Restored)), "{told:?}");
        assert_eq!(contents(&*store).await, "Tier/a=1 Tier/b=19");
    });
}

#[test]
fn while_etcd_is_away_a_call_ends_soon_and_a_commit_is_made_at_most_once() {
    check_on_etcd(async |mut it| {
        let store = it.store();
        let base = commit(&*store, vec![put("Tier/a", "1")]).await;
        it.server.kill();
        let transaction = Transaction {
            id: chassis::random::bytes(),
            base,
            guards: Vec::new(),
            expected: Vec::new(),
            changes: vec![put("Tier/a", "2")],
            note: control_plane::store::Note::default(),
        };
        let away = tokio::time::timeout(Duration::from_secs(10), store.commit(&transaction)).await;
        assert!(matches!(away, Ok(Err(StoreError::Unavailable(_)))), "{away:?}");
        it.server.restart();
        let made = store.commit(&transaction).await.unwrap();
        assert_eq!(store.commit(&transaction).await.unwrap(), made);
        assert_eq!(contents(&*store).await, "Tier/a=2");
    });
}

/// Incident: apisix#13067. A watch that has died without a word looks like a quiet one; whoever moves its
/// start on because time has passed loses what happened meanwhile.
#[test]
fn a_stream_that_is_dead_without_a_word_is_noticed() {
    check_on_etcd(async |it| {
        let store = it.store();
        let from = store.list("objects/").await.unwrap().position;
        let mut watch = store.watch(from).await.unwrap();
        commit(&*store, vec![put("Tier/a", "1")]).await;
        watch.next().await.unwrap();
        it.proxy.freeze(true);
        let direct = Etcd::new(
            &config(&format!("http://{}", it.server.address())),
            &it.server.folder.path().join("direct.instance"),
        )
        .unwrap();
        commit(&direct, vec![put("Tier/a", "2")]).await;
        let told = watch.next().await;
        assert!(told.as_ref().is_err_and(StoreError::is_retryable), "{told:?}");
        it.proxy.freeze(false);
        it.proxy.cut();
        let batch = loop {
            match watch.next().await {
                Ok(batch) => break batch,
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
        };
        assert_eq!(batch.events.len(), 1);
    });
}

#[test]
fn a_section_that_cannot_work_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut without_ca = config("https://127.0.0.1:2379");
    let mut none = config("");
    none.endpoints.clear();
    let mut no_file = config("https://127.0.0.1:2379");
    no_file.ca = "/nowhere/ca.pem".to_owned();
    let mut half = config("http://127.0.0.1:2379");
    half.certificate = "client.pem".to_owned();
    without_ca.ca.clear();
    for wrong in [without_ca, none, no_file, half] {
        let refused = Etcd::new(&wrong, &folder.path().join("beside")).unwrap_err();
        assert!(matches!(refused, StoreError::Misconfigured { .. }), "{refused:?}");
    }
}

#[test]
fn the_next_member_is_asked_when_one_is_dead() {
    check_on_etcd(async |it| {
        let mut config = config("http://127.0.0.1:1");
        config.endpoints.push(format!("http://{}", it.server.address()));
        config.endpoints.push("http://127.0.0.1:2".to_owned());
        let store = Etcd::new(&config, &it.server.folder.path().join("three.instance")).unwrap();
        commit(&store, vec![put("Tier/a", "1")]).await;
        assert_eq!(contents(&store).await, "Tier/a=1");
    });
}

#[test]
fn what_others_write_to_the_same_etcd_moves_no_revision_of_ours() {
    check_on_etcd(async |it| {
        let store = it.store();
        let base = commit(&*store, vec![put("Tier/a", "1")]).await;
        for n in 0..10 {
            it.server.ctl(&["put", "/somebody/else", &n.to_string()]);
        }
        let listing = store.list("objects/").await.unwrap();
        assert_eq!(listing.revision, base);
        // An idle prefix of a compacted cluster must not be listed again and again.
        store.compact(listing.position.0).await.unwrap();
        let mut watch = store.watch(listing.position).await.unwrap();
        commit(&*store, vec![put("Tier/a", "2")]).await;
        assert_eq!(watch.next().await.unwrap().events.len(), 1);
    });
}

#[test]
fn tls_with_a_client_certificate_user_and_password_work_and_a_wrong_password_is_refused() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pki = crate::authority::make(folder.path());
    let flags = [
        ("--cert-file", &pki.server_certificate),
        ("--key-file", &pki.server_key),
        ("--trusted-ca-file", &pki.ca),
    ];
    let mut flags: Vec<String> =
        flags.iter().flat_map(|(flag, file)| [(*flag).to_owned(), (*file).clone()]).collect();
    flags.push("--client-cert-auth".to_owned());
    let server = Server::start_with(folder, flags);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = [
            "--cacert",
            pki.ca.as_str(),
            "--cert",
            pki.client_certificate.as_str(),
            "--key",
            pki.client_key.as_str(),
        ];
        for command in [
            "user add root:top",
            "user add turnpike:secret",
            "user grant-role root root",
            "role add turnpike",
            "role grant-permission turnpike --prefix=true readwrite /turnpike/",
            "user grant-role turnpike turnpike",
            "auth enable",
        ] {
            let words: Vec<&str> = tls.into_iter().chain(command.split(' ')).collect();
            server.ctl(&words);
        }
        let mut config = config(&format!("https://{}", server.address()));
        config.user = "turnpike".to_owned();
        config.password = Secret::new("secret");
        (config.ca, config.certificate, config.key) =
            (pki.ca, pki.client_certificate, pki.client_key);
        let beside = server.folder.path().join("etcd.instance");
        let store = Etcd::new(&config, &beside).unwrap();
        let from = store.list("objects/").await.unwrap().position;
        let mut watch = store.watch(from).await.unwrap();
        commit(&store, vec![put("Tier/a", "1")]).await;
        assert_eq!(watch.next().await.unwrap().events.len(), 1);

        config.password = Secret::new("wrong");
        let refused = Etcd::new(&config, &beside).unwrap().list("objects/").await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
        config.password = Secret::new("secret");
        config.prefix = "/elsewhere".to_owned();
        let refused = Etcd::new(&config, &beside).unwrap().list("objects/").await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
    });
}
