//! What a writer of configuration is told, and what counts.

use std::time::Duration;

use serde::Deserialize;

use super::layers::{Effective, Sources, parse};
use super::{Error, Secret};

const DEFAULT: &str = r#"
[rpc]
listen = "127.0.0.1:9454"
connections = 10
ratio = 0.5
tags = []
[rpc.tls]
resume = false
[key_manager]
password = ""
wait = "10s"
level = "low"
[labels]
[listeners]
each = []
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rpc: Rpc,
    key_manager: KeyManager,
    labels: std::collections::BTreeMap<String, String>,
    listeners: Listeners,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rpc {
    listen: std::net::SocketAddr,
    connections: u16,
    ratio: f64,
    tags: Vec<String>,
    tls: Tls,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    resume: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyManager {
    password: Secret,
    #[serde(with = "super::duration")]
    wait: Duration,
    level: Level,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Low,
    High,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listeners {
    each: Vec<Listener>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listener {
    port: u16,
    #[serde(default)]
    key: Secret,
}

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Effective, Error> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("own.toml");
    std::fs::write(&path, file).expect("file");
    let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Effective::load(&Sources {
        default: DEFAULT,
        file: Some(&path),
        arguments: Vec::new(),
        variables: variables.iter().map(named).collect(),
    })
}

/// The file and the variables are refused, with exactly these lines (the folder left out).
fn refuses(file: &str, variables: &[(&str, &str)], lines: &str) {
    let refused = load(file, variables).and_then(|effective| effective.read::<Config>());
    let error = refused.expect_err("refused").to_string();
    let said: Vec<&str> =
        error.lines().map(|line| line.rsplit_once("/own.toml").map_or(line, |(_, l)| l)).collect();
    assert_eq!(said.join("\n"), lines);
}

fn accepts(file: &str, variables: &[(&str, &str)]) -> Config {
    load(file, variables).and_then(|effective| effective.read()).expect("accepted")
}

#[test]
fn the_defaults_alone_are_a_configuration() {
    let config = accepts("", &[]);
    assert_eq!(config.rpc.listen.port(), 9454);
    assert_eq!(config.key_manager.wait, Duration::from_secs(10));
    assert!(config.labels.is_empty() && !config.rpc.tls.resume);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    refuses(
        "\n[rpc]\nlisten = \"127.0.0.1:1\"\nlissten = \"x\"\n",
        &[],
        ":4: `rpc.lissten`: unknown key; did you mean `listen`?",
    );
    refuses("[rcp]\nlisten = \"x\"", &[], ":1: `rcp`: unknown section; did you mean `rpc`?");
    refuses(
        "[rpc.tls]\nresum = true",
        &[],
        ":2: `rpc.tls.resum`: unknown key; did you mean `resume`?",
    );
    refuses(
        "zzzzzzzz = 1",
        &[],
        ":1: `zzzzzzzz`: unknown key; known are `key_manager`, `labels`, `listeners`, `rpc`",
    );
}

#[test]
fn every_unknown_key_is_told_at_once() {
    refuses(
        "[rpc]\na = 1\n[b]\n",
        &[],
        ":2: `rpc.a`: unknown key; known are `connections`, `listen`, `ratio`, `tags`, `tls`\n:3: `b`: unknown section; known are `key_manager`, `labels`, `listeners`, `rpc`",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_line() {
    refuses(
        "[rpc]\n\nconnections = \"many\"",
        &[],
        ":3: `rpc.connections`: invalid type: string \"many\", expected u16",
    );
    refuses(
        "[rpc]\nconnections = 70000",
        &[],
        ":2: `rpc.connections`: invalid value: integer `70000`, expected u16",
    );
    refuses("[rpc]\nlisten = \"here\"", &[], ":2: `rpc.listen`: invalid socket address syntax");
    refuses(
        "[key_manager]\nwait = 10",
        &[],
        ":2: `key_manager.wait`: invalid type: integer `10`, expected a string",
    );
    refuses(
        "[key_manager]\nlevel = \"hihg\"",
        &[],
        ":2: `key_manager.level`: `hihg` is not known; did you mean `high`?",
    );
    refuses("rpc = 1", &[], ":1: `rpc`: expected a table, found an integer");
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    refuses("[rpc]\nlisten = \"a\nb\"", &[], ":2: invalid basic string, expected `\"`");
    refuses("[rpc]\nconnections = 1\nconnections = 2", &[], ":3: duplicate key");
}

#[test]
fn an_entry_of_a_list_is_refused_with_its_own_line() {
    let file = "[listeners]\neach = [\n  { port = 1 },\n  { prot = 2 },\n]";
    refuses(file, &[], ":4: `listeners.each[1].prot`: unknown key; did you mean `port`?");
    refuses("[[listeners.each]]\n", &[], ":1: `listeners.each[0]`: the key `port` is missing");
}

#[test]
fn a_variable_counts_more_than_the_file_and_is_read_by_the_type_of_the_default() {
    let file = "[rpc]\nconnections = 20\nratio = 0.75";
    let config = accepts(
        file,
        &[
            ("TURNPIKE_RPC_CONNECTIONS", "30"),
            ("TURNPIKE_RPC_LISTEN", "[::1]:1"),
            ("TURNPIKE_RPC_TAGS", "a, b"),
            ("TURNPIKE_RPC_TLS_RESUME", "true"),
            ("TURNPIKE_KEY_MANAGER_LEVEL", "high"),
            ("TURNPIKE_LABELS_TEAM", "sales"),
            ("TURNPIKE_LISTENERS_EACH", "[{ port = 7 }]"),
        ],
    );
    assert_eq!((config.rpc.connections, config.rpc.listen.port()), (30, 1));
    assert!((config.rpc.ratio - 0.75).abs() < f64::EPSILON);
    assert_eq!(config.rpc.tags, ["a", "b"]);
    assert!(config.rpc.tls.resume);
    assert_eq!(config.key_manager.level, Level::High);
    assert_eq!(config.labels["team"], "sales");
    assert_eq!(config.listeners.each[0].port, 7);
    assert!(config.listeners.each[0].key.is_empty());
}

#[test]
fn a_variable_that_names_a_section_and_no_key_of_it_is_refused() {
    refuses(
        "",
        &[("TURNPIKE_RPC_LISTN", "x")],
        "TURNPIKE_RPC_LISTN: unknown variable; did you mean `TURNPIKE_RPC_LISTEN`?",
    );
    refuses(
        "",
        &[("TURNPIKE_KEY_MANAGER_NOTHING_LIKE_IT", "x")],
        "TURNPIKE_KEY_MANAGER_NOTHING_LIKE_IT: unknown variable",
    );
    refuses(
        "",
        &[("TURNPIKE_RPC_CONNECTIONS", "many")],
        "TURNPIKE_RPC_CONNECTIONS: `rpc.connections`: `many` is not an integer",
    );
    refuses(
        "",
        &[("TURNPIKE_KEY_MANAGER_WAIT", "soon")],
        "TURNPIKE_KEY_MANAGER_WAIT: `key_manager.wait`: `soon` is no span of time; write it like 250ms, 30s, 5m, 12h or 7d",
    );
}

#[test]
fn a_variable_of_a_section_that_the_service_does_not_have_is_left_alone() {
    accepts(
        "",
        &[("TURNPIKE_SUITES", "unit"), ("TURNPIKE_STORE_URL", "x"), ("TURNPIKE_RPCX_Y", "z")],
    );
}

#[test]
fn secrets_are_masked_when_the_configuration_is_printed() {
    let file =
        "[key_manager]\npassword = \"hunter2\"\n[[listeners.each]]\nport = 1\nkey = \"sesame\"";
    let printed = load(file, &[]).and_then(|effective| effective.print::<Config>());
    let printed = printed.expect("printed");
    assert!(!printed.contains("hunter2") && !printed.contains("sesame"), "{printed}");
    insta::assert_snapshot!(printed, @r#"
    [key_manager]
    level = "low"
    password = "********"
    wait = "10s"

    [labels]

    [[listeners.each]]
    key = "********"
    port = 1

    [rpc]
    connections = 10
    listen = "127.0.0.1:9454"
    ratio = 0.5
    tags = []

    [rpc.tls]
    resume = false
    "#);
    let config = accepts(file, &[]);
    assert_eq!(config.key_manager.password.expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_printed_is_accepted_again_and_means_the_same() {
    let file = "[rpc]\nratio = 1.0\ntags = [\"x\"]\n[labels]\nteam = \"sales\"";
    let print = |text: &str| load(text, &[]).and_then(|effective| effective.print::<Config>());
    let printed = print(file).expect("printed");
    assert_eq!(print(&printed).expect("printed again"), printed);
    parse::<Config>(DEFAULT, &printed).expect("parsed");
}

#[test]
fn a_file_that_is_not_there_is_refused_by_its_name() {
    let path = std::path::Path::new("/nowhere/own.toml");
    let sources = Sources { default: DEFAULT, file: Some(path), ..Sources::default() };
    let error = Effective::load(&sources).expect_err("refused");
    assert_eq!(error.to_string(), "/nowhere/own.toml: cannot be read");
}

#[test]
fn hostile_documents_end_in_an_answer() {
    let deep = format!("labels = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    for text in [deep.as_str(), "\u{0}", "[rpc", "a.b.c.d = 1", "rpc.listen.x = 1"] {
        assert!(parse::<Config>(DEFAULT, text).is_err());
    }
}
