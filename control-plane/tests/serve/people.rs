//! What may programs do with tokens, and what does a tenant get to know of another?

use std::time::Duration;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::applications_client::ApplicationsClient;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::admin::v1::lifecycle_client::LifecycleClient;
use turnpike_proto::admin::v1::people_client::PeopleClient;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::admin::v1::tokens_client::TokensClient;
use turnpike_proto::admin::v1::workflow_requests_client::WorkflowRequestsClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, ApplyResponse, ChangeLifecycleRequest, CreateTokenRequest, CreateTokenResponse,
    DecideWorkflowRequest, GetLifecycleRequest, GetRequest, ListTokensRequest, ListWorkflowRequest,
    RevokeTokenRequest, SignInRequest, WhoAmIRequest, WhoAmIResponse, lifecycle_action,
};
use turnpike_proto::config::v1::application_spec;

use crate::history::lines;
use crate::rest::curl_as;
use crate::stack::{Plane, Stack, api, check, resources, tier};

pub(crate) type Bearing = InterceptedService<Channel, Bearer>;

/// Adds a token to calls.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(String);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let field = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", field);
        Ok(request)
    }
}

/// A channel without a certificate, with this token.
pub(crate) fn with(stack: &Stack, plane: &Plane, token: &str) -> Bearing {
    InterceptedService::new(stack.open_channel(plane), Bearer(token.to_owned()))
}

/// `name role,role @tenant owner`; further words: `read-only`, `Kind` and `Kind/…`.
fn wanted(text: &str) -> CreateTokenRequest {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap().to_owned();
    let roles = words.next().unwrap().split(',').map(str::to_owned).collect();
    let lifetime = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let mut asked = CreateTokenRequest { name, roles, lifetime, ..CreateTokenRequest::default() };
    for word in words {
        match word {
            "read-only" => asked.read_only = true,
            word if word.starts_with('@') => {
                word.trim_start_matches('@').clone_into(&mut asked.tenant);
            }
            word if word.contains('/') => asked.objects.push(word.to_owned()),
            word if word.starts_with(char::is_uppercase) => asked.kinds.push(word.to_owned()),
            word => word.clone_into(&mut asked.owner),
        }
    }
    asked
}

async fn try_create(by: Bearing, text: &str) -> Result<CreateTokenResponse, Status> {
    TokensClient::new(by).create(wanted(text)).await.map(tonic::Response::into_inner)
}

/// The text of a token that the administrator makes.
pub(crate) async fn token(stack: &Stack, plane: &Plane, text: &str) -> String {
    let mut tokens = TokensClient::new(stack.channel(plane, "admin"));
    tokens.create(wanted(text)).await.unwrap().into_inner().secret
}

async fn whoami(by: Bearing) -> Result<WhoAmIResponse, Code> {
    let asked = PeopleClient::new(by).who_am_i(WhoAmIRequest {}).await;
    asked.map(tonic::Response::into_inner).map_err(|status| status.code())
}

pub(crate) async fn apply(by: Bearing, text: &str) -> Result<ApplyResponse, Status> {
    let request = ApplyRequest { resources: resources(text), ..ApplyRequest::default() };
    ApplyClient::new(by).apply(request).await.map(tonic::Response::into_inner)
}

/// What a change was told: `ok`, the first problem, or the code.
pub(crate) fn said(answer: Result<ApplyResponse, Status>) -> String {
    match answer {
        Ok(answer) => answer.problems.first().map_or_else(|| "ok".to_owned(), plan::describe),
        Err(status) => format!("{:?}", status.code()),
    }
}

#[test]
fn a_token_does_what_it_was_made_for_until_it_is_revoked() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let secret = token(&stack, &plane, "ci publisher ann").await;
        let by = with(&stack, &plane, &secret);
        let known = whoami(by.clone()).await.unwrap();
        assert_eq!((known.name.as_str(), known.user.as_str()), ("token:ci", "ann"));
        assert_eq!(known.shown, "automation token");
        assert_eq!(said(apply(by.clone(), &api("a")).await), "ok");
        assert_eq!(said(apply(by.clone(), &tier("Mine", 1)).await), "PermissionDenied");
        let get = GetRequest { name: "a".to_owned(), version: "1".to_owned() };
        let owned = ApisClient::new(by.clone()).get(get).await.unwrap().into_inner();
        assert_eq!(owned.metadata.unwrap().owner, "ann");

        let mut admin = TokensClient::new(stack.channel(&plane, "admin"));
        let listed = admin.list(ListTokensRequest {}).await.unwrap().into_inner().tokens;
        assert_eq!(listed.len(), 1);
        let revoke = RevokeTokenRequest { token: "ci".to_owned() };
        admin.revoke(revoke.clone()).await.unwrap();
        assert_eq!(whoami(by.clone()).await, Err(Code::Unauthenticated));
        assert_eq!(said(apply(by, &api("b")).await), "Unauthenticated");
        assert_eq!(admin.revoke(revoke).await.unwrap_err().code(), Code::NotFound);
    });
}

#[test]
fn a_token_survives_a_restart_and_its_text_is_nowhere() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let secret = token(&stack, &plane, "ci auditor").await;
        let file = plane.host.data.join("resources.redb");
        plane.stop().await;
        let text = std::fs::read(&file).unwrap();
        assert!(!text.windows(secret.len()).any(|window| window == secret.as_bytes()));
        let plane = stack.start().await;
        // Its resources have to be loaded first.
        stack.apply(&plane, &tier("Gold", 2)).await;
        assert!(whoami(with(&stack, &plane, &secret)).await.is_ok());
    });
}

#[test]
fn nobody_makes_a_token_that_may_more_than_they_do() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        // A token makes none at all, whatever its roles.
        let admin = with(&stack, &plane, &token(&stack, &plane, "root admin").await);
        let refused = try_create(admin, "more auditor").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let mut tokens = TokensClient::new(stack.channel(&plane, "admin"));
        for (text, word) in [
            ("root admin", "taken"),
            ("../x admin", "letters"),
            ("a owner", "no such role"),
            ("a admin Apis", "no kind"),
            ("a admin Api/..", "no key"),
            ("a admin @..", "letters"),
        ] {
            let refused = tokens.create(wanted(text)).await.unwrap_err();
            assert!(refused.message().contains(word), "{text}: {refused:?}");
        }
        let long = Some(prost_types::Duration { seconds: 400 * 24 * 3600, nanos: 0 });
        for lifetime in [None, long] {
            let refused = tokens.create(CreateTokenRequest { lifetime, ..wanted("a admin") }).await;
            assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
        }
    });
}

#[test]
fn a_token_may_be_limited_to_reading_to_kinds_and_to_resources() {
    check(async |stack| {
        let plane = stack.start().await;
        stack
            .apply(&plane, &format!("{}---\n{}---\n{}", api("a"), api("b"), tier("Gold", 1)))
            .await;
        for (made, changes) in [
            ("reader admin read-only", [("Gold", "PermissionDenied"), ("a", "PermissionDenied")]),
            ("apis admin Api", [("Gold", "PermissionDenied"), ("a", "ok")]),
            ("one admin Api/a:*", [("Gold", "PermissionDenied"), ("a", "ok")]),
            ("other admin Api/b:1", [("Gold", "PermissionDenied"), ("a", "taken")]),
        ] {
            let by = with(&stack, &plane, &token(&stack, &plane, made).await);
            for (name, expected) in changes {
                let text = if name == "Gold" { tier(name, 9) } else { api(name) };
                let found = said(apply(by.clone(), &text).await);
                assert!(found.contains(expected), "{made}: {name}: {found}");
            }
        }
    });
}

#[test]
fn who_signs_in_is_told_where_and_nobody_else_gets_in_without_a_certificate() {
    check(async |stack| {
        let settings = format!(
            "[pki]\ndirectory = {:?}\n[people]\nclient_id = \"cli\"\n",
            stack.path().join("pki")
        );
        let plane = stack.start_with("control-plane", &settings).await;
        let mut people = PeopleClient::new(stack.open_channel(&plane));
        let told = people.sign_in(SignInRequest {}).await.unwrap().into_inner();
        assert_eq!(
            (told.issuer.as_str(), told.client_id.as_str()),
            ("https://127.0.0.1:9453/oauth2", "cli")
        );
        let refused = people.who_am_i(WhoAmIRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        // What is for services asks for their certificate, with whatever token.
        let admin = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
        let channel = with(&stack, &plane, &admin);
        let mut gateways =
            turnpike_proto::config::v1::providers_client::ProvidersClient::new(channel);
        let request = turnpike_proto::config::v1::WatchProvidersRequest::default();
        let refused = gateways.watch(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    });
}

/// One resource of each kind that a tenant may have, named after it.
pub(crate) fn of_tenant(name: &str) -> String {
    let secret = format!(
        "{{apiVersion: turnpike/v1, kind: Secret, metadata: {{name: {name}}}, spec: {{value: hush}}}}\n"
    );
    let app = format!(
        "{{apiVersion: turnpike/v1, kind: Application, metadata: {{name: {name}}}, spec: {{}}}}\n"
    );
    let subscription = format!(
        "{{apiVersion: turnpike/v1, kind: Subscription, metadata: {{name: {name}}}, spec: {{application: \
         {name}, api: \"{name}:1\"}}}}\n"
    );
    [api(name), tier(name, 1), secret, app, subscription].join("---\n")
}

#[test]
fn nothing_of_a_tenant_leaks_to_another() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Shared", 1)).await;
        let mut secrets = Vec::new();
        for tenant in ["acme", "umbrella"] {
            let secret = token(&stack, &plane, &format!("root admin @{tenant}")).await;
            let by = with(&stack, &plane, &secret);
            assert_eq!(said(apply(by, &of_tenant(tenant)).await), "ok");
            secrets.push(secret);
        }
        let umbrella = secrets[1].as_str();
        let mut seen = String::new();
        for (kind, id) in [
            ("apis", "acme:1"),
            ("api-products", "acme:1"),
            ("applications", "acme"),
            ("subscriptions", "acme"),
            ("tiers", "acme"),
            ("key-managers", "acme"),
            ("gateway-groups", "acme"),
            ("certificates", "acme"),
            ("secrets", "acme"),
            ("deny-policies", "acme"),
            ("custom-throttles", "acme"),
        ] {
            let (list, one) = (format!("/api/v1/{kind}"), format!("/api/v1/{kind}/{id}"));
            let missing = format!("/api/v1/{kind}/{}", id.replace("acme", "none"));
            for arguments in [
                vec![list.as_str()],
                vec![one.as_str()],
                vec!["-X", "DELETE", one.as_str()],
                vec!["-X", "DELETE", "-H", "if-match: \"1\"", one.as_str()],
            ] {
                let (status, body) = curl_as(&plane, Some(umbrella), &arguments).await;
                // A thing of another tenant is told like one that is not there.
                let mut other = arguments.clone();
                *other.last_mut().unwrap() = if arguments.len() == 1 && arguments[0] == list {
                    list.as_str()
                } else {
                    missing.as_str()
                };
                let (other_status, other_body) = curl_as(&plane, Some(umbrella), &other).await;
                assert_eq!((status, &body), (other_status, &other_body.replace("none", "acme")));
                seen.push_str(&body.replace(id, ""));
            }
        }
        for word in ["acme", "hush"] {
            assert!(!seen.contains(&format!("\"{word}\"")), "{word}: {seen}");
        }
        assert!(seen.contains("umbrella") && seen.contains("Shared"), "{seen}");
        for path in ["/api/v1/applications/acme/limits", "/api/v1/applications/none/limits"] {
            let (status, _) = curl_as(&plane, Some(umbrella), &[path]).await;
            assert_eq!(status, 404, "{path}");
        }
        let (status, _) = curl_as(&plane, Some(umbrella), &["/api/v1/gateways"]).await;
        assert_eq!(status, 403);
        // A path that is taken, and a reference: neither says by whom, or that it is there.
        let by = with(&stack, &plane, umbrella);
        let taken = api("x").replace("/x,", "/acme,");
        let told = said(apply(by.clone(), &taken).await);
        assert!(told.contains("taken by something that you may not see"), "{told}");
        for (tier, word) in
            [("acme", "no Tier `acme`"), ("acmd", "no Tier `acmd`"), ("Shared", "ok")]
        {
            let offers = api("y").replace("spec: {", &format!("spec: {{tiers: [{tier}], "));
            let told = said(apply(by.clone(), &offers).await);
            assert!(told.contains(word) && !told.contains("did you mean"), "{told}");
        }
        let renamed = of_tenant("umbrella").replace("name: umbrella,", "name: acme,");
        drop(renamed);
        let told = said(apply(by.clone(), &api("acme")).await);
        assert!(told.contains("metadata.name: the name is taken"), "{told}");
        // Tokens of others are not there either.
        let (status, _) = curl_as(&plane, Some(umbrella), &["/api/v1/whoami"]).await;
        assert_eq!(status, 200);
    });
}

#[test]
fn a_tenant_decides_about_what_is_its_own_and_sees_no_more() {
    check(async |stack| {
        let plane = stack.start().await;
        let ask = "{apiVersion: turnpike/v1, kind: Workflow, metadata: {name: ask}, spec: \
                   {events: [APPLICATION_CREATION], approval: {}}}\n";
        stack.apply(&plane, ask).await;
        let mut known = Vec::new();
        for text in ["a admin @acme ann", "b admin @acme bob", "c auditor @acme", "d admin @other"]
        {
            known.push(with(&stack, &plane, &token(&stack, &plane, text).await));
        }
        let [ann, bob, auditor, other] = &known[..] else { panic!() };
        let app =
            "{apiVersion: turnpike/v1, kind: Application, metadata: {name: hers}, spec: {}}\n";
        assert_eq!(said(apply(ann.clone(), &[api("hers"), app.into()].join("---\n")).await), "ok");

        let waiting = async |by: &Bearing| {
            let mut requests = WorkflowRequestsClient::new(by.clone());
            requests.list(ListWorkflowRequest::default()).await.unwrap().into_inner().items
        };
        assert_eq!(waiting(other).await, []);
        let seen = waiting(auditor).await;
        assert_eq!((seen.len(), waiting(bob).await.len()), (1, 1));
        let id = seen[0].metadata.clone().unwrap().name;
        let approve = async |by: &Bearing| {
            let asked = DecideWorkflowRequest { id: id.clone(), reason: String::new() };
            let decided = WorkflowRequestsClient::new(by.clone()).approve(asked).await;
            decided.map(|_| ()).map_err(|status| status.code())
        };
        assert_eq!(approve(other).await, Err(Code::NotFound));
        assert_eq!(approve(auditor).await, Err(Code::PermissionDenied));
        assert_eq!(approve(ann).await, Err(Code::PermissionDenied));
        assert_eq!(approve(bob).await, Ok(()));

        let step = async |by: &Bearing| {
            let (name, version) = ("hers".to_owned(), "1".to_owned());
            let mut lives = LifecycleClient::new(by.clone());
            let get = GetLifecycleRequest { name: name.clone(), version: version.clone() };
            let seen = lives.get(get).await.map(|_| ()).map_err(|status| status.code());
            let action = lifecycle_action::Action::Block.into();
            let step = ChangeLifecycleRequest { name, version, action, ..Default::default() };
            (seen, lives.change(step).await.map(|_| ()).map_err(|status| status.code()))
        };
        assert_eq!(step(other).await, (Err(Code::NotFound), Err(Code::NotFound)));
        assert_eq!(step(auditor).await, (Ok(()), Err(Code::PermissionDenied)));
        assert_eq!(step(bob).await, (Ok(()), Ok(())));
    });
}

#[test]
fn what_is_no_credential_is_refused_and_too_much_of_it_is_slowed_down() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let good = token(&stack, &plane, "ci auditor").await;
        let admin = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
        let (id, _) = good.rsplit_once('_').unwrap();
        let path = "/api/v1/tiers/Gold";
        let headers = ["-D", "-", path];
        let (status, body) = curl_as(&plane, None, &headers).await;
        assert!(status == 401 && body.contains("www-authenticate: Bearer realm"), "{body}");
        for wrong in [
            "x".to_owned(),
            format!("{id}_{}", "A".repeat(43)),
            format!("{good}A"),
            good.to_uppercase(),
            "tpt__".to_owned(),
            "tpt_../objects/Tier/Gold_x".to_owned(),
            admin.to_uppercase(),
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.".to_owned(),
        ] {
            let (status, body) = curl_as(&plane, Some(&wrong), &headers).await;
            assert!(status == 401 && body.contains("invalid_token"), "{wrong}: {status} {body}");
            assert!(!body.contains(wrong.get(..12).unwrap_or(&wrong)) || wrong.len() < 4, "{body}");
        }
        let basic = ["-u", "admin:admin", path];
        assert_eq!(curl_as(&plane, None, &basic).await.0, 401);
        let (status, body) = curl_as(&plane, Some(&good), &["-D", "-", "-X", "DELETE", path]).await;
        assert!(status == 403 && body.contains("insufficient_scope"), "{body}");
        let mut last = (0, String::new());
        for _ in 0..15 {
            last = curl_as(&plane, Some("wrong"), &headers).await;
        }
        assert!(last.0 == 429 && last.1.contains("retry-after"), "{last:?}");
        // What is good goes on being so.
        assert_eq!(curl_as(&plane, Some(&good), &[path]).await.0, 200);
        assert_eq!(curl_as(&plane, Some(admin.trim()), &[path]).await.0, 200);
        tokio::time::sleep(Duration::ZERO).await;
    });
}

#[test]
fn of_a_partial_change_what_one_may_write_is_stored_and_the_rest_is_told_of() {
    check(async |stack| {
        let plane = stack.start().await;
        let secret = "{apiVersion: turnpike/v1, kind: Secret, metadata: {name: hush, owner: bob}, \
                      spec: {value: x}}\n";
        let theirs = api("theirs").replace("name: theirs,", "name: theirs, owner: bob,");
        stack.apply(&plane, &[tier("Gold", 1), secret.to_owned(), theirs].join("---\n")).await;
        let by = with(&stack, &plane, &token(&stack, &plane, "ci publisher ann").await);
        let shows_it = "production: {security: {basic: {username: a, secret: hush}}, ";
        let names_it = api("names").replace("production: {", shows_it);
        let file = [
            api("mine"),
            tier("Gold", 2),
            api("theirs"),
            secret.replace(", owner: bob", ""),
            names_it,
            api("mine2"),
        ];
        let apply = async |partial| {
            let request = ApplyRequest {
                resources: resources(&file.join("---\n")),
                partial,
                ..ApplyRequest::default()
            };
            ApplyClient::new(by.clone()).apply(request).await
        };
        assert!(apply(false).await.is_err_and(|status| status.code() == Code::PermissionDenied));
        let answer = apply(true).await.unwrap().into_inner();
        let stored: Vec<&str> = answer.changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(stored, ["Api/mine:1", "Api/mine2:1"], "{answer:?}");
        let told: Vec<String> = answer.problems.iter().map(plan::describe).collect();
        let told = told.join("\n");
        for words in [
            "Tier/Gold: you may not change Tier/Gold",
            "Api/theirs:1: metadata.name: the name is taken",
            "Secret/hush: metadata.name: the name is taken",
            "there is no Secret `hush`",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let get = GetRequest { name: "Gold".to_owned(), version: String::new() };
        let gold = TiersClient::new(stack.channel(&plane, "admin")).get(get).await.unwrap();
        assert_eq!(gold.into_inner().spec.unwrap().quota.unwrap().requests, 1);
        let line = loop {
            let mut found = lines(&stack, &plane).await;
            found.retain(|line| line.event == "change.refused" && line.outcome.contains("more)"));
            if let Some(line) = found.pop() {
                break line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(line.details["resources"].contains("Tier/Gold, Api/theirs:1"), "{line:?}");
    });
}

#[test]
fn what_is_applied_waits_for_a_decision_as_what_is_put_does() {
    check(async |stack| {
        let plane = stack.start().await;
        let ask = "{apiVersion: turnpike/v1, kind: Workflow, metadata: {name: ask}, spec: \
                   {events: [APPLICATION_CREATION], approval: {}}}\n";
        stack.apply(&plane, ask).await;
        let app = |name: &str| {
            format!(
                "{{apiVersion: turnpike/v1, kind: Application, metadata: {{name: {name}}}, spec: \
                 {{}}}}\n"
            )
        };
        let by = with(&stack, &plane, &token(&stack, &plane, "shop subscriber ann").await);
        assert_eq!(said(apply(by, &app("hers")).await), "ok");
        stack.apply(&plane, &app("ours")).await;
        let mut admin = ApplicationsClient::new(stack.channel(&plane, "admin"));
        for (name, waits) in [("hers", true), ("ours", false)] {
            let get = GetRequest { name: name.to_owned(), version: String::new() };
            let stored = admin.get(get).await.unwrap().into_inner().spec.unwrap();
            assert_eq!(stored.state() == application_spec::State::Pending, waits, "{name}");
        }
    });
}
