//! Who gets a certificate, who is believed, and what a reload changes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::authority::Development;
use super::{ClientAuth, Config, Error, Identity, Peer, development, host_name};
use crate::clock::Clock;

fn identity(directory: &Path, name: &str) -> Identity {
    development(directory, &[name]).expect("development");
    Identity::named(directory, name).expect("identity")
}

/// The client of `client` calls the server of `server` and expects the service `expected` there;
/// says what each of them saw.
async fn handshake(server: &Identity, client: &Identity, expected: &str) -> Result<(), String> {
    let config = client.client_config_for(expected, &["h2"]).expect("client");
    connect(server, ClientAuth::Required, TlsConnector::from(config)).await
}

async fn connect(server: &Identity, auth: ClientAuth, client: TlsConnector) -> Result<(), String> {
    let acceptor = TlsAcceptor::from(server.server_config(auth, &["h2"]).expect("server"));
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from("localhost").expect("name");
    let serve = async {
        let mut stream = acceptor.accept(far).await.map_err(|error| format!("server: {error}"))?;
        stream.write_all(b"!").await.map_err(|error| format!("server: {error}"))?;
        stream.shutdown().await.map_err(|error| format!("server: {error}"))
    };
    let call = async {
        let mut stream =
            client.connect(name, near).await.map_err(|error| format!("client: {error}"))?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|error| format!("client: {error}"))?;
        if answer == b"!" { Ok(()) } else { Err("client: no answer".to_owned()) }
    };
    let (served, called) = tokio::join!(serve, call);
    served.and(called)
}

fn now() -> i64 {
    Clock::system().unix_seconds()
}

fn check(outcome: &Result<(), String>, part: &str) {
    match outcome {
        Ok(()) => assert_eq!("accepted", part),
        Err(error) => assert!(error.contains(part), "`{error}` says nothing of `{part}`"),
    }
}

#[test]
fn services_that_start_in_the_same_moment_end_up_with_one_authority() {
    let folder = tempfile::tempdir().expect("folder");
    let names = ["gateway", "key-manager", "control-plane", "analytics-collector"];
    std::thread::scope(|scope| {
        for name in names {
            scope.spawn(|| development(folder.path(), &[name, "admin"]).expect("development"));
        }
    });
    let ca = fs::read(folder.path().join("ca.pem")).expect("ca");
    for name in names {
        development(folder.path(), &[name]).expect("development");
        let own = Identity::named(folder.path(), name).expect("identity");
        let expected = Peer { name: name.to_owned(), instance: host_name() };
        assert_eq!(own.peer(), Some(expected));
    }
    assert_eq!(fs::read(folder.path().join("ca.pem")).expect("ca"), ca);
}

#[test]
fn keys_are_readable_by_their_owner_only() {
    let folder = tempfile::tempdir().expect("folder");
    development(folder.path(), &["admin"]).expect("development");
    for file in ["ca.key", "admin.key"] {
        let mode = fs::metadata(folder.path().join(file)).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_certificate_is_kept_until_seven_days_before_it_expires() {
    let folder = tempfile::tempdir().expect("folder");
    let read = |file: &str| fs::read(folder.path().join(file)).expect("file");
    let at = |days: u64| {
        let now = Clock::system().now() + Duration::from_hours(24 * days);
        let own = Development::new(folder.path(), "gateway", &host_name()).expect("name");
        own.at(Clock::fixed(now)).ensure().expect("ensured");
        (read("gateway.pem"), read("gateway.key"), read("ca.pem"))
    };
    let first = at(0);
    assert_eq!(at(82), first, "renewed too early");
    let renewed = at(84);
    assert_ne!(renewed.0, first.0, "not renewed");
    assert_eq!((renewed.1, renewed.2), (first.1, first.2), "key and authority stay");
}

#[tokio::test]
async fn a_renewed_authority_still_vouches_for_what_it_signed_before() {
    let folder = tempfile::tempdir().expect("folder");
    let ago = Clock::system().now() - Duration::from_hours(24 * 3645);
    let old = Development::new(folder.path(), "old", &host_name()).expect("name");
    old.at(Clock::fixed(ago)).ensure().expect("old authority");
    let before = fs::read(folder.path().join("ca.pem")).expect("ca");
    // Good for five days more: long enough for today's handshake, too short to be kept.
    let gateway = identity(folder.path(), "gateway");
    assert_ne!(fs::read(folder.path().join("ca.pem")).expect("ca"), before);
    fs::write(folder.path().join("ca-old.pem"), before).expect("write");
    let file = |name: &str| folder.path().join(name);
    let behind = Identity::load(&file("ca-old.pem"), &file("gateway.pem"), &file("gateway.key"));
    check(&handshake(&gateway, &behind.expect("identity"), "gateway").await, "accepted");
}

#[tokio::test]
async fn services_of_one_authority_accept_each_other() {
    let folder = tempfile::tempdir().expect("folder");
    let server = identity(folder.path(), "key-manager");
    let client = identity(folder.path(), "gateway");
    check(&handshake(&server, &client, "key-manager").await, "accepted");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let server = identity(folder.path(), "key-manager");
    let mut roots = rustls::RootCertStore::empty();
    let ca = super::files::read(&folder.path().join("ca.pem")).expect("ca");
    for certificate in super::files::certificates(folder.path(), &ca).expect("pem") {
        roots.add(certificate).expect("anchor");
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let outcome = connect(&server, ClientAuth::Required, connector.clone()).await;
    check(&outcome, "peer sent no certificates");
    check(&connect(&server, ClientAuth::Optional, connector.clone()).await, "accepted");
    check(&connect(&server, ClientAuth::None, connector).await, "accepted");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_on_both_sides() {
    let (ours, theirs) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let server = identity(ours.path(), "key-manager");
    let stranger = identity(theirs.path(), "gateway");
    check(&handshake(&server, &stranger, "key-manager").await, "UnknownCA");
    // The stranger's certificate, brought by a client that trusts our authority.
    let file = |name: &str| theirs.path().join(name);
    let (certificate, key) = (file("gateway.pem"), file("gateway.key"));
    let forged = Identity::load(&ours.path().join("ca.pem"), &certificate, &key).expect("identity");
    check(&handshake(&server, &forged, "key-manager").await, "UnknownIssuer");
    check(&handshake(&forged, &server, "gateway").await, "UnknownCA");
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let server = identity(folder.path(), "analytics-collector");
    let client = identity(folder.path(), "gateway");
    check(&handshake(&server, &client, "key-manager").await, "server");
    check(&handshake(&server, &client, "analytics").await, "server");
    let by_address = client.client_config(&["h2"]).expect("client");
    let outcome = connect(&server, ClientAuth::Required, TlsConnector::from(by_address)).await;
    check(&outcome, "accepted");
}

#[tokio::test]
async fn a_reload_changes_certificate_and_anchors_of_configurations_made_before() {
    let (home, new) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let server = identity(home.path(), "key-manager");
    let old_client = identity(home.path(), "gateway");
    let new_client = identity(new.path(), "gateway");
    development(new.path(), &["key-manager"]).expect("development");
    let acceptor = server.server_config(ClientAuth::Required, &["h2"]).expect("server");
    check(&handshake(&server, &new_client, "key-manager").await, "UnknownCA");
    assert!(!server.reload(now()).expect("reload"), "nothing has changed");

    for file in ["ca.pem", "key-manager.pem", "key-manager.key"] {
        fs::copy(new.path().join(file), home.path().join(file)).expect("copy");
    }
    assert!(server.reload(now()).expect("reload"));
    assert_eq!(server.reloads(), 1);
    check(&handshake(&server, &new_client, "key-manager").await, "accepted");
    check(&handshake(&server, &old_client, "key-manager").await, "UnknownCA");
    drop(acceptor);
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_last_good_ones_in_force() {
    let folder = tempfile::tempdir().expect("folder");
    let server = identity(folder.path(), "key-manager");
    let client = identity(folder.path(), "gateway");
    let path = |file: &str| folder.path().join(file);
    let (pem, key) = (path("key-manager.pem"), path("key-manager.key"));
    let good = (fs::read(&pem).expect("pem"), fs::read(&key).expect("key"));
    for (file, content) in
        [(&pem, b"garbage".to_vec()), (&key, fs::read(path("gateway.key")).expect("key"))]
    {
        fs::write(file, content).expect("write");
        assert!(server.reload(now()).is_err());
        check(&handshake(&server, &client, "key-manager").await, "accepted");
        fs::write(&pem, &good.0).expect("write");
        fs::write(&key, &good.1).expect("write");
    }
    let mut expired = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("params");
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let its_key = rcgen::KeyPair::generate().expect("key");
    let expired = expired.self_signed(&its_key).expect("certificate");
    fs::write(&pem, expired.pem()).expect("write");
    fs::write(&key, its_key.serialize_pem()).expect("write");
    assert!(matches!(server.reload(now()), Err(Error::NotValidNow { .. })));
    check(&handshake(&server, &client, "key-manager").await, "accepted");
    let in_2019 = 1_560_000_000;
    assert!(server.reload(in_2019).expect("reload"), "it was good then");
    fs::remove_file(&pem).expect("remove");
    assert!(matches!(server.reload(now()), Err(Error::File { .. })));
}

#[test]
fn an_authority_without_its_key_signs_nothing_and_says_so() {
    let folder = tempfile::tempdir().expect("folder");
    development(folder.path(), &["gateway"]).expect("development");
    fs::remove_file(folder.path().join("ca.key")).expect("remove");
    development(folder.path(), &["gateway"]).expect("what is there is good");
    let error = development(folder.path(), &["admin"]).expect_err("refused");
    assert!(error.to_string().starts_with("`admin.pem` must be made and "), "{error}");
    // Another authority's key would sign what nobody believes.
    let other = tempfile::tempdir().expect("folder");
    development(other.path(), &[]).expect("nothing");
    development(other.path(), &["x"]).expect("development");
    fs::copy(other.path().join("ca.key"), folder.path().join("ca.key")).expect("copy");
    assert!(matches!(development(folder.path(), &["admin"]), Err(Error::Unusable { .. })));
}

#[test]
fn names_that_could_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    for name in ["", "../x", "a/b", ".hidden", "a b", &"a".repeat(129)] {
        assert!(matches!(development(folder.path(), &[name]), Err(Error::Name(_))), "{name}");
    }
}

#[test]
fn an_instance_with_a_name_of_its_own_has_files_of_its_own() {
    let folder = tempfile::tempdir().expect("folder");
    let config = Config {
        directory: folder.path().to_owned(),
        development: true,
        ca: String::new(),
        certificate: String::new(),
        key: String::new(),
    };
    let own = Identity::open(&config, "gateway", "east-1").expect("identity");
    assert_eq!(own.peer().map(|peer| peer.to_string()).as_deref(), Some("gateway/east-1"));
    assert!(folder.path().join("gateway.east-1.pem").exists());
    let half = Config { certificate: "x".to_owned(), ..config.clone() };
    assert!(matches!(Identity::open(&half, "gateway", "x"), Err(Error::Half)));
    let absent = Config { development: false, ..config };
    assert!(matches!(Identity::open(&absent, "gateway", "x"), Err(Error::File { .. })));
}

#[test]
fn a_certificate_that_does_not_hold_yet_is_made_anew() {
    let folder = tempfile::tempdir().expect("folder");
    let gateway = || Development::new(folder.path(), "gateway", &host_name()).expect("name");
    gateway().at(Clock::fixed(UNIX_EPOCH + Duration::from_hours(24))).ensure().expect("1970");
    gateway().ensure().expect("today");
    assert!(Identity::named(folder.path(), "gateway").is_ok());
}
