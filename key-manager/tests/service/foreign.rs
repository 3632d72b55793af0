//! A provider that says what it is told to say, and a key manager that takes it for one.

use chassis::Secret;
use jose::{Algorithm, SigningKey};
use key_manager::config::Config;
use key_manager::domain::{
    Linking, Provider, ProviderClient, ProviderKeys, ProviderLogin, SecretValue,
};
use key_manager::registration::Registered;
use serde_json::{Value, json};
use url::Url;

use crate::browser::{Browser, encode, sealed, step, wish};
use crate::databases::Scratch;
use crate::elsewhere::{Elsewhere, becomes, reaching};
use crate::stand::{BEGIN, Stand, post};

pub(crate) const CLIENT: &str = "us";
pub(crate) const SECRET: &str = "a secret of thirty-two characters";
pub(crate) const TOKEN: &str = "an-access-token";

/// A provider, and a key manager at which one can log in with an account there.
pub(crate) struct Ground {
    pub(crate) there: Elsewhere,
    pub(crate) issuer: String,
    pub(crate) key: SigningKey,
    pub(crate) stand: Stand,
    pub(crate) app: Registered,
    _scratch: Scratch,
}

/// How far somebody came: the browser was sent there, and this was sent along.
pub(crate) struct Departed<'g> {
    pub(crate) browser: Browser<'g>,
    pub(crate) to: Url,
}

impl Departed<'_> {
    pub(crate) fn sent(&self, name: &str) -> String {
        let found = self.to.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let scratch = Scratch::sqlite();
        let data = scratch.folder.path();
        let there = Elsewhere::start(data).await;
        let issuer = there.uri.trim_end_matches("/here").to_owned();
        let key = SigningKey::generate(Algorithm::ES256).expect("a key");
        let mut config = reaching(data);
        change(&mut config);
        let stand = Stand::with(&scratch, data, BEGIN, config).await;
        let app = stand.app().await;
        let ground = Self { there, issuer, key, stand, app, _scratch: scratch };
        ground.tell(&json!({}));
        ground.there.say("/jwks", 200, &json!({ "keys": [ground.key.public_jwk()] }).to_string());
        ground.stand.authority.federation.put(vec![ground.provider("corp")]);
        ground.known().await;
        ground
    }

    /// Says its metadata, with `changes`.
    pub(crate) fn tell(&self, changes: &Value) {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut metadata = json!({
            "issuer": self.issuer, "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"), "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/me"),
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
        self.there.say("/.well-known/openid-configuration", 200, &metadata.to_string());
    }

    pub(crate) fn provider(&self, name: &str) -> Provider {
        let secret = SecretValue(Secret::new(SECRET.to_owned()));
        let client = ProviderClient { id: CLIENT.to_owned(), secret, in_form: false };
        let scopes = ["openid", "email"].map(str::to_owned).to_vec();
        let (title, linking) = ("Corp".to_owned(), Linking::Create);
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer);
        Provider {
            name: name.to_owned(),
            issuer: self.issuer.clone(),
            enabled: true,
            algorithms: vec![Algorithm::ES256],
            keys: ProviderKeys::Discovered,
            metadata: Some(Url::parse(&metadata).expect("an address")),
            introspection: None,
            registration: None,
            login: Some(ProviderLogin { title, client, scopes, linking }),
            connector: None,
        }
    }

    /// Waits until its keys were read.
    pub(crate) async fn known(&self) {
        let federation = &self.stand.authority.federation;
        becomes(|| federation.all().iter().all(|(_, status)| status.keys > 0)).await;
    }

    pub(crate) async fn depart(&self) -> Departed<'_> {
        let mut browser = Browser::new(&self.stand);
        let page = browser.authorize(&wish(&self.app, &[])).await;
        assert_eq!(step(&page), "login");
        let form = encode(&[("request", &sealed(&page)), ("provider", "corp")]);
        let reply = browser.send(post("/oauth2/federation", &form)).await;
        assert_eq!(reply.status(), 303);
        let to = reply.headers()["location"].to_str().expect("text");
        Departed { browser, to: Url::parse(to).expect("an address") }
    }

    /// The claims that a good ID token has.
    pub(crate) fn claims(&self, departed: &Departed<'_>) -> Value {
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": BEGIN, "exp": BEGIN + 300,
            "nonce": departed.sent("nonce"),
        })
    }

    /// The provider says this ID token for any code, and what it knows of the person `1`.
    pub(crate) fn answer(&self, token: &str) {
        let word = json!({ "access_token": TOKEN, "token_type": "Bearer", "id_token": token });
        self.there.say("/token", 200, &word.to_string());
        self.there.say("/me", 200, r#"{"sub":"1","email":"ann@x.example"}"#);
    }
}
