//! Are test keys made for those who may have them, and for nothing else?

use tonic::Code;
use turnpike_proto::identity::v1::audit_client::AuditClient;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What;
use turnpike_proto::identity::v1::test_keys_client::TestKeysClient;
use turnpike_proto::identity::v1::{
    IntrospectRequest, IssueTestKeyRequest, ListAuditRequest, RevokeRequest,
};

use crate::databases::{Scratch, each};
use crate::rpc::Running;

fn asked() -> IssueTestKeyRequest {
    IssueTestKeyRequest {
        apis: vec!["orders:1.0.0".to_owned()],
        asked_by: "admin/ann".to_owned(),
        ..IssueTestKeyRequest::default()
    }
}

async fn issue(
    running: &Running,
    scratch: &Scratch,
    peer: &'static str,
    request: IssueTestKeyRequest,
) -> Result<(String, i64), Code> {
    let mut keys = TestKeysClient::new(running.to(scratch, peer));
    let made = keys.issue(request).await.map_err(|status| status.code())?.into_inner();
    Ok((made.key, made.expires_at.expect("an end").seconds))
}

/// How long a key lasts that is asked for in this way; 0: it is not made.
async fn check(running: &Running, scratch: &Scratch, request: IssueTestKeyRequest, seconds: i64) {
    let now = chassis::Clock::system().unix_seconds();
    let lasts = match issue(running, scratch, "control-plane", request.clone()).await {
        Ok((_, ends)) => ends - now,
        Err(code) => {
            assert_eq!(code, Code::InvalidArgument, "{request:?}");
            0
        }
    };
    assert!((seconds..=seconds + 5).contains(&lasts), "{request:?}: {lasts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_key_lasts_a_quarter_of_an_hour_and_an_hour_at_most() {
    each(async |scratch| {
        let running = Running::on(&scratch).await;
        let all = IssueTestKeyRequest { apis: Vec::new(), ..asked() };
        let for_api = |api: &str| IssueTestKeyRequest { apis: vec![api.to_owned()], ..asked() };
        let lasts = |seconds| IssueTestKeyRequest { lifetime_seconds: seconds, ..asked() };
        check(&running, &scratch, asked(), 900).await;
        check(&running, &scratch, lasts(3600), 3600).await;
        check(&running, &scratch, lasts(3601), 0).await;
        check(&running, &scratch, all.clone(), 0).await;
        check(&running, &scratch, IssueTestKeyRequest { explain_only: true, ..all }, 900).await;
        check(&running, &scratch, for_api("orders"), 0).await;
        check(&running, &scratch, for_api(&format!("{}:1", "x".repeat(300))), 0).await;
        let many = vec!["a:1".to_owned(); 65];
        check(&running, &scratch, IssueTestKeyRequest { apis: many, ..asked() }, 0).await;
        let nobody = IssueTestKeyRequest { asked_by: String::new(), ..asked() };
        check(&running, &scratch, nobody, 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_key_is_made_for_the_control_plane_alone_and_written_down() {
    each(async |scratch| {
        let running = Running::on(&scratch).await;
        for peer in ["gateway", "admin", "analytics-collector"] {
            let refused = issue(&running, &scratch, peer, asked()).await;
            assert_eq!(refused.unwrap_err(), Code::PermissionDenied, "{peer}");
        }
        let (key, _) = issue(&running, &scratch, "control-plane", asked()).await.expect("a key");
        let mut audit = AuditClient::new(running.to(&scratch, "admin"));
        let lines = audit.list(ListAuditRequest::default()).await.expect("lines").into_inner();
        let issued: Vec<_> =
            lines.lines.iter().filter(|line| line.event == "test_key.issued").collect();
        assert_eq!(issued.len(), 1, "{lines:?}");
        assert_eq!(issued[0].who, "admin/ann");
        assert!(!format!("{lines:?}").contains(&key));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_key_is_no_access_token_and_is_revoked_as_one() {
    each(async |scratch| {
        let running = Running::on(&scratch).await;
        let (key, _) = issue(&running, &scratch, "control-plane", asked()).await.expect("a key");
        let mut inspection = IntrospectionClient::new(running.to(&scratch, "gateway"));
        let request = IntrospectRequest { token: key.clone(), ..IntrospectRequest::default() };
        let word = inspection.introspect(request).await.expect("an answer").into_inner();
        assert!(!word.active, "{word:?}");
        let mut log = RevocationsClient::new(running.to(&scratch, "admin"));
        let mut revoke = async |token: &str| {
            let request = RevokeRequest { what: Some(What::Token(token.to_owned())) };
            log.revoke(request).await.expect("an answer").into_inner().sequence
        };
        assert_eq!(revoke(&format!("{key}x")).await, 0);
        assert!(revoke(&key).await > 0);
        assert_eq!(revoke(&key).await, 0, "it has ended already");
    })
    .await;
}
