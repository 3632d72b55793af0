//! Can a client be registered for a profile and step outside it? (KM-052, KM-056)

use key_manager::client_auth::Settings;
use key_manager::registration::{Application, WantedTerms, register};

use crate::browser::app;
use crate::databases::Scratch;
use crate::stand::{BEGIN, Stand, config};

const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k1",
    "x":"PCrzGS-6h8LmcQ2NdhvedmdSiBIOf6I5uHiYJQg5Q-M",
    "y":"pUY_XFeq6QUbYuaDcGPTlCuHcR5LQ6AKoHi6NHnKlV4"}]}"#;

fn good() -> Application {
    Application {
        public: false,
        settings: Settings {
            method: "private_key_jwt".to_owned(),
            jwks: KEYS.to_owned(),
            dpop_bound: true,
            ..Settings::default()
        },
        terms: WantedTerms { profile: "fapi2".to_owned(), ..WantedTerms::default() },
        ..app()
    }
}

/// `said` is part of what is refused; empty: nothing is.
async fn check(change: impl FnOnce(&mut Application), said: &str) {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.clients.legacy_response_types = true;
    config.certificates.accept = true;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let mut application = good();
    change(&mut application);
    match register(&stand.authority, &application).await {
        Ok(registered) => {
            assert_eq!(said, "", "{application:?}");
            assert!(registered.client.requests.pushed, "its requests need not be pushed");
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!said.is_empty() && error.contains(said), "{error}, not {said}");
        }
    }
}

#[tokio::test]
async fn what_is_outside_the_profile_cannot_be_registered() {
    check(|_| {}, "").await;
    check(|one| one.settings.method = "self_signed_tls_client_auth".to_owned(), "").await;
    check(|one| one.settings.method = "client_secret_basic".to_owned(), "private_key_jwt").await;
    check(|one| one.settings.method = "client_secret_jwt".to_owned(), "private_key_jwt").await;
    check(|one| one.settings.dpop_bound = false, "bound to a key").await;
    check(|one| one.requests.without_pkce = true, "PKCE").await;
    check(|one| one.refresh = "rotate".to_owned(), "static").await;
    check(|one| one.algorithm = "RS256".to_owned(), "RS256").await;
    check(|one| one.terms.response_types = vec!["code id_token".to_owned()], "`code`").await;
    check(|one| one.terms.profile = "fapi9".to_owned(), "client_profile").await;
    check(
        |one| {
            one.public = true;
            one.settings = Settings { dpop_bound: true, ..Settings::default() };
        },
        "private_key_jwt",
    )
    .await;
}
