//! What does a tenant get to know of the past, and what may it put back?

use std::time::Duration;

use tonic::Code;
use turnpike_proto::admin::v1::application_keys_client::ApplicationKeysClient;
use turnpike_proto::admin::v1::applications_client::ApplicationsClient;
use turnpike_proto::admin::v1::audit_client::AuditClient;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, DeleteRequest, DiffRequest, GenerateApiKeyRequest, GetAsOfRequest, GetRequest,
    ListHistoryRequest, ListHistoryResponse, RollbackRequest, RollbackResponse,
};
use turnpike_proto::identity::v1::{AuditLine, ListAuditRequest, VerifyAuditRequest};

use crate::history::{said as differing, verify};
use crate::people::{Bearing, apply, of_tenant, said, token, with};
use crate::rest::curl_as;
use crate::stack::{Plane, Stack, check, tier};

const WHY: &str = "both pay more";

/// Two tenants that did the same, each with its own, and an operator who did something to both.
struct Story {
    stack: Stack,
    plane: Plane,
    /// The tokens of umbrella's administrator and auditor, and of acme's administrator.
    admin: String,
    auditor: String,
    acme: String,
    /// Umbrella was as it began then, and this is the last that happened.
    begun: u64,
    last: u64,
}

fn of(tenant: &str, owner: &str, requests: u32) -> String {
    let named = format!("{{tenant: {tenant}, owner: {owner}, name: ");
    tier(tenant, requests).replace("{name: ", &named)
}

impl Story {
    async fn tell(stack: Stack) -> Self {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Shared", 1)).await;
        let mut tokens = Vec::new();
        for text in ["u admin @umbrella ulf", "x auditor @umbrella", "a admin @acme ann"] {
            tokens.push(token(&stack, &plane, text).await);
        }
        let [admin, auditor, acme] = tokens.try_into().unwrap();
        let mut begun = 0;
        for (tenant, token) in [("acme", &acme), ("umbrella", &admin)] {
            let by = with(&stack, &plane, token);
            begun = apply(by, &of_tenant(tenant)).await.unwrap().revision;
        }
        for (tenant, token) in [("acme", &acme), ("umbrella", &admin)] {
            let by = with(&stack, &plane, token);
            assert_eq!(said(apply(by, &tier(tenant, 2)).await), "ok");
        }
        let both = format!("{}---\n{}", of("acme", "ann", 3), of("umbrella", "ulf", 3));
        let why = ApplyRequest { reason: WHY.to_owned(), ..ApplyRequest::default() };
        stack.apply_with(&plane, &both, why).await.unwrap();
        let last = stack.apply(&plane, &tier("Shared", 2)).await.revision;
        Self { stack, plane, admin, auditor, acme, begun, last }
    }

    fn by(&self, token: &str) -> Bearing {
        with(&self.stack, &self.plane, token)
    }

    /// What umbrella's administrator is told over REST.
    async fn ask(&self, arguments: &[&str]) -> (u16, String) {
        curl_as(&self.plane, Some(&self.admin), arguments).await
    }

    async fn history(&self, token: &str, asked: ListHistoryRequest) -> ListHistoryResponse {
        HistoryClient::new(self.by(token)).list(asked).await.unwrap().into_inner()
    }

    async fn rollback(
        &self,
        token: &str,
        asked: RollbackRequest,
    ) -> Result<RollbackResponse, Code> {
        let done = HistoryClient::new(self.by(token)).rollback(asked).await;
        done.map(tonic::Response::into_inner).map_err(|status| status.code())
    }

    async fn lines(&self, token: &str) -> Vec<AuditLine> {
        let mut client = AuditClient::new(self.by(token));
        client.list(ListAuditRequest::default()).await.unwrap().into_inner().lines
    }

    /// The lines about `event` that somebody is told, once there is one.
    async fn told(&self, token: &str, event: &str) -> Vec<AuditLine> {
        loop {
            let mut found = self.lines(token).await;
            found.retain(|line| line.event == event);
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// "who: action Key, … (reason)" of each transaction, newest first.
fn entries(page: &ListHistoryResponse) -> Vec<String> {
    let entries = page.entries.iter().map(|entry| {
        let changes =
            entry.changes.iter().map(|one| format!("{} {}", one.action().as_str_name(), one.key));
        assert_eq!(changes.len(), usize::try_from(entry.count).unwrap());
        let by = entry.by.split('/').next().unwrap();
        let changes = changes.collect::<Vec<_>>().join(", ");
        format!("{by}: {changes} ({})", entry.reason)
    });
    entries.collect()
}

#[test]
fn a_tenant_is_told_what_was_its_own() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let page = story.history(&story.admin, ListHistoryRequest::default()).await;
        let all = "created Tier/umbrella, created Secret/umbrella, created Api/umbrella:1, created \
                   Application/umbrella, created Subscription/umbrella";
        let made = entries(&page);
        assert_eq!(
            made[..2],
            ["admin: updated Tier/umbrella ()", "token:u: updated Tier/umbrella ()"]
        );
        assert_eq!(made.len(), 3);
        for word in all.split(", ") {
            assert!(made[2].contains(word), "{made:?}");
        }
        let lines = story.lines(&story.auditor).await;
        let told: Vec<&str> = lines.iter().map(|line| line.details["resources"].as_str()).collect();
        assert_eq!(told.len(), 3, "{lines:?}");
        assert_eq!(told[1..], ["Tier/umbrella updated", "Tier/umbrella updated"]);
        assert!(lines.iter().all(|line| !line.hash.is_empty()), "{lines:?}");
        // Its administrators may know of its secrets, its auditors may not.
        for (token, sees) in [(&story.admin, true), (&story.auditor, false)] {
            let secret = "Secret/umbrella".to_owned();
            let page = ListHistoryRequest { key: secret.clone(), ..Default::default() };
            let page = story.history(token, page).await;
            let changes = &page.entries[0].changes;
            let digest = changes.iter().find(|one| one.key == secret).unwrap().digest.clone();
            let as_of = GetAsOfRequest { key: secret, revision: story.begun, ..Default::default() };
            let found = HistoryClient::new(story.by(token)).get(as_of).await;
            assert_eq!((!digest.is_empty(), found.is_ok()), (sees, sees));
        }
        assert_eq!(verify(&story.stack, &story.plane).await.broken, None);
    });
}

#[test]
fn what_another_tenant_did_is_not_there_over_rest() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let (begun, last) = (story.begun, story.last);
        let keys =
            ["Tier/NAME", "Secret/NAME", "Api/NAME:1", "Application/NAME", "Subscription/NAME"];
        for key in keys {
            for path in [
                format!("/api/v1/history?key={key}"),
                format!("/api/v1/history?key={key}&by=token:a"),
                format!("/api/v1/history/as-of?key={key}&revision={begun}"),
                format!("/api/v1/history/diff?key={key}&from={begun}"),
            ] {
                let theirs = story.ask(&[&path.replace("NAME", "acme")]).await;
                let none = story.ask(&[&path.replace("NAME", "none")]).await;
                assert_eq!(theirs, (none.0, none.1.replace("none", "acme")), "{path}");
            }
            for dry_run in [true, false] {
                let body = |name: &str| {
                    let key = key.replace("NAME", name);
                    format!(r#"{{"key":"{key}","revision":"{begun}","dryRun":{dry_run}}}"#)
                };
                let put_back = async |name| {
                    let (json, body) = ("content-type: application/json", body(name));
                    story.ask(&["-H", json, "-d", &body, "/api/v1/history/rollback"]).await
                };
                let (theirs, none) = (put_back("acme").await, put_back("none").await);
                assert_eq!(theirs.0, 404, "{theirs:?}");
                assert_eq!(theirs, (none.0, none.1.replace("none", "acme")), "{key}");
            }
        }
        // Where nobody is named, nothing of others stands in the answer.
        let mut paths: Vec<String> = [
            "/api/v1/history",
            "/api/v1/history?kind=Tier",
            "/api/v1/history?by=token:a",
            "/api/v1/history?pageSize=1",
            "/api/v1/audit",
        ]
        .map(str::to_owned)
        .into();
        for revision in 1..=last {
            paths.push(format!("/api/v1/history?pageToken={revision}"));
            paths.push(format!("/api/v1/history/as-of?revision={revision}"));
            paths.push(format!("/api/v1/history/as-of?revision={revision}&pageToken=Api/aaa:1"));
            paths.push(format!("/api/v1/history/as-of?revision={revision}&pageSize=1"));
            paths.push(format!("/api/v1/history/diff?from={revision}"));
            paths.push(format!("/api/v1/history/diff?from={begun}&to={revision}"));
            paths.push(format!("/api/v1/audit?limit=1&after={revision}"));
        }
        let mut seen = String::new();
        for path in &paths {
            let (status, body) = story.ask(&[path]).await;
            assert_eq!(status, 200, "{path}: {body}");
            for word in ["acme", "Shared", "token:a\"", "ann", WHY] {
                assert!(!body.contains(word), "{path}: {word}: {body}");
            }
            seen.push_str(&body);
        }
        assert!(seen.contains("umbrella"), "{seen}");
        let (status, body) = story.ask(&["-X", "POST", "/api/v1/audit/verify"]).await;
        assert!(status == 403 && body.contains("the operator's people alone"), "{status} {body}");
    });
}

#[test]
fn what_another_tenant_did_is_not_there_over_grpc() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let mut client = HistoryClient::new(story.by(&story.admin));
        let key = || "Tier/acme".to_owned();
        let listed = ListHistoryRequest { key: key(), ..Default::default() };
        assert_eq!(story.history(&story.admin, listed).await.entries, []);
        let of_acme = ListHistoryRequest { by: "token:a".to_owned(), ..Default::default() };
        assert_eq!(story.history(&story.admin, of_acme).await.entries, []);
        let as_of = GetAsOfRequest { key: key(), revision: story.begun, ..Default::default() };
        assert_eq!(client.get(as_of).await.unwrap_err().code(), Code::NotFound);
        let diff = DiffRequest { key: key(), from: story.begun, to: 0 };
        assert_eq!(client.diff(diff).await.unwrap().into_inner().count, 0);
        let all = DiffRequest { from: story.begun, ..Default::default() };
        let all = client.diff(all).await.unwrap().into_inner();
        assert_eq!(
            differing(&all.resources),
            ["updated Tier/umbrella spec.quota.requests: 1 -> 3"]
        );
        // Page by page there are as many as there are, and no more.
        let mut page = GetAsOfRequest { revision: story.last, page_size: 1, ..Default::default() };
        let mut found = Vec::new();
        loop {
            let answer = client.get(page.clone()).await.unwrap().into_inner();
            found.extend(answer.resources.iter().filter_map(plan::key).map(|key| key.to_string()));
            if answer.next_page_token.is_empty() {
                break;
            }
            page.page_token = answer.next_page_token;
        }
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|key| key.contains("umbrella")), "{found:?}");
        let mut log = AuditClient::new(story.by(&story.admin));
        let refused = log.verify(VerifyAuditRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}

#[test]
fn attempts_are_told_to_the_tenant_of_whoever_tried() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        for (token, name) in [(&story.acme, "umbrella"), (&story.admin, "acme")] {
            let delete = DeleteRequest { name: name.to_owned(), ..DeleteRequest::default() };
            let refused = TiersClient::new(story.by(token)).delete(delete).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound);
            assert_eq!(curl_as(&story.plane, Some(token), &["/api/v1/gateways"]).await.0, 403);
        }
        for (token, who) in [(&story.admin, "token:u"), (&story.acme, "token:a")] {
            for event in ["change.refused", "access.refused"] {
                let lines = story.told(token, event).await;
                assert!(lines.iter().all(|line| line.who == who), "{lines:?}");
            }
        }
        assert_eq!(verify(&story.stack, &story.plane).await.broken, None);
    });
}

#[test]
fn a_tenant_puts_back_its_own_and_nothing_else() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let all = RollbackRequest { all: true, revision: story.begun, ..Default::default() };
        let back = ["updated Tier/umbrella spec.quota.requests: 3 -> 1"];
        let refused = story.rollback(&story.auditor, all.clone()).await;
        assert_eq!(refused.unwrap_err(), Code::PermissionDenied);
        let dry = RollbackRequest { dry_run: true, ..all.clone() };
        let looked = story.rollback(&story.admin, dry).await.unwrap();
        assert_eq!(differing(&looked.resources), back);
        let done = story.rollback(&story.admin, all).await.unwrap();
        assert_eq!(differing(&done.resources), back);
        let own = RollbackRequest {
            key: "Tier/umbrella".to_owned(),
            revision: story.last,
            ..Default::default()
        };
        let done = story.rollback(&story.admin, own).await.unwrap();
        assert_eq!(
            differing(&done.resources),
            ["updated Tier/umbrella spec.quota.requests: 1 -> 3"]
        );
        let mut tiers = TiersClient::new(story.stack.channel(&story.plane, "admin"));
        for (name, requests) in [("acme", 3), ("Shared", 2)] {
            let get = GetRequest { name: name.to_owned(), ..GetRequest::default() };
            let found = tiers.get(get).await.unwrap().into_inner();
            assert_eq!(found.spec.unwrap().quota.unwrap().requests, requests, "{name}");
        }
        let put_back = story.history(&story.acme, ListHistoryRequest::default()).await;
        assert!(!format!("{put_back:?}").contains("rollback"), "{put_back:?}");
    });
}

#[test]
fn what_changes_hands_goes_for_the_one_and_comes_for_the_other() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let moved = tier("acme", 3).replace("{name: ", "{tenant: umbrella, name: ");
        let moved = story.stack.apply(&story.plane, &moved).await.revision;
        for (token, told) in [(&story.acme, "deleted"), (&story.admin, "created")] {
            let page = story.history(token, ListHistoryRequest::default()).await;
            assert_eq!(entries(&page)[0], format!("admin: {told} Tier/acme ()"));
            let diff = DiffRequest { from: story.last, to: moved, ..Default::default() };
            let diff = HistoryClient::new(story.by(token)).diff(diff).await.unwrap().into_inner();
            assert!(differing(&diff.resources)[0].starts_with(&format!("{told} Tier/acme")));
            // Neither of them gives it back.
            let back = RollbackRequest {
                key: "Tier/acme".to_owned(),
                revision: story.last,
                ..Default::default()
            };
            let refused = story.rollback(token, back).await;
            assert!(refused.is_err_and(|code| code == Code::NotFound) || told == "deleted");
            let all = RollbackRequest { all: true, revision: story.last, ..Default::default() };
            let answer = story.rollback(token, all).await.unwrap();
            let taken = answer.problems.iter().any(|one| one.reason == "the name is taken");
            assert!(answer.resources.is_empty() && taken == (told == "deleted"), "{answer:?}");
        }
    });
}

#[test]
fn a_name_that_another_tenant_has_had_brings_nothing_of_theirs() {
    check(async |stack| {
        let story = Story::tell(stack).await;
        let app = "{apiVersion: turnpike/v1, kind: Application, metadata: {name: app}, spec: {}}\n";
        let delete = DeleteRequest { name: "app".to_owned(), ..DeleteRequest::default() };
        let mut had = 0;
        for token in [&story.admin, &story.acme] {
            let by = story.by(token);
            let made = apply(by.clone(), app).await.unwrap().revision;
            had = if had == 0 { made } else { had };
            let key = GenerateApiKeyRequest { application: "app".to_owned(), ..Default::default() };
            ApplicationKeysClient::new(by.clone()).generate_api_key(key).await.unwrap();
            ApplicationsClient::new(by).delete(delete.clone()).await.unwrap();
        }
        let back = |name: &str, revision| RollbackRequest {
            key: name.to_owned(),
            revision,
            ..RollbackRequest::default()
        };
        story.rollback(&story.admin, back("Application/app", had)).await.unwrap();
        let get = GetRequest { name: "app".to_owned(), ..GetRequest::default() };
        let found = ApplicationsClient::new(story.by(&story.admin)).get(get).await.unwrap();
        assert_eq!(found.into_inner().spec.unwrap().api_keys, []);
        // Whether a secret of theirs has the value of the former one is not told.
        let secret = |value: &str| {
            format!(
                "{{apiVersion: turnpike/v1, kind: Secret, metadata: {{name: pw}}, spec: {{value: \
                 {value}}}}}\n"
            )
        };
        let by = story.by(&story.admin);
        let had = apply(by.clone(), &secret("one")).await.unwrap().revision;
        let delete = DeleteRequest { name: "pw".to_owned(), ..DeleteRequest::default() };
        let mut secrets = turnpike_proto::admin::v1::secrets_client::SecretsClient::new(by.clone());
        secrets.delete(delete).await.unwrap();
        let mut told = Vec::new();
        for value in ["one", "two"] {
            assert_eq!(said(apply(story.by(&story.acme), &secret(value)).await), "ok");
            told.push(story.rollback(&story.admin, back("Secret/pw", had)).await.unwrap().problems);
        }
        assert!(!told[0].is_empty() && told[0] == told[1], "{told:?}");
    });
}
