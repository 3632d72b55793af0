//! Does a real browser do what our script asks of it? (Web Authentication, with an authenticator that the
//! browser plays itself)

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::PASSWORD;
use crate::databases::Scratch;
use crate::process::Process;

/// Where Debian puts it.
const PROGRAM: &str = "/usr/bin/chromium";

/// The browser, spoken to over a pipe in its `DevTools` protocol.
struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    asked: u64,
    page: String,
}

impl Chromium {
    /// `None`: there is none on this machine.
    fn start(folder: &Path) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("left out: no {PROGRAM}");
            return None;
        }
        // The protocol is spoken over the descriptors 3 and 4.
        let line = format!(
            "exec {PROGRAM} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
             --ignore-certificate-errors --user-data-dir='{}' --remote-debugging-pipe about:blank \
             3<&0 4>&1 >/dev/null 2>&1",
            folder.join("browser").display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self { child, to, from, asked: 0, page: String::new() };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", &attach);
        attached["sessionId"].as_str().expect("a page").clone_into(&mut browser.page);
        Some(browser)
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.try_ask(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The whole answer; what else it tells is left out.
    fn try_ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if !self.page.is_empty() {
            message["sessionId"] = json!(self.page);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).and_then(|()| self.to.flush()).expect("sent");
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).expect("read");
            assert!(!bytes.is_empty(), "the browser has ended");
            let answer: Value =
                serde_json::from_slice(bytes.strip_suffix(&[0]).expect("an end")).expect("JSON");
            if answer["id"] == self.asked {
                return answer;
            }
        }
    }

    /// What a script comes to; nothing while one page makes room for the next.
    fn run(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true });
        self.try_ask("Runtime.evaluate", &params)["result"]["result"]["value"].clone()
    }

    /// Waits until the page shows this heading, and does something then.
    fn at(&mut self, heading: &str, script: &str) {
        let wanted = format!(
            "document.readyState === 'complete' && document.querySelector('h1')?.textContent === '{heading}'"
        );
        let clock = chassis::Clock::system();
        let begun = clock.instant();
        while self.run(&wanted) != json!(true) {
            if clock.instant() > begun + Duration::from_mins(1) {
                let shown = self.run("document.documentElement.outerHTML");
                panic!("no {heading}: {shown}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.run(script);
    }

    fn open(&mut self, url: &str) {
        self.ask("Page.navigate", &json!({ "url": url }));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_makes_a_passkey_and_logs_in_with_it() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let Some(mut browser) = Chromium::start(data) else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let issuer = format!("https://localhost:{port}/oauth2");
    let listen = format!("127.0.0.1:{port}");
    let more = [
        ("TURNPIKE_ISSUER_URL", issuer.as_str()),
        ("TURNPIKE_HTTPS_LISTEN", listen.as_str()),
        ("TURNPIKE_LOGIN_MFA", "off"),
    ];
    let process = Process::start_with(&scratch, &more).await;
    crate::visits::account(&process, data).await;

    browser.ask("WebAuthn.enable", &json!({}));
    let rules = json!({ "options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
    }});
    browser.ask("WebAuthn.addVirtualAuthenticator", &rules);
    let own = format!("{issuer}/account");
    browser.open(&own);
    let log_in = format!(
        "document.forms[0].name.value = 'ann'; document.forms[0].password.value = '{PASSWORD}';
         document.forms[0].querySelector('button').click()"
    );
    let log_in = log_in.replace(".name.value", ".elements.namedItem('name').value");
    browser.at("Log in", &log_in);
    let add = format!(
        "var form = document.getElementById('add-passkey').form;
         form.elements.namedItem('password').value = '{PASSWORD}';
         form.querySelector('button').click()"
    );
    browser.at("Your account", &add);
    let make = "var form = document.querySelector('form[data-passkey]');
         form.elements.namedItem('title').value = 'of the browser';
         form.querySelector('button').click()";
    browser.at("Make a passkey", make);
    browser.at("Your account", "");
    let shown = browser.run("document.body.textContent").to_string();
    assert!(
        shown.contains("The passkey is set up.") && shown.contains("of the browser"),
        "{shown}"
    );

    browser.ask("Network.clearBrowserCookies", &json!({}));
    browser.open("about:blank");
    browser.open(&own);
    let press = "document.querySelector('form[data-passkey] button').click()";
    browser.at("Log in", press);
    browser.at("Your account", "");
    let shown = browser.run("document.body.textContent").to_string();
    assert!(shown.contains("with a passkey – this browser"), "{shown}");
}
