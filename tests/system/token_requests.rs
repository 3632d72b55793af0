//! Do requests for tokens reach the collector, and are they looked at without being counted as calls?

use std::time::Duration;

use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Engines, Stack, eventually};

const FEW_TOKENS: &str = "[alerts.rules.AbnormalRefresh]\nmode = \"fixed\"\nthreshold = 5\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_too_many_tokens_is_told_and_no_call_is_counted_for_it() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start_with(Engines::Embedded, &[("analytics-collector", FEW_TOKENS)]).await;
    let published = [
        tier("Gold", 1000),
        api("orders", &backend.url(), &["Gold"]),
        application("shop", &[]),
        subscription("shop", "orders", "Gold"),
    ];
    stack.apply(&published.concat()).await;
    let (key, _) = stack.generate_keys("shop").await;
    for _ in 0..8 {
        stack.token("shop").await;
    }
    let alert = eventually("the alert is there", Duration::from_mins(1), async || {
        let alerts = stack.turnpike(&["alerts", "list", "--type", "AbnormalRefresh"]).await;
        alerts["alerts"].get(0).cloned()
    })
    .await;
    assert_eq!(alert["evidence"]["client"], key.as_str(), "{alert}");
    assert_eq!(alert["severity"], "severe", "{alert}");

    let of_type = ["analytics", "query", "--where", "api_type=TOKEN", "--by", "operation,status"];
    let asked = eventually("each is there", Duration::from_mins(1), async || {
        let answer = stack.turnpike(&of_type).await;
        let group = answer["groups"].get(0)?.clone();
        (group["measures"][0].as_f64()? >= 8.0).then_some(group)
    })
    .await;
    assert_eq!(asked["values"], serde_json::json!(["client_credentials", "200"]), "{asked}");
    assert!((asked["measures"][0].as_f64().unwrap_or_default() - 8.0).abs() < 0.5, "{asked}");
    let by_type = stack.turnpike(&["analytics", "query", "--by", "api_type,gateway"]).await;
    let told = by_type["groups"].to_string();
    assert!(!told.contains("TOKEN") && !told.contains("key-manager/"), "{told}");
}
