//! Does the audit log tell who was turned away, and does a flood leave it readable?

use std::time::Duration;

use tonic::Code;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::admin::v1::{GetRequest, ListTokensRequest, tokens_client::TokensClient};
use turnpike_proto::config::v1::limit_sync_client::LimitSyncClient;
use turnpike_proto::identity::v1::AuditLine;

use crate::history::{lines, verify};
use crate::people::{token, with};
use crate::rest::curl_as;
use crate::stack::{Plane, Stack, check, tier};

/// The lines about `event`, once there are `count` of them.
async fn told(stack: &Stack, plane: &Plane, event: &str, count: usize) -> Vec<AuditLine> {
    loop {
        let mut found = lines(stack, plane).await;
        found.retain(|line| line.event == event);
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who, what and why, as one text.
fn short(line: &AuditLine) -> String {
    let AuditLine { who, outcome, details, .. } = line;
    let operation = details.get("operation").map_or("", String::as_str);
    format!("{who}: {operation}: {outcome}")
}

#[test]
fn whoever_is_turned_away_at_a_door_is_in_the_audit_log() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let auditor = token(&stack, &plane, "ci auditor").await;
        assert_eq!(curl_as(&plane, Some("wrong"), &["/api/v1/tiers/Gold"]).await.0, 401);
        let get = GetRequest { name: "Gold".to_owned(), version: String::new() };
        let refused = TiersClient::new(with(&stack, &plane, "wrong")).get(get).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
        let lines = told(&stack, &plane, "sign_in.refused", 2).await;
        let mut found: Vec<String> = lines.iter().map(short).collect();
        found.sort();
        assert_eq!(
            found,
            [
                ": /turnpike.admin.v1.Tiers/Get: the token is not known",
                ": GET /api/v1/tiers/Gold: the token is not known",
            ]
        );
        assert!(lines.iter().all(|line| line.address == "127.0.0.1"), "{lines:?}");

        let refused = ["-X", "DELETE", "/api/v1/tiers/Gold"];
        assert_eq!(curl_as(&plane, Some(&auditor), &refused).await.0, 403);
        let mut tokens = TokensClient::new(with(&stack, &plane, &auditor));
        let refused = tokens.list(ListTokensRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        // Services of ours are turned away at an earlier door.
        let mut other = LimitSyncClient::new(stack.channel(&plane, "key-manager"));
        let refused = other.share(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let lines = told(&stack, &plane, "access.refused", 3).await;
        let mut found: Vec<String> = lines.iter().map(short).collect();
        found.sort();
        assert!(found[0].starts_with("key-manager"), "{found:?}");
        assert!(found[0].contains("LimitSync/Share: "), "{found:?}");
        assert_eq!(
            found[1..],
            [
                "token:ci: /turnpike.admin.v1.Tokens/List: your token is limited to other things",
                "token:ci: DELETE /api/v1/tiers/Gold: your roles do not allow this",
            ]
        );
        assert!(lines.iter().all(|line| line.address == "127.0.0.1"), "{lines:?}");
        assert_eq!(verify(&stack, &plane).await.broken, None);
    });
}

#[test]
fn a_flood_of_refused_calls_is_a_few_lines_that_count_them() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let get = GetRequest { name: "Gold".to_owned(), version: String::new() };
        let mut stranger = TiersClient::new(with(&stack, &plane, "wrong"));
        for _ in 0..300 {
            assert!(stranger.get(get.clone()).await.is_err());
        }
        let before = lines(&stack, &plane).await.len();
        assert!(before < 10, "{before} lines");
        // What is still counted is written when the process ends.
        plane.stop().await;
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 2)).await;
        let found = told(&stack, &plane, "sign_in.refused", 2).await;
        let times = |line: &AuditLine| {
            line.details.get("times").map_or(1, |times| times.parse::<u32>().unwrap())
        };
        assert_eq!(found.iter().map(times).sum::<u32>(), 300);
        assert!(found.len() < 10, "{found:?}");
        assert_eq!(verify(&stack, &plane).await.broken, None);
    });
}
