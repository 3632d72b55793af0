//! A browser and a client before the real process.

use std::path::Path;

use serde_json::Value;
use turnpike_proto::identity::v1::CreateUserRequest;
use turnpike_proto::identity::v1::users_client::UsersClient;

use crate::browser::{CALLBACK, PASSWORD, VERIFIER, challenge, encode};
use crate::process::Process;

/// What of an answer a browser or client goes on with.
pub(crate) struct Answer {
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status")
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        values.next().unwrap_or_else(|| panic!("no {name} in {}", self.head)).1.to_owned()
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().expect("a pair").to_owned()
    }

    fn sealed(&self) -> String {
        let rest = self.body.split("name=\"request\" value=\"").nth(1).expect("a hidden field");
        rest.split('"').next().expect("a value").to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.body)).to_owned()
    }
}

pub(crate) async fn get(process: &Process, data: &Path, target: &str, more: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: km\r\nConnection: close\r\n{more}\r\n");
    let (head, body) = process.send(data, request).await;
    Answer { head, body }
}

pub(crate) async fn post(
    process: &Process,
    data: &Path,
    target: &str,
    more: &str,
    form: &str,
) -> Answer {
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: km\r\nConnection: close\r\n{more}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (head, body) = process.send(data, request).await;
    Answer { head, body }
}

/// Makes Ann's account; the `sub` of her tokens.
pub(crate) async fn account(process: &Process, data: &Path) -> String {
    let mut users = UsersClient::new(process.channel(data, "admin"));
    let account = CreateUserRequest {
        name: "ann".to_owned(),
        password: PASSWORD.to_owned(),
        claims: String::new(),
        password_hash: String::new(),
    };
    users.create(account).await.expect("an account").into_inner().user_id
}

/// Ann logs in in a new browser and agrees where she is asked; the answer of the token endpoint.
pub(crate) async fn log_in(process: &Process, data: &Path, client: &str, scope: &str) -> Answer {
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", scope),
        ("state", "xyz"),
        ("nonce", "n1"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
    ]);
    let page = get(process, data, &format!("/oauth2/authorize?{query}"), "").await;
    assert_eq!(page.status(), "200");
    let cookie = format!("Cookie: {}\r\n", page.cookie());
    let form = encode(&[("request", &page.sealed()), ("name", "ann"), ("password", PASSWORD)]);
    let mut back = post(process, data, "/oauth2/login", &cookie, &form).await;
    if back.status() == "200" {
        let cookie = format!("Cookie: {}\r\n", back.cookie());
        let form = encode(&[("request", &back.sealed()), ("answer", "allow")]);
        back = post(process, data, "/oauth2/consent", &cookie, &form).await;
    }
    assert_eq!(back.status(), "303", "{}", back.body);
    let location = url::Url::parse(&back.header("location")).expect("an address");
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    let (_, code) = location.query_pairs().find(|(name, _)| name == "code").expect("a code");
    let exchange = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    post(process, data, "/oauth2/token", "", &exchange).await
}
