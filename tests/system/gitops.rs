//! Does configuration from a repository work with the real programs, and is no secret in anything they say?

use std::fs;
use std::path::Path;

use harness::resources::{api, application, subscription, tier};
use harness::{Engines, Stack};

const VALUE: &str = "correct horse battery staple";

/// Everything that lies below a folder, as text.
fn texts(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, into);
        } else {
            into.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
}

async fn check(engines: Engines) {
    let stack = Stack::start(engines).await;
    let secret = format!(
        "---\n{{ apiVersion: turnpike/v1, kind: Secret, metadata: {{ name: pw }}, spec: {{ value: \"{VALUE}\" }} }}\n"
    );
    let first = [
        tier("Gold", 1000),
        api("orders", "http://127.0.0.1:1", &["Gold"]),
        application("shop", &[]),
        subscription("shop", "orders", "Gold"),
        secret,
    ];
    let file = stack.file("first.yaml", &first.concat());
    let applied =
        stack.turnpike(&["apply", "-f", &file, "--set", "shop", "--reason", "begin"]).await;
    stack.generate_keys("shop").await;

    // What is exported, applied, changes nothing.
    let directory = stack.folder().join("export");
    let exported = directory.display().to_string();
    stack.turnpike(&["export", "-d", &exported]).await;
    let again = stack.turnpike(&["apply", "-f", &exported]).await;
    for change in again["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "unchanged", "{change}");
    }
    let same = stack.try_turnpike(&["diff", "-f", &exported]).await;
    assert_eq!(same.status.code(), Some(0), "{same:?}");

    // What would change is told, and told apart from what would not.
    let gold = directory.join("Tier/Gold.yaml");
    let text = fs::read_to_string(&gold).unwrap().replace("1000", "7");
    fs::write(&gold, text).unwrap();
    fs::remove_file(directory.join("Subscription/shop-orders.yaml")).unwrap();
    let pruned = ["--set", "shop", "--prune"];
    let differs = stack.try_turnpike(&[&["diff", "-f", &exported][..], &pruned].concat()).await;
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    let told = String::from_utf8_lossy(&differs.stdout).into_owned();
    assert!(
        told.contains("spec.quota.requests") && told.contains("Subscription/shop-orders"),
        "{told}"
    );

    // Nobody is at a terminal, so nothing goes without having been agreed to.
    let apply = [&["apply", "-f", &exported][..], &pruned].concat();
    let unasked = stack.try_turnpike(&apply).await;
    assert_eq!(unasked.status.code(), Some(1), "{unasked:?}");
    let done = stack.turnpike(&[&apply[..], &["--yes", "--reason", "less"]].concat()).await;
    let actions = done["changes"].as_array().unwrap();
    assert!(actions.iter().any(|one| one["action"] == "deleted"), "{done}");

    let history = stack.turnpike(&["history"]).await;
    assert_eq!(history["entries"][0]["reason"], "less");
    let to = applied["revision"].to_string();
    let back = stack.turnpike(&["rollback", "--all", "--to", &to]).await;
    assert_eq!(back["problems"].as_array().map(Vec::len), Some(0), "{back}");
    let application = stack.turnpike(&["get", "Application", "shop"]).await;
    assert_eq!(application["spec"]["keys"].as_array().map(Vec::len), Some(1), "the key is kept");
    let audit = ["audit", "--service", "control-plane"];
    let verified = stack.turnpike(&[&audit[..], &["verify"]].concat()).await;
    assert!(verified["broken"].is_null(), "{verified}");

    // A file with an old revision hears who was before it.
    let tier = stack.turnpike(&["get", "Tier", "Gold"]).await;
    let old = tier
        .to_string()
        .replace(&format!("\"revision\":{}", tier["metadata"]["revision"]), "\"revision\":1");
    let late = stack.try_turnpike(&["apply", "-f", &stack.file("old.json", &old)]).await;
    let told = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(late.status.code() == Some(1) && told.contains("changed it at"), "{told}");

    // No door, file or log has the value.
    let mut said = String::new();
    for arguments in [&["export"][..], &["history"], &["diff", "--from", &to], &["get", "Secret"]] {
        let output = stack.try_turnpike(arguments).await;
        said.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    let lines = stack.try_turnpike(&[&audit[..], &["list"]].concat()).await;
    said.push_str(&String::from_utf8_lossy(&lines.stdout));
    texts(&directory, &mut said);
    for service in ["control-plane", "gateway"] {
        said.push_str(&stack.log(service));
    }
    assert!(said.contains("Secret/pw") && !said.contains(VALUE), "the value is shown somewhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configuration_comes_from_a_repository_with_embedded_stores() {
    check(Engines::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configuration_comes_from_a_repository_with_etcd() {
    check(Engines::ScaleOut).await;
}
