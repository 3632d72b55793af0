//! Where the key manager takes a token that somebody shows: each with a genuine one, and how it is
//! shown.

use bytes::Bytes;
use http::{HeaderValue, Method};
use jose::SigningKey;
use key_manager::client_auth::Settings;
use key_manager::config::TrustedConfig;
use key_manager::endpoint::Request;
use key_manager::registration::{Access, Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, app, challenge, encode, wish};
use crate::databases::Scratch;
use crate::elsewhere::Elsewhere;
use crate::forge::{changed, copy, key, own};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

pub(crate) const ISSUER: &str = "https://127.0.0.1:9453/oauth2";
const TRUSTED: &str = "https://idp.example";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const CIBA: &str = "urn:openid:params:grant-type:ciba";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A key manager that takes every kind of token, and a server that nobody may ask.
pub(crate) struct Ground {
    pub(crate) stand: Stand,
    pub(crate) elsewhere: Elsewhere,
    client: Registered,
    pub(crate) places: Vec<Place>,
}

/// Where a token is shown.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) key: SigningKey,
    pub(crate) header: Value,
    claims: Value,
    /// What is heard when the token is good, and when it is not.
    pub(crate) taken: &'static str,
    pub(crate) refused: &'static str,
    /// The types that it may have.
    pub(crate) types: &'static [&'static str],
}

impl Place {
    /// The right ones, under a name of their own.
    pub(crate) fn claims(&self) -> Value {
        let mut claims = self.claims.clone();
        if claims.get("jti").is_some() {
            claims["jti"] = json!(chassis::random::token(16));
        }
        claims
    }

    /// With the right key, under the right header but for these changes.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let header = changed(self.header.clone(), header).to_string();
        self.key.sign_under(&header, &changed(self.claims(), claims)).expect("signed")
    }

    /// With somebody else's key.
    pub(crate) fn signed_by(&self, key: &SigningKey, header: &Value) -> String {
        let header = changed(self.header.clone(), header).to_string();
        key.sign_under(&header, &self.claims()).expect("signed")
    }
}

impl Ground {
    pub(crate) async fn on(scratch: &Scratch) -> Self {
        let data = scratch.folder.path();
        let elsewhere = Elsewhere::start(data).await;
        let trusted = key();
        let file = data.join("idp.json");
        std::fs::write(&file, json!({ "keys": [trusted.public_jwk()] }).to_string()).expect("file");
        let mut config = config();
        config.assertions.trusted = vec![TrustedConfig {
            issuer: TRUSTED.to_owned(),
            jwks: file,
            jwks_uri: String::new(),
            algorithms: vec!["ES256".to_owned()],
            subject: "sub".to_owned(),
            longest: 300,
            enabled: true,
        }];
        config.registration.access = Access::Token;
        // If somebody asked, they would be answered, and it would be seen.
        config.outbound.allow =
            ["127.0.0.0/8", "::1"].map(|one| one.parse().expect("an exception")).to_vec();
        config.outbound.authorities = data.join("pki/ca.pem");
        let stand = Stand::with(scratch, data, BEGIN, config).await;
        stand.person().await;
        let signer = key();
        let scopes = ["openid", "a", "turnpike:introspect", "turnpike:register"];
        let client = Application {
            public: false,
            first_party: true,
            scopes: scopes.map(str::to_owned).to_vec(),
            grant_types: ["authorization_code", "client_credentials", BEARER, EXCHANGE, CIBA]
                .map(str::to_owned)
                .to_vec(),
            settings: Settings {
                jwks: json!({ "keys": [signer.public_jwk()] }).to_string(),
                ..Settings::default()
            },
            ..app()
        };
        let client = stand.register(client).await;
        let asserting = stand
            .register(Application {
                name: "asserting".to_owned(),
                settings: Settings {
                    method: "private_key_jwt".to_owned(),
                    algorithm: "ES256".to_owned(),
                    jwks: json!({ "keys": [signer.public_jwk()] }).to_string(),
                    ..Settings::default()
                },
                ..Application::default()
            })
            .await;
        let code = Browser::new(&stand).code(&wish(&client, &[])).await;
        let exchange = crate::browser::exchange_of(&client, &code, &[]);
        let exchange = exchange.basic(client.client.id.as_str(), &client.secret);
        let tokens = body(&stand.ask(&exchange).await);
        let own = text(&body(&stand.post("/token", &client, CREDENTIALS).await), "access_token");
        let places = places(&stand, &client, &asserting, (signer, trusted), (&tokens, &own));
        Self { stand, elsewhere, client, places }
    }

    /// What is heard when `token` is shown at a place.
    pub(crate) async fn show(&self, place: &Place, token: &str) -> String {
        let Some(request) = self.request(place.name, token) else {
            return "it cannot be sent".to_owned();
        };
        let reply = self.stand.ask(&request).await;
        match place.name {
            "introspection" => body(&reply)["active"].to_string(),
            "logout hint" => reply.status().as_str().to_owned(),
            _ => said(&reply),
        }
    }

    fn request(&self, place: &str, token: &str) -> Option<Request> {
        let (id, secret) = (self.client.client.id.as_str(), self.client.secret.as_str());
        let field = |scheme: &str| HeaderValue::from_str(&format!("{scheme}{token}")).ok();
        let form =
            |path: &str, pairs: &[(&str, &str)]| post(path, &encode(pairs)).basic(id, secret);
        let subject = |kind| {
            form(
                "/token",
                &[("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", kind)],
            )
        };
        Some(match place {
            "userinfo" => {
                let mut request = Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
                request.headers.insert("authorization", field("Bearer ")?);
                request
            }
            "introspection" => form("/introspect", &[("token", token)]),
            "registration" => {
                let mut request = post("/oauth2/register", "");
                request
                    .headers
                    .insert("content-type", HeaderValue::from_static("application/json"));
                request.headers.insert("authorization", field("Bearer ")?);
                let metadata = json!({ "redirect_uris": [CALLBACK] });
                Request { body: Some(Bytes::from(metadata.to_string())), ..request }
            }
            "exchange" => subject(ACCESS),
            "exchange of an ID token" => subject(ID),
            "client assertion" => post(
                "/token",
                &encode(&[
                    ("grant_type", "client_credentials"),
                    ("client_assertion_type", ASSERTION),
                    ("client_assertion", token),
                ]),
            ),
            "request object" => form("/par", &[("request", token)]),
            "DPoP proof" => {
                let mut request = post("/token", CREDENTIALS).basic(id, secret);
                request.headers.insert("dpop", field("")?);
                request
            }
            "logout hint" => {
                let query = Some(encode(&[("id_token_hint", token)]));
                Request { method: Method::GET, query, ..post("/oauth2/logout", "") }
            }
            "CIBA hint" => form("/bc-authorize", &[("scope", "openid"), ("id_token_hint", token)]),
            "JWT bearer" => form("/token", &[("grant_type", BEARER), ("assertion", token)]),
            other => panic!("{other} is no place"),
        })
    }
}

const CREDENTIALS: &str = "grant_type=client_credentials&scope=turnpike:register";

fn places(
    stand: &Stand,
    client: &Registered,
    asserting: &Registered,
    (signer, trusted): (SigningKey, SigningKey),
    (tokens, machine): (&Value, &str),
) -> Vec<Place> {
    let ours = &own(stand);
    let (id, asserting) = (client.client.id.as_str(), asserting.client.id.as_str());
    let access = text(tokens, "access_token");
    let id_token = text(tokens, "id_token");
    let of = |token: &str| (part(token, 0), part(token, 1));
    let about = |iss: &str, sub: &str, seconds: i64| {
        json!({ "iss": iss, "sub": sub, "aud": ISSUER, "iat": BEGIN, "exp": BEGIN + seconds,
                "jti": "" })
    };
    let header =
        |key: &SigningKey, typ: &str| json!({ "alg": "ES256", "kid": key.kid(), "typ": typ });
    let object = changed(
        about(id, id, 300),
        &json!({
            "client_id": id, "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid a",
            "code_challenge": challenge(crate::browser::VERIFIER), "code_challenge_method": "S256",
        }),
    );
    let shown = key();
    let jwk = shown.public_jwk();
    let jwk = changed(jwk, &json!({ "kid": null, "alg": null, "use": null }));
    let proof = json!({
        "jti": "", "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": BEGIN,
    });
    let place = |name, key: &SigningKey, (header, claims), (taken, refused), types| Place {
        name,
        key: copy(key),
        header,
        claims,
        taken,
        refused,
        types,
    };
    let grant = ("200", "400 invalid_grant");
    let at: &[&str] = &["at+jwt"];
    let jwt: &[&str] = &["JWT"];
    vec![
        place("userinfo", ours, of(&access), ("200", "401 invalid_token"), at),
        place("introspection", ours, of(&access), ("true", "false"), at),
        place("registration", ours, of(machine), ("201", "401 invalid_token"), at),
        place("exchange", ours, of(&access), grant, at),
        place("exchange of an ID token", ours, of(&id_token), grant, jwt),
        place("logout hint", ours, of(&id_token), ("200", "400"), jwt),
        place("CIBA hint", ours, of(&id_token), ("200", "400 invalid_request"), jwt),
        place(
            "client assertion",
            &signer,
            (header(&signer, "JWT"), about(asserting, asserting, 60)),
            ("200", "401 invalid_client"),
            &["JWT", "client-authentication+jwt"],
        ),
        place(
            "request object",
            &signer,
            (header(&signer, "oauth-authz-req+jwt"), object),
            ("201", "400 invalid_request_object"),
            &["JWT", "oauth-authz-req+jwt"],
        ),
        place(
            "JWT bearer",
            &trusted,
            (header(&trusted, "JWT"), about(TRUSTED, "ann", 60)),
            grant,
            jwt,
        ),
        place(
            "DPoP proof",
            &shown,
            (json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }), proof),
            ("200", "400 invalid_dpop_proof"),
            &["dpop+jwt"],
        ),
    ]
}
