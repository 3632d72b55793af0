//! Does one trace run through everything that one call or one change touches, and do metrics arrive
//! where spans do?

use std::collections::BTreeSet;
use std::time::Duration;

use harness::otlp::Otlp;
use harness::resources::{api, application, subscription};
use harness::stack::SERVICES;
use harness::{Backend, Client, Engines, Stack, eventually};

async fn send_to(otlp: &Otlp) -> Stack {
    let setting = format!("[telemetry]\notlp = \"{}\"\nmetrics_every = \"500ms\"\n", otlp.url());
    let extra = SERVICES.map(|name| (name, setting.as_str()));
    Stack::start_with(Engines::Embedded, &extra).await
}

/// What `/metrics` shows, as OTLP calls it: every series is one of a name after `# TYPE`.
fn shown(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut name = "";
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(typed) => name = typed.split(' ').next().unwrap_or_default(),
            None if !line.starts_with('#') && line.starts_with(name) => {
                names.insert(name.to_owned());
            }
            None => {}
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_every_service_reach_the_receiver_of_its_spans() {
    let otlp = Otlp::start().await;
    let stack = send_to(&otlp).await;
    for service in SERVICES {
        let mut client = Client::new(stack.operations(service));
        let answer = client.call("GET", "/metrics", &[], "").await;
        let expected = shown(&String::from_utf8_lossy(&answer.body));
        assert!(expected.len() > 5, "{service}: {expected:?}");
        let what = format!("{service} sends what it shows");
        eventually(&what, Duration::from_mins(1), async || {
            otlp.metrics(service).is_superset(&expected).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_runs_from_the_client_to_the_key_manager_and_to_the_backend() {
    let traces = Otlp::start().await;
    let backend = Backend::start("orders").await;
    let stack = send_to(&traces).await;

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
