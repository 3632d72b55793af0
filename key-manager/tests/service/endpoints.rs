//! Does a client get what the RFCs promise it?

use http::Method;
use jose::{Expectation, KeySet};
use key_manager::endpoint::{Peer, Request, introspect_for_gateway};
use key_manager::registration::{Application, remove};

use crate::databases::each;
use crate::stand::{BEGIN, Dressed, Stand, json, part, post, said, text};

#[tokio::test]
async fn a_token_verifies_with_the_published_keys_and_says_what_rfc_9068_asks() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&["orders.read", "orders.write"]).await;
        let reply = stand.post("/oauth2/token", &client, "grant_type=client_credentials").await;
        let header = |name: &str| reply.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("pragma"), "no-cache");

        let body = json(&reply);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3600);
        assert_eq!(body["scope"], "orders.read orders.write");
        assert_eq!(body.as_object().expect("an object").len(), 4);

        let token = text(&body, "access_token");
        let keys = stand.get("/oauth2/jwks").await;
        let keys = KeySet::parse(std::str::from_utf8(keys.body()).expect("text")).expect("keys");
        let mut expect = Expectation::access_token("https://127.0.0.1:9453/oauth2");
        expect.audiences = vec!["turnpike".to_owned()];
        let claims = jose::verify(&token, &keys, &expect, BEGIN).expect("a good token");
        let id = client.client.id.to_string();
        assert_eq!(claims.subject.as_ref(), Some(&id));
        assert_eq!(claims.client_id.as_ref(), Some(&id));
        assert_eq!((claims.issued_at, claims.expires_at), (Some(BEGIN), BEGIN + 3600));
        assert_eq!(claims.jti.as_ref().map(String::len), Some(22));
        assert_eq!(claims.scopes, ["orders.read", "orders.write"]);
        assert_eq!(claims.audience, ["turnpike"]);
        assert!(claims.other.is_empty(), "{:?}", claims.other);
        assert_eq!(part(&token, 0)["typ"], "at+jwt");
        assert_eq!(part(&token, 0)["alg"], "ES256");
        assert_eq!(part(&token, 0)["kid"], stand.kids().await[0]);
    })
    .await;
}

#[tokio::test]
async fn both_ways_to_show_a_secret_work_under_every_name_of_the_endpoint() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&[]).await;
        let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        for path in ["/oauth2/token", "/token"] {
            assert_eq!(said(&stand.ask(&post(path, &form)).await), "200");
            let basic = stand.post(path, &client, "grant_type=client_credentials").await;
            assert_eq!(said(&basic), "200");
            assert!(json(&basic).get("scope").is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_has_what_was_asked_for_and_nothing_that_was_not_allowed() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&["a", "b"]).await;
        let ask = async |more: &str| {
            let form = format!("grant_type=client_credentials{more}");
            let reply = stand.post("/token", &client, &form).await;
            let body = json(&reply);
            let scope = body["scope"].as_str().unwrap_or_default();
            format!("{} {scope}", said(&reply)).trim().to_owned()
        };
        assert_eq!(ask("").await, "200 a b");
        assert_eq!(ask("&scope=").await, "200 a b");
        assert_eq!(ask("&scope=b").await, "200 b");
        assert_eq!(ask("&scope=b+a+b").await, "200 a b");
        assert_eq!(ask("&scope=a+c").await, "400 invalid_scope");
        assert_eq!(ask("&scope=A").await, "400 invalid_scope");
        assert_eq!(ask("&scope=a%22").await, "400 invalid_scope");
        assert_eq!(ask("&resource=turnpike&resource=turnpike").await, "200 a b");
        assert_eq!(ask("&resource=turnpike&resource=https://other").await, "400 invalid_target");
    })
    .await;
}

#[tokio::test]
async fn a_client_may_have_its_own_algorithm_and_life() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let other = stand.client(&[]).await;
        let client = stand
            .register(Application {
                name: "old gateway".to_owned(),
                algorithm: "RS256".to_owned(),
                access_token_seconds: 60,
                ..Application::default()
            })
            .await;
        let token = stand.token(&client).await;
        assert_eq!(part(&token, 0)["alg"], "RS256");
        assert_eq!(part(&token, 1)["exp"], BEGIN + 60);
        assert!(stand.active(&client, &token).await);
        assert_eq!(stand.kids().await.len(), 4, "two for each algorithm");
        assert_eq!(part(&stand.token(&other).await, 0)["alg"], "ES256");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_the_operator_lets_hears_about_every_token() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (client, other) = (stand.client(&["a"]).await, stand.client(&["a"]).await);
        let proxy = stand.client(&["turnpike:introspect"]).await;
        let token = stand.token(&client).await;
        assert!(!stand.active(&other, &token).await);
        assert!(stand.active(&proxy, &token).await);
    })
    .await;
}

#[tokio::test]
async fn a_client_hears_about_its_own_tokens_only() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, ben) = (stand.client(&["a"]).await, stand.client(&["a"]).await);
        let token = stand.token(&ann).await;
        let reply =
            stand.post("/introspect", &ann, &format!("token={token}&token_type_hint=x")).await;
        let body = json(&reply);
        let claims = part(&token, 1);
        for claim in ["iss", "sub", "client_id", "iat", "exp", "jti", "scope"] {
            assert_eq!(body[claim], claims[claim], "{claim}");
        }
        assert_eq!(body["active"], true);
        assert_eq!(body["aud"], serde_json::json!(["turnpike"]));
        assert_eq!(reply.headers()["cache-control"], "no-store");

        let inactive = stand.post("/introspect", &ben, &format!("token={token}")).await;
        assert_eq!(json(&inactive), serde_json::json!({ "active": false }));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_living_token_is_inactive_and_never_an_error() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&[]).await;
        let token = stand.token(&client).await;
        let cut = token.get(..token.len() - 2).expect("a part");
        let other = format!("{}.{}", token.rsplit_once('.').expect("a token").0, "A".repeat(86));
        let long = "x".repeat(60_000);
        for bad in ["garbage", "a.b.c", cut, &other, &long, "eyJhbGciOiJub25lIn0.e30."] {
            assert!(!stand.active(&client, bad).await, "{bad}");
        }
        assert!(stand.active(&client, &token).await);
        stand.pass(3599);
        assert!(stand.active(&client, &token).await);
        stand.pass(1);
        assert!(!stand.active(&client, &token).await);
    })
    .await;
}

#[tokio::test]
async fn a_client_ends_its_own_tokens_and_no_others() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, ben) = (stand.client(&[]).await, stand.client(&[]).await);
        let (token, other) = (stand.token(&ann).await, stand.token(&ann).await);
        let revoke = async |client, token: &str| {
            said(&stand.post("/oauth2/revoke", client, &format!("token={token}")).await)
        };
        assert_eq!(revoke(&ben, &token).await, "400 unauthorized_client");
        assert!(stand.active(&ann, &token).await);
        assert_eq!(revoke(&ann, &token).await, "200");
        assert!(!stand.active(&ann, &token).await);
        assert!(stand.active(&ann, &other).await);
        // What has ended or never was is no error (RFC 7009 section 2.2).
        assert_eq!(revoke(&ann, &token).await, "200");
        assert_eq!(revoke(&ann, "garbage").await, "200");
        assert_eq!(revoke(&ben, "garbage").await, "200");
    })
    .await;
}

#[tokio::test]
async fn a_removed_client_gets_nothing_and_its_tokens_end() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, ben) = (stand.client(&[]).await, stand.client(&[]).await);
        let token = stand.token(&ann).await;
        let kept = stand.token(&ben).await;
        let before = stand.authority.clone();
        assert!(remove(&before, &ann.client.id).await.expect("removed"));
        assert!(!remove(&before, &ann.client.id).await.expect("gone"));
        let asked = stand.post("/token", &ann, "grant_type=client_credentials").await;
        assert_eq!(said(&asked), "401 invalid_client");
        assert!(introspect_for_gateway(&before, &token).await.expect("an answer").is_none());
        assert!(introspect_for_gateway(&before, &kept).await.expect("an answer").is_some());
    })
    .await;
}

#[tokio::test]
async fn discovery_announces_what_works_and_nothing_else() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let oidc = stand.get("/.well-known/openid-configuration").await;
    let oauth = stand.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(oidc.body(), oauth.body());
    assert_eq!(oidc.headers()["cache-control"], "public, max-age=3600");
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&oidc)).expect("text"), @r#"
    {
      "acr_values_supported": [
        "urn:turnpike:acr:password",
        "urn:turnpike:acr:mfa"
      ],
      "authorization_details_types_supported": [],
      "authorization_endpoint": "https://127.0.0.1:9453/oauth2/authorize",
      "authorization_response_iss_parameter_supported": true,
      "authorization_signing_alg_values_supported": [
        "ES256",
        "RS256",
        "ES384",
        "PS256",
        "EdDSA"
      ],
      "backchannel_authentication_endpoint": "https://127.0.0.1:9453/oauth2/bc-authorize",
      "backchannel_logout_session_supported": true,
      "backchannel_logout_supported": true,
      "backchannel_token_delivery_modes_supported": [
        "poll",
        "ping"
      ],
      "backchannel_user_code_parameter_supported": false,
      "claims_parameter_supported": true,
      "claims_supported": [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
        "amr",
        "nonce",
        "at_hash",
        "sid",
        "preferred_username",
        "updated_at",
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "address",
        "roles"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "device_authorization_endpoint": "https://127.0.0.1:9453/oauth2/device_authorization",
      "dpop_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "PS256",
        "EdDSA"
      ],
      "end_session_endpoint": "https://127.0.0.1:9453/oauth2/logout",
      "frontchannel_logout_session_supported": true,
      "frontchannel_logout_supported": true,
      "grant_types_supported": [
        "authorization_code",
        "urn:openid:params:grant-type:ciba",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange"
      ],
      "id_token_signing_alg_values_supported": [
        "ES256",
        "RS256",
        "ES384",
        "PS256",
        "EdDSA"
      ],
      "introspection_endpoint": "https://127.0.0.1:9453/oauth2/introspect",
      "introspection_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt"
      ],
      "introspection_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "PS256",
        "PS384",
        "PS512",
        "EdDSA",
        "RS256",
        "HS256"
      ],
      "introspection_signing_alg_values_supported": [
        "ES256",
        "RS256",
        "ES384",
        "PS256",
        "EdDSA"
      ],
      "issuer": "https://127.0.0.1:9453/oauth2",
      "jwks_uri": "https://127.0.0.1:9453/oauth2/jwks",
      "prompt_values_supported": [
        "none",
        "login",
        "consent",
        "select_account"
      ],
      "pushed_authorization_request_endpoint": "https://127.0.0.1:9453/oauth2/par",
      "request_object_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "PS256",
        "PS384",
        "PS512",
        "EdDSA",
        "RS256"
      ],
      "request_parameter_supported": true,
      "request_uri_parameter_supported": true,
      "require_pushed_authorization_requests": false,
      "require_request_uri_registration": true,
      "response_modes_supported": [
        "query",
        "fragment",
        "form_post",
        "jwt",
        "query.jwt",
        "fragment.jwt",
        "form_post.jwt"
      ],
      "response_types_supported": [
        "code"
      ],
      "revocation_endpoint": "https://127.0.0.1:9453/oauth2/revoke",
      "revocation_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "none"
      ],
      "revocation_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "PS256",
        "PS384",
        "PS512",
        "EdDSA",
        "RS256",
        "HS256"
      ],
      "scopes_supported": [
        "openid",
        "profile",
        "email",
        "address",
        "phone"
      ],
      "subject_types_supported": [
        "public"
      ],
      "tls_client_certificate_bound_access_tokens": false,
      "token_endpoint": "https://127.0.0.1:9453/oauth2/token",
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "none"
      ],
      "token_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "PS256",
        "PS384",
        "PS512",
        "EdDSA",
        "RS256",
        "HS256"
      ],
      "userinfo_endpoint": "https://127.0.0.1:9453/oauth2/userinfo",
      "userinfo_signing_alg_values_supported": [
        "ES256",
        "RS256",
        "ES384",
        "PS256",
        "EdDSA"
      ]
    }
    "#);
    // Whatever host a request names, the issuer stays (KM-001).
    let poisoned = Request { method: Method::GET, ..post("/.well-known/openid-configuration", "") };
    let poisoned =
        poisoned.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    assert_eq!(stand.ask(&poisoned).await.body(), oidc.body());
}

#[tokio::test]
async fn secrets_do_not_travel_in_the_clear_except_on_the_own_machine() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let ask = async |address: &str, secure| {
        let form = "grant_type=client_credentials";
        let request = post("/token", form).basic(client.client.id.as_str(), &client.secret);
        let address = Some(address.parse().expect("an address"));
        let peer = Peer { address, certificate: None, secure };
        said(&stand.ask(&Request { peer, ..request }).await)
    };
    assert_eq!(ask("192.0.2.1", true).await, "200");
    assert_eq!(ask("192.0.2.1", false).await, "400 invalid_request");
    assert_eq!(ask("127.0.0.1", false).await, "200");
    assert_eq!(ask("::ffff:127.0.0.1", false).await, "200");
}

/// RFC 9701: who wants a proof gets one, for itself.
#[tokio::test]
async fn introspection_is_signed_for_whoever_asks_for_that() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&["a"]).await;
        let token = stand.token(&client).await;
        let keys =
            KeySet::parse(&json(&stand.get("/oauth2/jwks").await).to_string()).expect("keys");
        let plain = post("/oauth2/introspect", &format!("token={token}"))
            .basic(client.client.id.as_str(), &client.secret)
            .header("accept", "application/token-introspection+jwt;q=0, application/json");
        assert_eq!(stand.ask(&plain).await.headers()["content-type"], "application/json");
        for (shown, active) in [(token.as_str(), true), ("nonsense", false)] {
            let request = post("/oauth2/introspect", &format!("token={shown}"))
                .basic(client.client.id.as_str(), &client.secret)
                .header("accept", "application/token-introspection+jwt");
            let reply = stand.ask(&request).await;
            assert_eq!(reply.headers()["content-type"], "application/token-introspection+jwt");
            let signed = String::from_utf8(reply.body().to_vec()).expect("text");
            let header = part(&signed, 0);
            assert_eq!(header["typ"], "token-introspection+jwt");
            let claims = part(&signed, 1);
            assert_eq!(claims["iss"], "https://127.0.0.1:9453/oauth2");
            assert_eq!(claims["aud"], client.client.id.as_str());
            assert_eq!(claims["token_introspection"]["active"], active);
            // It has no `exp`, so it passes for no token of any kind.
            let expect = Expectation {
                types: vec!["token-introspection+jwt".to_owned()],
                ..Expectation::access_token("https://127.0.0.1:9453/oauth2")
            };
            let judged = jose::verify(&signed, &keys, &expect, BEGIN);
            assert_eq!(judged.err(), Some(jose::Refusal::NoExpiry), "the signature holds");
        }
    })
    .await;
}
