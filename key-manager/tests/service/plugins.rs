//! What can a grant of the operator's do, and what does it only try? (KM-042, decision D8)

use key_manager::accounts;
use key_manager::client_auth::Settings;
use key_manager::registration::{Application, register};
use prost_types::Timestamp;
use serde_json::json;
use turnpike_proto::identity::v1::approve::Subject;
use turnpike_proto::identity::v1::grant_decision::Decision;
use turnpike_proto::identity::v1::{
    Approve, AudienceBound, ClientSubject, Deny, GrantDecision, GrantDescriptor, Pending,
    ScopeBound, SingleUse,
};

use crate::browser::{Browser, wish};
use crate::databases::{Scratch, each};
use crate::kiosk::{Does, Kiosk, TYPE, ann, application, descriptor, plugin};
use crate::stand::{BEGIN, Stand, config, json as body, post, said, text};

/// Parameters beside those of a good request.
type More<'m> = &'m [(&'m str, &'m str)];

fn scopes(names: &[&str]) -> ScopeBound {
    ScopeBound { scopes: names.iter().map(|&name| name.to_owned()).collect() }
}

fn audiences(names: &[&str]) -> AudienceBound {
    AudienceBound { audiences: names.iter().map(|&name| name.to_owned()).collect() }
}

fn named(name: &str) -> Approve {
    Approve { subject: Some(Subject::UserName(name.to_owned())), ..Approve::default() }
}

fn deny(error: &str) -> Deny {
    Deny { error: error.to_owned(), description: "no \"more\"".to_owned(), ..Deny::default() }
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

#[tokio::test]
async fn a_plugin_narrows_and_never_widens() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::on(&scratch).await;
    let ben = accounts::create(&kiosk.stand.authority, "ben", "correct horse battery", "").await;
    let ben = ben.expect("an account");
    accounts::disable(&kiosk.stand.authority, &ben.id, true).await.expect("disabled");
    let wild = json!({
        "kiosk": 7, "sub": "root", "scope": "admin", "exp": 9_999_999_999_i64, "cnf": {},
        "roles": ["admin"], "other": 1, "undeclared": 1, "km": {}, "client_id": "x", "amr": ["mfa"],
    });
    let table: Vec<(&str, Approve, More<'_>, &str)> = vec![
        ("as it is", ann(), &[], "a b | turnpike 3600"),
        (
            "fewer scopes",
            Approve { max_scope: Some(scopes(&["a"])), ..ann() },
            &[],
            "a | turnpike 3600",
        ),
        (
            "scopes that the client may not have",
            Approve { max_scope: Some(scopes(&["a", "z", "openid"])), ..ann() },
            &[],
            "a | turnpike 3600",
        ),
        ("no scope", Approve { max_scope: Some(scopes(&[])), ..ann() }, &[], "- | turnpike 3600"),
        ("fewer are asked for", ann(), &[("scope", "b")], "b | turnpike 3600"),
        (
            "what it took away is asked for",
            Approve { max_scope: Some(scopes(&["a"])), ..ann() },
            &[("scope", "a b")],
            "400 invalid_scope",
        ),
        ("who logged in is asked for", ann(), &[("scope", "openid")], "400 invalid_scope"),
        (
            "another audience",
            Approve { max_audience: Some(audiences(&["https://other"])), ..ann() },
            &[],
            "400 invalid_grant",
        ),
        (
            "one more audience",
            Approve { max_audience: Some(audiences(&["turnpike", "https://other"])), ..ann() },
            &[],
            "a b | turnpike 3600",
        ),
        ("another one is asked for", ann(), &[("resource", "https://x")], "400 invalid_target"),
        (
            "nobody's",
            Approve { max_audience: Some(audiences(&[])), ..ann() },
            &[],
            "503 temporarily_unavailable",
        ),
        ("a shorter life", Approve { max_access_seconds: 60, ..ann() }, &[], "a b | turnpike 60"),
        (
            "a longer life",
            Approve { max_access_seconds: 86_400, ..ann() },
            &[],
            "a b | turnpike 3600",
        ),
        (
            "claims of ours",
            Approve { claims: wild.to_string(), ..ann() },
            &[],
            "a b | turnpike 3600  {\"kiosk\":7}",
        ),
        (
            "no claims",
            Approve { claims: "[]".to_owned(), ..ann() },
            &[],
            "503 temporarily_unavailable",
        ),
        ("a refresh token", Approve { refresh: true, ..ann() }, &[], "a b | turnpike 3600 refresh"),
        (
            "one for a short life",
            Approve { refresh: true, max_access_seconds: 60, ..ann() },
            &[],
            "a b | turnpike 60",
        ),
        ("nobody", Approve::default(), &[], "503 temporarily_unavailable"),
        ("a stranger", named("eve"), &[], "400 invalid_grant"),
        ("a name that is none", named("e ve"), &[], "400 invalid_grant"),
        ("somebody who may not log in", named("ben"), &[], "400 invalid_grant"),
        (
            "the same by the identifier",
            Approve { subject: Some(Subject::UserId(ben.id.clone())), ..Approve::default() },
            &[],
            "400 invalid_grant",
        ),
        (
            "a login of tomorrow",
            Approve { authenticated_at: Some(at(BEGIN + 86_400)), ..ann() },
            &[],
            "503 temporarily_unavailable",
        ),
    ];
    for (what, approve, more, outcome) in table {
        let got = kiosk.outcome(&kiosk.client, Decision::Approve(approve), more).await;
        assert_eq!(got, outcome, "{what}");
        // The pause after failures.
        kiosk.stand.pass(10);
    }
}

#[tokio::test]
async fn what_a_plugin_leaves_out_is_still_asked() {
    each(async |scratch| {
        let kiosk = Kiosk::on(&scratch).await;
        let (app, agreed) = (&kiosk.foreign, Approve { consent_already_given: true, ..ann() });
        let unasked = kiosk.outcome(app, Decision::Approve(ann()), &[]).await;
        assert_eq!(unasked, "400 invalid_grant", "she has agreed to nothing");
        let claimed = kiosk.outcome(app, Decision::Approve(agreed.clone()), &[]).await;
        assert_eq!(claimed, "400 invalid_grant", "its word does not count");
        Browser::new(&kiosk.stand).code(&wish(app, &[("scope", "openid a")])).await;
        let some = kiosk.outcome(app, Decision::Approve(agreed), &[]).await;
        assert_eq!(some, "a | turnpike 3600");

        // Who is locked out stays out.
        let guess = Deny {
            count_as_auth_failure: true,
            lockout_subject: " ANN ".to_owned(),
            ..deny("invalid_grant")
        };
        for _ in 0..=31 {
            let answer = kiosk.outcome(app, Decision::Deny(guess.clone()), &[]).await;
            assert_eq!(answer, "400 invalid_grant");
        }
        let locked = kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &[]).await;
        assert_eq!(locked, "400 invalid_grant");
        kiosk.stand.pass(24 * 3600);
        let later = kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &[]).await;
        assert_eq!(later, "a b | turnpike 3600");
    })
    .await;
}

#[tokio::test]
async fn its_word_on_consent_counts_where_it_is_configured() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::with(&scratch, descriptor(), |plugin, _| plugin.consent = true).await;
    let unsaid = kiosk.outcome(&kiosk.foreign, Decision::Approve(ann()), &[]).await;
    assert_eq!(unsaid, "400 invalid_grant");
    let agreed = Approve { consent_already_given: true, ..ann() };
    let said = kiosk.outcome(&kiosk.foreign, Decision::Approve(agreed), &[]).await;
    assert_eq!(said, "a b | turnpike 3600");
}

#[tokio::test]
async fn guesses_count_for_their_network_and_others_do_not() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::with(&scratch, descriptor(), |_, login| login.failures_of_network = 2).await;
    for _ in 0..5 {
        let answer = kiosk.outcome(&kiosk.client, Decision::Deny(deny("invalid_grant")), &[]).await;
        assert_eq!(answer, "400 invalid_grant");
    }
    let guess = Deny { count_as_auth_failure: true, ..deny("voucher_used") };
    for _ in 0..2 {
        let answer = kiosk.outcome(&kiosk.client, Decision::Deny(guess.clone()), &[]).await;
        assert_eq!(answer, "400 voucher_used");
    }
    let asked = kiosk.times();
    for _ in 0..2 {
        let answer = kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &[]).await;
        assert_eq!(answer, "400 invalid_grant");
    }
    assert_eq!(kiosk.times(), asked, "it is not asked for a network that has to wait");
}

#[tokio::test]
async fn a_plugin_that_is_down_slow_or_wrong_holds_up_nobody_else() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::on(&scratch).await;
    let giant = Approve { claims: format!("{{\"kiosk\":\"{}\"}}", "x".repeat(100_000)), ..ann() };
    let giant = GrantDecision { decision: Some(Decision::Approve(giant)) };
    let nothing = GrantDecision { decision: None };
    for does in [Does::Hang, Does::Fail, Does::Say(giant), Does::Say(nothing)] {
        kiosk.does(does);
        let reply = kiosk.ask(&kiosk.client, &[]).await;
        assert_eq!(said(&reply), "503 temporarily_unavailable");
        assert_eq!(reply.headers()["retry-after"], "1");
        kiosk.stand.pass(10);
    }
    // After three failures in a row it is left alone.
    kiosk.does(Does::Fail);
    let asked = kiosk.times();
    for _ in 0..6 {
        assert_eq!(said(&kiosk.ask(&kiosk.client, &[]).await), "503 temporarily_unavailable");
    }
    assert_eq!(kiosk.times(), asked + 1);
    let machine = kiosk.stand.client(&["a"]).await;
    kiosk.stand.token(&machine).await;
    kiosk.stand.pass(10);
    assert_eq!(
        kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &[]).await,
        "a b | turnpike 3600"
    );
}

#[tokio::test]
async fn one_that_never_answered_is_not_there_and_is_not_announced() {
    let scratch = Scratch::sqlite();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let mut config = config();
    config.plugins.grants = vec![plugin(address)];
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let client = stand.register(application(true)).await;
    for handler in stand.authority.grants.handlers() {
        handler.describe().await.expect_err("nobody is there");
    }
    let form = format!("grant_type={TYPE}&voucher=1");
    let reply = stand.post("/oauth2/token", &client, &form).await;
    assert_eq!(said(&reply), "503 temporarily_unavailable");
    let offered = body(&stand.get("/.well-known/openid-configuration").await);
    assert!(!offered["grant_types_supported"].to_string().contains(TYPE));
    let unknown = Application {
        grant_types: vec!["urn:example:grant-type:other".to_owned()],
        ..application(true)
    };
    assert!(register(&stand.authority, &unknown).await.is_err());
}

#[tokio::test]
async fn it_hears_what_it_declared_and_nothing_else() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::on(&scratch).await;
    let more = [("password", "p"), ("assertion", "x"), ("scope", "a"), ("resource", "turnpike")];
    let got = kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &more).await;
    assert_eq!(got, "a | turnpike 3600");
    let asked = kiosk.handler.asked.lock().expect("a lock").pop().expect("a question");
    assert_eq!(format!("{:?}", asked.parameters), "{\"voucher\": \"V-1\"}");
    assert_eq!(
        (asked.requested_scopes, asked.requested_audience),
        (vec!["a".into()], vec!["turnpike".into()])
    );
    assert_eq!(asked.client.expect("a client").client_id, kiosk.client.client.id.as_str());
    assert_eq!(asked.peer.expect("a peer").user_agent, "till/7");
    assert_eq!(
        (asked.issuer.as_str(), asked.grant_type.as_str()),
        ("https://127.0.0.1:9453/oauth2", TYPE)
    );

    let before = kiosk.times();
    let long = "x".repeat(65);
    let table: [(More<'_>, &str); 3] = [
        (&[("voucher", "")], "400 invalid_request"),
        (&[("voucher", &long)], "400 invalid_request"),
        (&[("pending_handle", "x")], "400 invalid_grant"),
    ];
    for (more, answer) in table {
        assert_eq!(said(&kiosk.ask(&kiosk.client, more).await), answer, "{more:?}");
    }
    // Who proves nothing, may not use it, or has no proof of its key is refused before.
    let id = kiosk.client.client.id.as_str();
    let form = format!("grant_type={TYPE}&voucher=1&client_id={id}");
    assert_eq!(said(&kiosk.stand.ask(&post("/oauth2/token", &form)).await), "401 invalid_client");
    let other = kiosk.stand.client(&["a"]).await;
    assert_eq!(said(&kiosk.ask(&other, &[]).await), "400 unauthorized_client");
    let settings = Settings { dpop_bound: true, ..Settings::default() };
    let bound = kiosk.stand.register(Application { settings, ..application(true) }).await;
    assert_eq!(said(&kiosk.ask(&bound, &[]).await), "400 invalid_dpop_proof");
    let public = Application { public: true, ..application(false) };
    assert!(register(&kiosk.stand.authority, &public).await.is_err(), "not for public clients");
    assert_eq!(kiosk.times(), before, "it was not asked");
}

#[tokio::test]
async fn its_refusals_are_its_own_as_far_as_it_declared_them() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::on(&scratch).await;
    let table = [
        ("voucher_used", "400 voucher_used"),
        ("access_denied", "400 access_denied"),
        ("transaction_failed", "400 transaction_failed"),
        ("invalid_client", "400 invalid_grant"),
        ("server_error", "400 invalid_grant"),
        ("unknown", "400 invalid_grant"),
        ("", "400 invalid_grant"),
    ];
    for (error, answer) in table {
        let got = kiosk.outcome(&kiosk.client, Decision::Deny(deny(error)), &[]).await;
        assert_eq!(got, answer, "{error}");
    }
    kiosk.says(Decision::Deny(Deny { description: "x".repeat(300), ..deny("voucher_used") }));
    let reply = kiosk.ask(&kiosk.client, &[]).await;
    assert_eq!(text(&body(&reply), "error_description").len(), 200);
}

#[tokio::test]
async fn what_is_good_once_is_used_up_by_a_token_and_by_nothing_else() {
    each(async |scratch| {
        let kiosk = Kiosk::on(&scratch).await;
        let once = |name: &str, until| SingleUse { name: name.to_owned(), until: Some(at(until)) };
        let voucher =
            Approve { single_use: Some(once("V-1", BEGIN + 3600)), refresh: true, ..ann() };
        let wide = kiosk
            .outcome(&kiosk.client, Decision::Approve(voucher.clone()), &[("scope", "z")])
            .await;
        assert_eq!(wide, "400 invalid_scope");
        let first = kiosk.outcome(&kiosk.client, Decision::Approve(voucher.clone()), &[]).await;
        assert_eq!(first, "a b | turnpike 3600 refresh");
        let again = kiosk.outcome(&kiosk.client, Decision::Approve(voucher.clone()), &[]).await;
        assert_eq!(again, "400 invalid_grant");
        for broken in [once("", BEGIN + 60), once("x", BEGIN - 1), once("x", BEGIN + (1 << 40))] {
            let approve = Approve { single_use: Some(broken), ..ann() };
            let got = kiosk.outcome(&kiosk.client, Decision::Approve(approve), &[]).await;
            assert_eq!(got, "503 temporarily_unavailable");
            kiosk.stand.pass(10);
        }
        // The refresh token goes on for the same person.
        let other = Approve { refresh: true, ..ann() };
        kiosk.says(Decision::Approve(other));
        let tokens = body(&kiosk.ask(&kiosk.client, &[]).await);
        let form =
            format!("grant_type=refresh_token&refresh_token={}", text(&tokens, "refresh_token"));
        let next = kiosk.stand.post("/oauth2/token", &kiosk.client, &form).await;
        assert_eq!(said(&next), "200");
        let claims = crate::stand::part(&text(&body(&next), "access_token"), 1);
        assert_eq!(claims["sub"], kiosk.ann.id.as_str());
    })
    .await;
}

#[tokio::test]
async fn somebody_who_has_to_answer_first_is_waited_for() {
    let scratch = Scratch::sqlite();
    let kiosk = Kiosk::on(&scratch).await;
    let pending =
        Pending { handle: "attempt 7".to_owned(), interval_seconds: 5, expires_in_seconds: 60 };
    kiosk.says(Decision::Pending(pending.clone()));
    let reply = kiosk.ask(&kiosk.client, &[]).await;
    assert_eq!(said(&reply), "400 authorization_pending");
    let told = body(&reply);
    assert_eq!((&told["interval"], &told["expires_in"]), (&json!(5), &json!(60)));
    let handle = text(&told, "pending_handle");
    assert!(!handle.contains("attempt"));
    let more = [("pending_handle", handle.as_str())];
    assert_eq!(said(&kiosk.ask(&kiosk.client, &more).await), "400 authorization_pending");
    assert_eq!(said(&kiosk.ask(&kiosk.client, &more).await), "400 slow_down");
    let foreign = kiosk.ask(&kiosk.foreign, &more).await;
    assert_eq!(said(&foreign), "400 invalid_grant", "it was said to another client");
    kiosk.stand.pass(5);
    let got = kiosk.outcome(&kiosk.client, Decision::Approve(ann()), &more).await;
    assert_eq!(got, "a b | turnpike 3600");
    let asked = kiosk.handler.asked.lock().expect("a lock").pop().expect("a question");
    assert_eq!(asked.handle, "attempt 7");
    // It ends when it said that it would, also when it goes on saying so.
    kiosk.says(Decision::Pending(pending));
    let later = body(&kiosk.ask(&kiosk.client, &[("pending_handle", &handle)]).await);
    assert_eq!(later["error"], "slow_down");
    kiosk.stand.pass(50);
    let later = body(&kiosk.ask(&kiosk.client, &more).await);
    assert_eq!(
        (&later["error"], &later["expires_in"]),
        (&json!("authorization_pending"), &json!(5))
    );
    kiosk.stand.pass(5);
    assert_eq!(said(&kiosk.ask(&kiosk.client, &more).await), "400 expired_token");
}

#[tokio::test]
async fn a_plugin_speaks_for_a_client_unless_it_said_that_it_does_not() {
    let scratch = Scratch::sqlite();
    let client = Approve { subject: Some(Subject::Client(ClientSubject {})), ..Approve::default() };
    let kiosk = Kiosk::on(&scratch).await;
    let narrow = Approve { max_scope: Some(scopes(&["b", "z"])), ..client.clone() };
    let got = kiosk.outcome(&kiosk.client, Decision::Approve(narrow), &[]).await;
    assert_eq!(got, "b | turnpike 3600");
    let scratch = Scratch::sqlite();
    let described = GrantDescriptor { needs_user: true, ..descriptor() };
    let kiosk = Kiosk::with(&scratch, described, |_, _| {}).await;
    let got = kiosk.outcome(&kiosk.client, Decision::Approve(client), &[]).await;
    assert_eq!(got, "503 temporarily_unavailable");
}
