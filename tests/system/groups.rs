//! Does each group of gateways serve its own APIs, under its own hosts, and keep them whatever happens
//! to the others?

use harness::{Backend, Gateway, Stack};

const GROUPS: &str = "
{ apiVersion: turnpike/v1, kind: GatewayGroup, metadata: { name: eu }, spec: { selector: { region: eu }, virtualHosts: [eu.example] } }
---
{ apiVersion: turnpike/v1, kind: GatewayGroup, metadata: { name: us }, spec: { selector: { region: us }, virtualHosts: ['*.us.example'] } }
";

/// An open API of these groups.
fn api(name: &str, context: &str, groups: &str, backend: &str) -> String {
    format!(
        "---\n{{ apiVersion: turnpike/v1, kind: Api, metadata: {{ name: {name}, version: '1' }}, spec: \
         {{ context: {context}, gateways: [{groups}], lifecycle: PUBLISHED, security: {{ schemes: [none] }}, \
         endpoints: {{ production: {{ urls: ['{backend}'] }} }} }} }}\n"
    )
}

/// The status of a call with this host.
async fn check(gateway: &Gateway, host: &str, path: &str, status: u16) {
    let answer = gateway.client().call("GET", path, &[("host", host)], "").await;
    assert_eq!(answer.status.as_u16(), status, "{host}{path}");
}

#[tokio::test]
async fn groups_serve_their_own_apis_and_taking_one_away_leaves_it_to_the_others() {
    let (stack, backend) = (Stack::start_uncounted(&[]).await, Backend::start("b").await);
    let eu = Gateway::labelled(&stack, "eu", ("region", "eu")).await;
    let us = Gateway::labelled(&stack, "us", ("region", "us")).await;
    let both = api("both", "/both", "eu, us", &backend.url());
    let only = api("only", "/only", "eu", &backend.url());
    stack.apply(&format!("{GROUPS}{both}{only}")).await;
    for (gateway, host, both, only) in [
        (&eu, "eu.example", 200, 200),
        (&eu, "x.us.example", 404, 404),
        (&eu, "localhost", 404, 404),
        (&us, "x.us.example", 200, 404),
        (&us, "us.example", 404, 404),
        (&us, "eu.example", 404, 404),
    ] {
        check(gateway, host, "/both/1/items/1", both).await;
        check(gateway, host, "/only/1/items/1", only).await;
    }
    // WSO2 product-apim#12255: what was taken from one environment was gone in all.
    stack.apply(&api("both", "/both", "eu", &backend.url())).await;
    check(&eu, "eu.example", "/both/1/items/1", 200).await;
    check(&us, "x.us.example", "/both/1/items/1", 404).await;
    stack.apply(&api("both", "/both", "us", &backend.url())).await;
    check(&eu, "eu.example", "/both/1/items/1", 404).await;
    check(&us, "x.us.example", "/both/1/items/1", 200).await;
    // One path is one API's, whichever groups and hosts serve it.
    let file = stack.file("taken.yaml", &api("other", "/both", "eu", &backend.url()));
    let output = stack.try_turnpike(&["apply", "-f", &file]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("the path /both/1 is taken"), "{said}");
}
