//! A person with a browser, as far as the endpoints can tell.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, header};
use key_manager::accounts;
use key_manager::domain::User;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};

use crate::stand::{Dressed, Stand, json, post};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const CALLBACK: &str = "https://app.example/cb";
/// 43 characters.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// One browser and its cookie.
pub(crate) struct Browser<'s> {
    stand: &'s Stand,
    pub(crate) cookie: Option<String>,
}

/// What a client remembers between the request and the answer.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// A form or query of pairs.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs);
    text.finish()
}

/// A good authorization request of a client, with `changes`: an empty value leaves one out.
pub(crate) fn wish(client: &Registered, changes: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let mut pairs: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", client.client.id.as_str()),
        ("redirect_uri", CALLBACK),
        ("scope", "openid a"),
        ("state", "s&t"),
        ("nonce", "n-0"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    encode(&pairs)
}

/// A parameter of the address that an answer redirects to.
pub(crate) fn sent(reply: &Reply, name: &str) -> Option<String> {
    let location = reply.headers().get(header::LOCATION)?.to_str().expect("text");
    let url = url::Url::parse(location).expect("an address");
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// "login", "consent", "code", the error that the client hears, or "page" and a status.
pub(crate) fn step(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(reply.body());
    if reply.status() == 303 {
        return sent(reply, "error").unwrap_or_else(|| "code".to_owned());
    }
    match (reply.status().as_u16(), body.contains("<h1>Log in"), body.contains("<h1>Allow")) {
        (200, true, _) => "login".to_owned(),
        (200, _, true) => "consent".to_owned(),
        (status, ..) => format!("page {status}"),
    }
}

/// The sealed request in a page's hidden field.
pub(crate) fn sealed(page: &Reply) -> String {
    let body = String::from_utf8_lossy(page.body()).into_owned();
    let rest = body.split("name=\"request\" value=\"").nth(1).expect("a hidden field");
    rest.split('"').next().expect("a value").to_owned()
}

impl<'s> Browser<'s> {
    pub(crate) const fn new(stand: &'s Stand) -> Self {
        Self { stand, cookie: None }
    }

    pub(crate) async fn send(&mut self, mut request: Request) -> Reply {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", &format!("other=1; __Host-turnpike={cookie}"));
        }
        let reply = self.stand.ask(&request).await;
        if let Some(line) = reply.headers().get(header::SET_COOKIE) {
            let line = line.to_str().expect("text");
            let line = match line.strip_suffix("; Max-Age=0") {
                Some(gone) => {
                    self.cookie = None;
                    gone
                }
                None => line,
            };
            assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
            let (_, value) = line.split(';').next().expect("a pair").split_once('=').expect("one");
            self.cookie = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        reply
    }

    pub(crate) async fn authorize(&mut self, query: &str) -> Reply {
        let request = post("/oauth2/authorize", "");
        let query = Some(query.to_owned());
        self.send(Request { method: Method::GET, query, ..request }).await
    }

    pub(crate) async fn log_in(&mut self, page: &Reply, name: &str, password: &str) -> Reply {
        let form = encode(&[("request", &sealed(page)), ("name", name), ("password", password)]);
        self.send(post("/oauth2/login", &form)).await
    }

    pub(crate) async fn decide(&mut self, page: &Reply, answer: &str) -> Reply {
        let form = encode(&[("request", &sealed(page)), ("answer", answer)]);
        self.send(post("/oauth2/consent", &form)).await
    }

    /// From the request to the code, whatever is asked on the way.
    pub(crate) async fn code(&mut self, query: &str) -> String {
        let mut reply = self.authorize(query).await;
        if step(&reply) == "login" {
            reply = self.log_in(&reply, "ann", PASSWORD).await;
        }
        if step(&reply) == "consent" {
            reply = self.decide(&reply, "allow").await;
        }
        sent(&reply, "code").unwrap_or_else(|| panic!("no code: {}", step(&reply)))
    }
}

impl Stand {
    pub(crate) async fn person(&self) -> User {
        accounts::create(&self.authority, "Ann", PASSWORD, "").await.expect("an account")
    }

    /// A public client for people, whose refresh tokens rotate.
    pub(crate) async fn app(&self) -> Registered {
        self.register(app()).await
    }

    /// Exchanges a code, with `changes`; public clients name themselves in the form.
    pub(crate) async fn exchange(
        &self,
        client: &Registered,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Reply {
        self.ask(&exchange_of(client, code, changes)).await
    }

    pub(crate) async fn refresh(&self, client: &Registered, token: &str, scope: &str) -> Reply {
        self.ask(&refresh_of(client, token, scope)).await
    }

    /// Whether an access token is good, as a gateway hears it.
    pub(crate) async fn lives(&self, token: &str) -> bool {
        let found = key_manager::endpoint::introspect_for_gateway(&self.authority, token).await;
        found.expect("an answer").is_some()
    }

    /// The tokens of a new login of Ann, who exists.
    pub(crate) async fn tokens(&self, client: &Registered) -> serde_json::Value {
        let code = Browser::new(self).code(&wish(client, &[])).await;
        json(&self.exchange(client, &code, &[]).await)
    }
}

/// What exchanges a code, with `changes`.
pub(crate) fn exchange_of(client: &Registered, code: &str, changes: &[(&str, &str)]) -> Request {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client.client.id.as_str()),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    post("/oauth2/token", &encode(&pairs))
}

/// What asks for the next tokens of a family.
pub(crate) fn refresh_of(client: &Registered, token: &str, scope: &str) -> Request {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", client.client.id.as_str()),
        ("refresh_token", token),
        ("scope", scope),
    ];
    post("/oauth2/token", &encode(&pairs))
}

pub(crate) fn app() -> Application {
    Application {
        name: "orders <app>".to_owned(),
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        scopes: ["openid", "profile", "a", "b"].map(str::to_owned).to_vec(),
        redirect_uris: vec![CALLBACK.to_owned()],
        public: true,
        ..Application::default()
    }
}
