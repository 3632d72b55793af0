//! Does one trace run through everything that one call or one change touches?

use std::time::Duration;

use harness::resources::{api, application, subscription};
use harness::traces::Traces;
use harness::{Backend, Engines, Stack, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_runs_from_the_client_to_the_key_manager_and_to_the_backend() {
    let traces = Traces::start().await;
    let backend = Backend::start("orders").await;
    let setting = format!("[telemetry]\notlp = \"{}\"\n", traces.url());
    let extra: Vec<(&'static str, &str)> =
        harness::stack::SERVICES.into_iter().map(|name| (name, setting.as_str())).collect();
    let stack = Stack::start_with(Engines::Embedded, &extra).await;

    let form = ("content-type", "application/x-www-form-urlencoded");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [form, ("traceparent", parent.as_str())];
    let mut client = stack.client();
    client.call("POST", "/oauth2/token", &headers, "grant_type=client_credentials").await;
    eventually("gateway and key manager share a trace", Duration::from_secs(15), async || {
        (traces.services(trace) == ["gateway", "key-manager"]).then_some(())
    })
    .await;

    let published = [
        api("orders", &backend.url(), &["Unlimited"]),
        application("shop", &[]),
        subscription("shop", "orders", "Unlimited"),
    ];
    stack.apply(&published.concat()).await;
    eventually("control plane and gateway share a trace", Duration::from_secs(15), async || {
        let found = traces.spans().into_iter().any(|span| {
            let services = traces.services(&span.trace);
            services.iter().any(|name| name == "control-plane")
                && services.iter().any(|name| name == "gateway")
        });
        found.then_some(())
    })
    .await;

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let answer = client.call("GET", "/orders/1.0.0/open", &[("traceparent", &parent)], "").await;
    let seen = answer.json()["headers"]["traceparent"].as_str().unwrap_or_default().to_owned();
    assert!(seen.contains(trace), "the backend saw `{seen}`");
    assert!(!seen.contains("00f067aa0ba902b7"), "the backend is told of the gateway's own span");
}
