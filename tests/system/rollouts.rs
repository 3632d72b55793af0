//! Does a bad change in waves stay where it is, and does it go away by itself?

use std::net::SocketAddr;
use std::time::Duration;

use harness::{Answer, Backend, Client, Gateway, Load, Stack, eventually};

fn same(answer: &Answer) -> Option<String> {
    let json = answer.json();
    (json["backend"] != "good").then(|| format!("an answer of {}", json["backend"]))
}

/// A rollout of this document to one of four gateways: how it ended, and why. Only that one may have
/// failed a call.
async fn rolled_out(stack: &Stack, gateways: &[SocketAddr], change: &str) -> (String, String) {
    let loads: Vec<Load> = gateways
        .iter()
        .map(|gateway| Load::start(*gateway, "", "/orders/1.0.0/open", 100, same))
        .collect();
    let file = stack.file("change.yaml", change);
    let guard = "errors=1%,for=2s,calls=50";
    let begun = ["apply", "-f", &file, "--rollout", "25,100", "--guard", guard];
    let rollout = stack.turnpike(&begun).await;
    let name = rollout["name"].as_str().expect("a rollout").to_owned();
    let ended = eventually("the rollout ends", Duration::from_secs(50), async || {
        let shown = stack.turnpike(&["rollouts", "show", &name]).await;
        matches!(shown["state"].as_str(), Some("COMPLETED" | "ABORTED")).then_some(shown)
    })
    .await;
    let mut failed = 0;
    for load in loads {
        let tally = load.end().await;
        assert!(tally.good > 0, "{:?}", tally.failures);
        failed += usize::from(tally.failed > 0);
    }
    assert!(failed <= 1, "{failed} gateways have failed calls");
    let text = |name: &str| ended[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_backend_is_taken_back_while_all_other_gateways_serve() {
    let (stack, good) = (Stack::start_uncounted(&[]).await, Backend::start("good").await);
    let mut beside = Vec::new();
    for number in 1..=3 {
        beside.push(Gateway::beside(&stack, &format!("gateway-{number}")).await);
    }
    let mut gateways: Vec<SocketAddr> = beside.iter().map(Gateway::http).collect();
    gateways.push(stack.gateway());
    let before = harness::resources::api("orders", &good.url(), &["Unlimited"]);
    stack.apply(&before).await;
    let nobody = before.replace(&good.url(), "http://127.0.0.1:9");
    let (state, reason) = rolled_out(&stack, &gateways, &nobody).await;
    assert_eq!(state, "ABORTED");
    assert!(reason.contains("5xx") || reason.contains("calls were seen"), "{reason}");
    for gateway in &gateways {
        eventually("the good backend is back", Duration::from_secs(10), async || {
            let answer = Client::new(*gateway).call("GET", "/orders/1.0.0/open", &[], "").await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    // A change that harms nobody goes through.
    let described = before.replace("spec:\n", "spec:\n  description: new\n");
    let (state, reason) = rolled_out(&stack, &gateways, &described).await;
    assert_eq!((state.as_str(), reason.as_str()), ("COMPLETED", ""));
}
