//! TLS: does testssl.sh find only what is modern, and none of the attacks that it knows?

use std::collections::BTreeMap;
use std::time::Duration;

use harness::Alone;
use serde_json::Value;

/// Every attack and weakness that testssl.sh looks for, so that none of them drops out unseen.
const ATTACKS: [&str; 18] = [
    "heartbleed",
    "CCS",
    "ticketbleed",
    "ROBOT",
    "secure_renego",
    "secure_client_renego",
    "CRIME_TLS",
    "BREACH",
    "POODLE_SSL",
    "fallback_SCSV",
    "SWEET32",
    "FREAK",
    "DROWN",
    "LOGJAM",
    "LOGJAM-common_primes",
    "BEAST",
    "LUCKY13",
    "RC4",
];

const API: &str = "apiVersion: turnpike/v1\nkind: Api\nmetadata: { name: open, version: '1.0' }\n\
     spec:\n  context: /open\n  lifecycle: PUBLISHED\n  security: { schemes: [none] }\n  \
     endpoints: { production: { urls: ['http://127.0.0.1:9'] } }\n";

/// What testssl.sh finds at the TLS port of `gateway`: severity and text by the finding's name.
async fn findings(program: &str, gateway: &Alone) -> BTreeMap<String, (String, String)> {
    let report = gateway.folder().join("testssl.json");
    let mut command = tokio::process::Command::new(program);
    // Protocols, cipher lists, forward secrecy, every cipher per protocol, all attacks. Nothing is
    // asked of name servers, and nobody is there to answer a question.
    command.args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]);
    // It waits so long for an answer to a renegotiation, to which none is given.
    command.args(["--openssl-timeout", "10", "-p", "-s", "-f", "-E", "-U", "--jsonfile"]);
    command.arg(&report).arg(gateway.https().to_string()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(4), command.output()).await;
    let output = output.expect("an end of testssl.sh").expect("testssl.sh");
    let text =
        std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let list: Vec<Value> = serde_json::from_str(&text).expect("a report");
    let word = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|one| (word(one, "id"), (word(one, "severity"), word(one, "finding"))))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn testssl_finds_tls_1_2_and_1_3_with_forward_secret_aead_ciphers_and_no_attack() {
    let program = std::env::var("TURNPIKE_TESTSSL").unwrap_or_default();
    if program.is_empty() {
        println!("left out: testssl.sh (TURNPIKE_TESTSSL names none)");
        return;
    }
    let gateway = Alone::start(API, "").await;
    let found = findings(&program, &gateway).await;
    let said = |name: &str| found.get(name).map_or("nothing", |(_, text)| text.as_str());

    for (name, text) in [
        ("SSLv2", "not offered"),
        ("SSLv3", "not offered"),
        ("TLS1", "not offered"),
        ("TLS1_1", "not offered"),
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered with final"),
    ] {
        assert_eq!(said(name), text, "{name}");
    }

    // "cipher-tls1_2_xc02c": "TLS 1.2 xc02c NAME ECDH 253 AESGCM 256 TLS_NAME_OF_THE_RFC"
    let ciphers: Vec<&str> = found
        .iter()
        .filter(|(name, _)| name.starts_with("cipher-"))
        .map(|(_, (_, text))| text.split_whitespace().next_back().unwrap_or_default())
        .collect();
    // TLS 1.3 has only ephemeral keys, and its names do not say so.
    let modern = |name: &&str| {
        let aead = name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_");
        let fresh = name.starts_with("TLS_ECDHE_") || !name.contains("_WITH_");
        aead && fresh
    };
    let old: Vec<&str> = ciphers.iter().copied().filter(|name| !modern(name)).collect();
    let count = |start: &str| found.keys().filter(|name| name.starts_with(start)).count();
    assert_eq!((count("cipher-tls1_2_"), count("cipher-tls1_3_")), (3, 3), "{found:#?}");
    assert_eq!(ciphers.len(), 6, "no cipher of another version: {found:#?}");
    assert!(old.is_empty(), "{old:?}");

    let open: Vec<&str> = ATTACKS
        .into_iter()
        .filter(|name| found.get(*name).is_none_or(|(severity, _)| severity != "OK"))
        .collect();
    // What is no attack by name, such as a weak list of ciphers, shows by its severity.
    let severe: Vec<_> = found
        .iter()
        .filter(|(_, (severity, _))| {
            ["LOW", "MEDIUM", "HIGH", "CRITICAL"].contains(&severity.as_str())
        })
        .collect();
    println!(
        "testssl.sh: {} ciphers, {} attacks tried, {} open",
        ciphers.len(),
        ATTACKS.len(),
        open.len()
    );
    assert!(open.is_empty(), "{open:?} of {found:#?}");
    assert!(severe.is_empty(), "{severe:#?}");
}
