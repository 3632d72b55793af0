//! Which configurations of a store make sense, and is it reached as they say?

use gateway::limits::store::{Config, Mode, Source};

use crate::ground::{Ground, config, run};
use crate::redis::{Redis, is_installed};

/// What is said about these addresses, apart by spaces; empty: they make sense.
#[track_caller]
fn check(mode: Mode, urls: &str, change: impl FnOnce(&mut Config), said: &str) {
    let mut config = config(mode, urls.split_whitespace().map(str::to_owned).collect());
    change(&mut config);
    let error = Source::open(&config).err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.contains(said) && error.is_empty() == said.is_empty(), "{urls}: {error:?}");
}

#[test]
fn what_cannot_be_reached_is_refused_at_the_start() {
    check(Mode::Single, "redis://127.0.0.1:6379", |_| {}, "");
    check(Mode::Single, "rediss://limits.example", |_| {}, "");
    check(Mode::Cluster, "redis://a:1 redis://b:2", |_| {}, "");
    check(Mode::Sentinel, "redis://a:1 redis://b:2", |_| {}, "");
    check(Mode::Single, "redis://a:1 redis://b:2", |_| {}, "one server has one address");
    check(Mode::Cluster, "redis://a:1 rediss://b:2", |_| {}, "all with rediss://");
    check(Mode::Sentinel, "redis://a:1", |config| config.master.clear(), "what the sentinels call");
    for url in ["127.0.0.1:6379", "http://a", "redis://", "redis://me:secret@a", "redis://a/1"] {
        check(Mode::Single, url, |_| {}, "is not like redis://HOST:PORT");
    }
    let missing = |config: &mut Config| config.password_file = "/nowhere/password".into();
    check(Mode::Single, "redis://a", missing, "/nowhere/password cannot be read");
}

#[test]
fn a_server_is_shown_the_password_from_its_file() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.acl");
    let rules =
        "user default on nopass ~* &* +@all\nuser turnpike on >secret ~test:limits:* +@all\n";
    std::fs::write(&users, rules).unwrap();
    let server = Redis::start_with(&["--aclfile", users.to_str().unwrap()]);
    for (password, let_in) in [("secret\n", true), ("guessed", false)] {
        let file = folder.path().join("password");
        std::fs::write(&file, password).unwrap();
        let mut config = config(Mode::Single, vec![server.url()]);
        (config.username, config.password_file) = ("turnpike".to_owned(), file);
        let ground = Ground::with(&config);
        let connected = run(async { ground.link.connection().await });
        assert_eq!(connected.is_ok(), let_in, "{password}: {connected:?}");
    }
}
