//! Does a person get from `turnpike login` to an API of their own, and out again?

use std::process::Stdio;
use std::time::Duration;

use harness::resources;
use harness::stack::Stack;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const PASSWORD: &str = "correct horse battery";

/// A browser with a jar for cookies.
struct Browser<'s> {
    stack: &'s Stack,
}

impl Browser<'_> {
    /// The page at `url`, after a form was posted there where there are fields; redirects are followed.
    async fn page(&self, url: &str, fields: &[(&str, &str)]) -> String {
        let jar = self.stack.folder().join("cookies");
        let ca = self.stack.pki().join("ca.pem");
        let mut command = tokio::process::Command::new("curl");
        command.args(["-sSL", "--max-time", "30", "--cacert"]).arg(ca);
        command.arg("-b").arg(&jar).arg("-c").arg(&jar);
        for (name, value) in fields {
            command.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        let done = command.arg(url).output().await.expect("curl");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{url}: {}", String::from_utf8_lossy(&done.stderr));
        said
    }
}

/// The sealed request in a page's hidden field.
fn sealed(page: &str) -> &str {
    let (_, rest) =
        page.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap_or_default()
}

/// Signs `name` in by the code that the command line shows.
async fn log_in(stack: &Stack, name: &str) -> Value {
    let mut command = stack.command(&["login", "-o", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut login = command.spawn().expect("the command line");
    let mut lines = BufReader::new(login.stderr.take().expect("a pipe")).lines();
    let line = lines.next_line().await.expect("text").expect("an address");
    let url = line.strip_prefix("Open ").unwrap_or_else(|| panic!("{line}")).to_owned();
    let (_, code) = url.split_once("user_code=").expect("a code in the address");
    let browser = Browser { stack };
    let page = browser.page(&url, &[]).await;
    let at = |path: &str| format!("{}{path}", stack.issuer());
    let fields = [("request", sealed(&page)), ("name", name), ("password", PASSWORD)];
    let page = browser.page(&at("/login"), &fields).await;
    let fields = [("request", sealed(&page)), ("user_code", code), ("answer", "")];
    let page = browser.page(&at("/device"), &fields).await;
    let fields = [("request", sealed(&page)), ("user_code", code), ("answer", "allow")];
    let page = browser.page(&at("/device"), &fields).await;
    assert!(page.contains("The device is connected"), "{page}");
    let said = tokio::time::timeout(Duration::from_secs(30), login.wait_with_output());
    let said = said.await.expect("in time").expect("an end");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).expect("JSON")
}

/// Makes an account, and returns the subject of its tokens.
async fn account(stack: &Stack, name: &str, roles: &str) -> String {
    let roles = format!("roles={roles}");
    let mut command = stack.command(&["user", "add", name, "--claim", &roles, "-o", "json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut adding = command.spawn().expect("the command line");
    let mut input = adding.stdin.take().expect("a pipe");
    input.write_all(PASSWORD.as_bytes()).await.expect("a password");
    drop(input);
    let said = adding.wait_with_output().await.expect("an end");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    said["userId"].as_str().expect("a subject").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_publishes_what_is_theirs_and_signs_out() {
    let mut stack = Stack::start_uncounted(&[]).await;
    let client = ["client", "add", "turnpike-cli", "--public", "--device", "--first-party"];
    let client = stack.turnpike(&client).await;
    let client = client["clientId"].as_str().expect("a client").to_owned();
    let subject = account(&stack, "ann", r#"["turnpike-publisher"]"#).await;
    stack.stop("control-plane");
    let issuer = stack.issuer();
    let settings = format!("[people]\nissuer = \"{issuer}\"\nclient_id = \"{client}\"\n");
    stack.set("control-plane", &settings);
    stack.restart("control-plane").await;
    stack.apply(&resources::tier("Gold", 5)).await;
    stack.apply(&resources::api("theirs", "http://127.0.0.1:1", &["Gold"])).await;

    let known = log_in(&stack, "ann").await;
    assert_eq!(known["name"], format!("user:{subject}"), "{known}");
    assert_eq!(known["roles"], serde_json::json!(["publisher"]));
    // She needs no certificate for it.
    for file in ["admin.pem", "admin.key"] {
        let (from, to) = (stack.pki().join(file), stack.pki().join(format!("{file}.away")));
        std::fs::rename(from, to).expect("renamed");
    }
    stack.apply(&resources::api("hers", "http://127.0.0.1:1", &["Gold"])).await;
    let mine = stack.turnpike(&["get", "apis"]).await;
    let names: Vec<&Value> =
        mine.as_array().expect("a list").iter().map(|api| &api["metadata"]["name"]).collect();
    assert_eq!(names, ["hers"], "{mine}");
    let file = stack.file("tier.yaml", &resources::tier("Gold", 6));
    let refused = stack.try_turnpike(&["apply", "-f", &file]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("you may not"), "{said}");

    // A program works for her until she ends it.
    let made = stack.turnpike(&["tokens", "create", "ci", "--expires", "1h"]).await;
    let token = made["secret"].as_str().expect("a token").to_owned();
    let known = stack.turnpike(&["whoami", "--token", &token]).await;
    assert_eq!((&known["name"], &known["user"]), (&"token:ci".into(), &subject.as_str().into()));
    stack.turnpike(&["tokens", "revoke", "ci"]).await;
    assert!(!stack.try_turnpike(&["whoami", "--token", &token]).await.status.success());

    stack.turnpike(&["logout"]).await;
    assert!(!stack.try_turnpike(&["whoami"]).await.status.success());
    for file in ["admin.pem", "admin.key"] {
        let (from, to) = (stack.pki().join(format!("{file}.away")), stack.pki().join(file));
        std::fs::rename(from, to).expect("renamed");
    }
    assert_eq!(stack.turnpike(&["whoami"]).await["shown"], "certificate");
    for name in ["control-plane", "key-manager"] {
        assert!(!stack.log(name).contains(&token), "{name} has logged a token");
    }
}
