//! Can a state be taken to where no control plane is, and only by administrators?

use turnpike_proto::admin::v1::states_client::StatesClient;
use turnpike_proto::admin::v1::{ExportStateRequest, ExportStateResponse};
use turnpike_proto::config::v1::Transaction;

use crate::gateway::{Gateway, Held, Sent};
use crate::stack::{Plane, Stack, api, check};

/// What is exported for gateways with the label `region`, part by part.
async fn export(stack: &Stack, plane: &Plane, region: &str) -> Vec<Transaction> {
    let labels = [("region".to_owned(), region.to_owned())].into();
    let mut client = StatesClient::new(stack.channel(plane, "admin"));
    let parts = client.export(ExportStateRequest { labels }).await.unwrap();
    let mut parts = parts.into_inner();
    let mut all = Vec::new();
    while let Some(ExportStateResponse { part }) = parts.message().await.unwrap() {
        all.extend(part);
    }
    all
}

#[test]
fn what_is_exported_is_what_such_a_gateway_is_sent() {
    check(async |stack| {
        let plane = stack.start().await;
        let groups = "{apiVersion: turnpike/v1, kind: GatewayGroup, metadata: {name: eu}, spec: \
                      {selector: {region: eu}}}\n";
        let only_eu = api("eu").replace("spec: {", "spec: {gateways: [eu], ");
        stack.apply(&plane, &format!("{groups}---\n{only_eu}---\n{}", api("all"))).await;
        for (region, objects) in [("eu", 3), ("us", 1)] {
            let labels = [("region".to_owned(), region.to_owned())].into();
            let held = Held::default();
            let mut gateway = Gateway::connect_with(&stack, &plane, region, held, labels).await;
            let Sent::Full(sent, 1) = gateway.receive().await.unwrap() else { panic!("not full") };
            let exported = export(&stack, &plane, region).await;
            assert_eq!(exported.len(), 1);
            assert_eq!(exported[0].upserts, sent.upserts);
            assert_eq!(exported[0].upserts.len(), objects, "{region}");
            assert_eq!(exported[0].signature, sent.signature);
        }
    });
}

#[test]
fn a_large_state_is_exported_in_parts_of_which_the_last_is_signed() {
    check(async |stack| {
        let plane = stack.start().await;
        let text = "x".repeat(1500);
        let large = |n: usize| {
            api(&format!("api{n}")).replace("spec: {", &format!("spec: {{description: {text}, "))
        };
        for hundreds in 0..5 {
            let many: Vec<String> = (0..200).map(|n| large(hundreds * 200 + n)).collect();
            stack.apply(&plane, &many.join("---\n")).await;
        }
        let parts = export(&stack, &plane, "eu").await;
        assert!(parts.len() > 1, "{}", parts.len());
        let signed: Vec<bool> = parts.iter().map(|part| part.signature.is_some()).collect();
        assert_eq!(signed.iter().filter(|signed| **signed).count(), 1);
        assert!(signed[parts.len() - 1] && !parts[parts.len() - 1].more);
    });
}

#[test]
fn only_an_administrator_may_export_a_state() {
    check(async |stack| {
        let plane = stack.start().await;
        for name in ["gateway", "key-manager"] {
            let mut client = StatesClient::new(stack.channel(&plane, name));
            let refused = client.export(ExportStateRequest::default()).await.unwrap_err();
            let codes = [tonic::Code::PermissionDenied, tonic::Code::Unauthenticated];
            assert!(codes.contains(&refused.code()), "{name}: {refused:?}");
        }
    });
}
