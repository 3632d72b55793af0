//! Can a client use the password of its person, and only where that was turned on? (KM-034)

use key_manager::accounts;
use key_manager::endpoint::Issuer;
use key_manager::registration::{Application, Registered, RegistrationError, register};
use key_manager::store::{Store as _, StoredPasskey};

use crate::authenticator::ORIGIN;
use crate::browser::{PASSWORD, encode};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Stand, config, json, part, said, text};

async fn stand(scratch: &Scratch) -> Stand {
    let mut config = config();
    // Where passkeys can be used.
    config.issuer.url = Issuer::parse(&format!("{ORIGIN}/oauth2")).expect("an issuer");
    config.login.password_grant = true;
    config.login.failures = 3;
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

fn old() -> Application {
    Application {
        name: "old".to_owned(),
        grant_types: ["password", "refresh_token"].map(str::to_owned).to_vec(),
        scopes: ["openid", "a"].map(str::to_owned).to_vec(),
        ..Application::default()
    }
}

async fn ask(stand: &Stand, client: &Registered, name: &str, password: &str) -> String {
    let pairs = [("grant_type", "password"), ("username", name), ("password", password)];
    let reply = stand.post("/oauth2/token", client, &encode(&pairs)).await;
    if reply.status() == 200 { text(&json(&reply), "access_token") } else { said(&reply) }
}

#[tokio::test]
async fn a_password_gives_tokens_like_a_login() {
    each(async |scratch| {
        let stand = stand(&scratch).await;
        let ann = stand.person().await;
        let client = stand.register(old()).await;
        let pairs = [("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
        let tokens = json(&stand.post("/oauth2/token", &client, &encode(&pairs)).await);
        let identity = part(&text(&tokens, "id_token"), 1);
        assert_eq!((&identity["sub"], &identity["amr"]), (&ann.id.into(), &["pwd"].into()));
        let refreshed =
            [("grant_type", "refresh_token"), ("refresh_token", &text(&tokens, "refresh_token"))];
        let reply = stand.post("/oauth2/token", &client, &encode(&refreshed)).await;
        assert_eq!(said(&reply), "200");
        assert!(stand.lives(&text(&json(&reply), "access_token")).await);
    })
    .await;
}

#[tokio::test]
async fn what_is_issued_between_two_ends_in_a_second_ends_with_the_second_one() {
    each(async |scratch| {
        let stand = stand(&scratch).await;
        let (ann, client) = (stand.person().await, stand.register(old()).await);
        let log = &stand.authority.log;
        let token = async || ask(&stand, &client, "ann", PASSWORD).await;
        log.end_client(&client.client.id).await.expect("ended");
        let first = token().await;
        log.end_subject(&ann.id).await.expect("ended");
        let second = token().await;
        log.end_client(&client.client.id).await.expect("ended");
        let last = token().await;
        // Nobody else is dated ahead for it.
        let other = stand.client(&[]).await;
        assert_eq!(part(&stand.token(&other).await, 1)["iat"], BEGIN);
        stand.pass(10);
        assert!(!stand.active(&client, &first).await, "by the end of the person");
        assert!(!stand.active(&client, &second).await, "by the second end of the client");
        assert!(stand.active(&client, &last).await);
    })
    .await;
}

#[tokio::test]
async fn guesses_count_as_at_a_login_and_nobody_learns_who_is_here() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    stand.person().await;
    let client = stand.register(old()).await;
    for (name, password) in [("ann", "wrong"), ("nobody", PASSWORD), ("", ""), ("ann", "")] {
        assert_eq!(ask(&stand, &client, name, password).await, "400 invalid_grant", "{name}");
    }
    for _ in 0..4 {
        assert_eq!(ask(&stand, &client, "ann", "wrong").await, "400 invalid_grant");
    }
    assert_eq!(ask(&stand, &client, "ann", PASSWORD).await, "400 invalid_grant", "locked out");
}

#[tokio::test]
async fn who_needs_a_second_factor_gets_nothing_for_a_password() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.login.password_grant = true;
    config.login.mfa = key_manager::endpoint::Mfa::Required;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    let client = stand.register(old()).await;
    assert_eq!(ask(&stand, &client, "ann", PASSWORD).await, "400 invalid_grant");
}

#[tokio::test]
async fn who_has_set_up_a_passkey_gets_nothing_for_a_password() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    let ann = stand.person().await;
    let client = stand.register(old()).await;
    let passkey = StoredPasskey {
        id: "p1".to_owned(),
        user_id: ann.id,
        name: "key".to_owned(),
        key: "AA".to_owned(),
        counter: 0,
        synced: false,
        created_at: BEGIN,
        used_at: 0,
    };
    assert!(ask(&stand, &client, "ann", PASSWORD).await.starts_with("ey"));
    assert!(stand.store.add_passkey(&passkey, 20).await.expect("added"));
    assert_eq!(ask(&stand, &client, "ann", PASSWORD).await, "400 invalid_grant");
}

#[tokio::test]
async fn it_is_off_unless_it_was_turned_on() {
    let scratch = Scratch::sqlite();
    let usual = Stand::on(&scratch).await;
    accounts::create(&usual.authority, "ann", PASSWORD, "").await.expect("an account");
    let refused = register(&usual.authority, &old()).await;
    assert!(matches!(refused, Err(RegistrationError::Grant(_))), "{refused:?}");
    let plain = usual.client(&["a"]).await;
    assert_eq!(ask(&usual, &plain, "ann", PASSWORD).await, "400 unsupported_grant_type");
    let on = stand(&Scratch::sqlite()).await;
    let plain = on.client(&["a"]).await;
    assert_eq!(ask(&on, &plain, "ann", PASSWORD).await, "400 unauthorized_client");
    let public = register(&on.authority, &Application { public: true, ..old() }).await;
    assert!(public.is_err(), "a public client may not");
}
