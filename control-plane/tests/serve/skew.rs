//! Do gateways of another version get what they understand, and nothing that would open a door?

use std::time::Duration;

use turnpike_proto::admin::v1::ListGatewaysRequest;
use turnpike_proto::admin::v1::gateways_client::GatewaysClient;
use turnpike_proto::config::v1::{Hello, KnownType};

use crate::gateway::{Gateway, Held, Sent};
use crate::stack::{Plane, Stack, api, check};

/// A gateway of a build that lacks these, as `Message.number`.
fn without(lacks: &[&str]) -> Hello {
    let own = plan::Known::own();
    let known = own.types().map(|(name, numbers)| {
        let short = name.rsplit('.').next().unwrap_or_default();
        let has = |number: &i32| !lacks.contains(&format!("{short}.{number}").as_str());
        KnownType { name: name.to_owned(), numbers: numbers.into_iter().filter(has).collect() }
    });
    let build = env!("CARGO_PKG_VERSION").to_owned();
    Hello { node: "old".to_owned(), build, known: known.collect(), ..Hello::default() }
}

/// What is shown of the gateway as left out, once something is.
async fn left_out(stack: &Stack, plane: &Plane) -> Vec<String> {
    let mut client = GatewaysClient::new(stack.channel(plane, "admin"));
    for _ in 0..500 {
        let shown = client.list(ListGatewaysRequest::default()).await.unwrap().into_inner();
        if let Some(state) = shown.gateways.into_iter().find(|it| !it.left_out.is_empty()) {
            return state.left_out;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is shown as left out");
}

/// The YAML of an object of a transaction.
fn yaml(sent: &Sent, key: &str) -> String {
    let (Sent::Full(transaction, _) | Sent::Delta(transaction, _)) = sent else {
        panic!("{sent:?}")
    };
    let object = transaction.upserts.iter().find(|object| object.key == key).expect("it is sent");
    plan::to_yaml(&plan::decode(&object.resource).unwrap())
}

#[test]
fn an_older_gateway_gets_an_api_with_a_new_policy_as_blocked() {
    check(async |stack| {
        let plane = stack.start().await;
        let guarded = api("guarded")
            .replace("spec: {", "spec: {cors: {allowOrigins: [\"https://a.example\"]}, ");
        stack.apply(&plane, &format!("{}---\n{guarded}", api("plain"))).await;
        let old = without(&["ApiSpec.13"]);
        let mut gateway = Gateway::connect_as(&stack, &plane, Held::default(), old).await;
        let sent = gateway.receive().await.unwrap();
        assert!(yaml(&sent, "Api/guarded:1").contains("BLOCKED"));
        assert!(yaml(&sent, "Api/plain:1").contains("PUBLISHED"));
        gateway.answer().await;
        let said = left_out(&stack, &plane).await;
        assert_eq!(said, ["Api/guarded:1: answers 503, because of api.spec.cors"]);
        // One of this version beside it gets everything.
        let same = Hello { node: "same".to_owned(), ..without(&[]) };
        let mut same = Gateway::connect_as(&stack, &plane, Held::default(), same).await;
        let sent = same.receive().await.unwrap();
        assert!(yaml(&sent, "Api/guarded:1").contains("cors"));
        // It follows, and gets the API back when it says nothing new any more.
        stack.apply(&plane, &api("guarded")).await;
        let sent = gateway.receive().await.unwrap();
        assert!(yaml(&sent, "Api/guarded:1").contains("PUBLISHED"));
        assert_eq!(sent.told(), "delta +1");
    });
}

#[test]
fn a_gateway_that_would_let_calls_through_gets_nothing_and_is_told_why() {
    check(async |stack| {
        let plane = stack.start().await;
        let deny = "{apiVersion: turnpike/v1, kind: DenyPolicy, metadata: {name: d}, spec: \
                    {addresses: [10.0.0.0/8]}}\n";
        stack.apply(&plane, &format!("{}---\n{deny}", api("a"))).await;
        let old = without(&["Resource.10"]);
        let mut gateway = Gateway::connect_as(&stack, &plane, Held::default(), old).await;
        let refused = gateway.receive().await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(refused.message().contains("DenyPolicy/d"), "{refused:?}");
    });
}

#[test]
fn a_gateway_of_a_far_version_is_refused_with_the_reason() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let far = Hello { build: "7.1.0".to_owned(), ..without(&[]) };
        let refused = Gateway::open(&stack, &plane, far, Held::default()).await.err().unwrap();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(refused.message().contains("7.1.0"), "{refused:?}");
    });
}

#[test]
fn a_gateway_of_a_later_version_is_served() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut later = without(&[]);
        // It has a kind and a field that nobody here has heard of.
        later
            .known
            .push(KnownType { name: "turnpike.config.v1.Later".to_owned(), numbers: vec![1] });
        for known in &mut later.known {
            known.numbers.push(4242);
        }
        let mut gateway = Gateway::connect_as(&stack, &plane, Held::default(), later).await;
        assert_eq!(gateway.step().await, "full +1");
    });
}
