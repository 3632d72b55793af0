//! Does a provider without a standard work from end to end, through the connector of the examples?
//! (KM-093)

#[path = "../../key-manager/examples/provider_connector/connector.rs"]
mod legacy;

use std::time::Duration;

use chassis::Host;
use chassis::rpc::{Allow, Config, Services, serve};
use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Stack, eventually};
use turnpike_proto::identity::v1::DeleteConnectedApplicationRequest;
use turnpike_proto::identity::v1::provider_connector_server::{
    ProviderConnector as _, ProviderConnectorServer,
};

use legacy::{ISSUER, Legacy};

const CALL: &str = "/orders/1.0.0/items/7";

/// The connector on a port of its own, which believes whom the stack believes.
async fn served(stack: &Stack, legacy: Legacy) -> (Host, String) {
    let host = Host::development("legacy", stack.folder()).expect("a host");
    let service = ProviderConnectorServer::new(legacy);
    let services =
        Services::new(turnpike_proto::DESCRIPTORS).add(Allow::only(&["key-manager"]), service);
    let listen = Config { listen: ([127, 0, 0, 1], 0).into(), connections: 16 };
    let address = serve(&host, &listen, services).await.expect("a port");
    (host, format!("https://{address}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_use_a_provider_without_a_standard() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start_uncounted(&[]).await;
    let legacy = Legacy::default();
    let (_host, address) = served(&stack, legacy.clone()).await;
    let provider = format!(
        "---\napiVersion: turnpike/v1\nkind: KeyManager\nmetadata: {{ name: legacy }}\nspec:\n  \
         issuer: {ISSUER}\n  anyAudience: true\n  tokenPatterns: ['old_[a-z0-9-]+']\n  \
         introspection: {{ cacheSeconds: 1 }}\n  connector: {{ address: '{address}' }}\n"
    );
    let api = api("orders", &backend.url(), &["Gold"])
        .replace("  tiers:", "  keyManagers: [legacy]\n  tiers:");
    let published = [
        tier("Gold", 100_000),
        provider,
        api,
        application("shop", &[]),
        application("other", &[]),
        subscription("shop", "orders", "Gold"),
    ];
    stack.apply(&published.concat()).await;

    eventually("the connector is asked", Duration::from_secs(20), async || {
        let all = stack.turnpike(&["key-managers"]).await;
        let one = all["providers"].as_array()?.iter().find(|one| one["name"] == "legacy")?.clone();
        (one["healthy"] == true).then_some(())
    })
    .await;
    let generate = ["keys", "generate", "--app", "shop", "--key-manager", "legacy"];
    let made = stack.turnpike(&generate).await;
    let client = made["consumerKey"].as_str().expect("a client").to_owned();
    let verdict = async |token: &str| {
        let answer = stack.client().with_token(token).get(CALL).await;
        if answer.status == 200 { "200".to_owned() } else { answer.verdict() }
    };
    let becomes = async |token: &str, expected: &str| {
        eventually(&format!("the answer is {expected}"), Duration::from_secs(10), async || {
            (verdict(token).await == expected).then_some(())
        })
        .await;
    };
    let token = format!("old_{client}");
    becomes(&token, "200").await;
    assert_eq!(verdict("old_legacy-99").await, "401 900901", "the provider knows no such token");
    assert_eq!(verdict("new_legacy-1").await, "401 900901", "nobody is asked about it");

    let map = ["keys", "map", "--app", "other", "--key-manager", "legacy", "--consumer-key"];
    let unknown = stack.try_turnpike(&[&map[..], &["legacy-99"]].concat()).await;
    let words = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && words.contains("no such client"), "{words}");

    let gone = DeleteConnectedApplicationRequest {
        key_manager: "legacy".to_owned(),
        client_id: client.clone(),
    };
    legacy.delete_application(tonic::Request::new(gone)).await.expect("gone");
    becomes(&token, "401 900901").await;
}
