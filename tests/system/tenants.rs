//! What does the command line tell a tenant of the past?

use harness::resources;
use harness::stack::Stack;
use serde_json::Value;

/// What `turnpike` says to whoever has the token, on its standard output and error, and whether it went well.
async fn said(stack: &Stack, token: &str, words: &[&str]) -> (bool, String) {
    let mut arguments = words.to_vec();
    arguments.extend(["--token", token, "-o", "json"]);
    let done = stack.try_turnpike(&arguments).await;
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_tells_a_tenant_what_was_its_own() {
    let stack = Stack::start_uncounted(&[]).await;
    let mut tokens = Vec::new();
    for tenant in ["acme", "umbrella"] {
        let (name, lifetime) = (format!("of-{tenant}"), ["--expires", "1h", "--role", "admin"]);
        let mut words = vec!["tokens", "create", &name, "--tenant", tenant];
        words.extend(lifetime);
        let made = stack.turnpike(&words).await;
        tokens.push(made["secret"].as_str().expect("a token").to_owned());
    }
    let mut revisions = Vec::new();
    for requests in [1, 2] {
        for (tenant, token) in ["acme", "umbrella"].into_iter().zip(&tokens) {
            let file = stack.file("tier.yaml", &resources::tier(tenant, requests));
            let (done, text) = said(&stack, token, &["apply", "-f", &file]).await;
            assert!(done, "{text}");
            let told: Value = serde_json::from_str(&text).expect("JSON");
            revisions.push(told["revision"].to_string());
        }
    }
    let umbrella = tokens[1].as_str();
    let first = revisions[1].as_str();
    for (words, goes, word) in [
        (vec!["history"], true, "Tier/umbrella"),
        (vec!["history", "Tier", "acme"], true, "\"entries\""),
        (vec!["history", "Tier", "umbrella"], true, "Tier/umbrella"),
        // As diff: it says by its exit status that something differs.
        (vec!["diff", "Tier", "umbrella", "--from", first], false, "spec.quota.requests"),
        (vec!["diff", "Tier", "none", "--from", first], true, ""),
        (vec!["rollback", "--all", "--to", first, "--dry-run"], true, "Tier/umbrella"),
        (vec!["rollback", "Tier", "none", "--to", first], false, "there is no Tier/none"),
        (vec!["audit", "--service", "control-plane", "list"], true, "Tier/umbrella"),
        (vec!["audit", "--service", "control-plane", "verify"], false, "operator's people alone"),
    ] {
        let (done, text) = said(&stack, umbrella, &words).await;
        assert!(done == goes && text.contains(word), "{words:?}: {text}");
        assert!(!text.contains("Tier/acme") && !text.contains("of-acme"), "{words:?}: {text}");
    }
    for words in [["diff", "Tier", "acme", "--from"], ["rollback", "Tier", "acme", "--to"]] {
        let mut none = words;
        none[2] = "none";
        let [theirs, none] = [words, none].map(|words| [words.as_slice(), &[first]].concat());
        let (theirs, none) =
            (said(&stack, umbrella, &theirs).await, said(&stack, umbrella, &none).await);
        assert_eq!(theirs, (none.0, none.1.replace("none", "acme")));
    }
}
