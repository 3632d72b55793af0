//! What do callers meet while an API lives, its versions follow each other, and its policies change?

use harness::{Backend, Client, Stack};

/// An API that anybody may call and that names a policy, and the policy.
fn resources(backend: &str, tag: &str) -> String {
    format!(
        "{{ apiVersion: turnpike/v1, kind: Policy, metadata: {{ name: tag }}, spec: {{ rules: [ {{ setHeader: \
         {{ name: x-tag, value: {tag} }} }} ] }} }}\n---\n\
         {{ apiVersion: turnpike/v1, kind: Api, metadata: {{ name: orders, version: '1' }}, spec: \
         {{ context: /orders, defaultVersion: true, lifecycle: CREATED, security: {{ schemes: [none] }}, \
         policies: {{ response: [ {{ policy: tag }} ] }}, \
         endpoints: {{ production: {{ urls: ['{backend}'] }} }} }} }}\n"
    )
}

/// Status and tag of a call.
async fn said(client: &mut Client, path: &str) -> String {
    let answer = client.get(path).await;
    let tag = answer.headers.get("x-tag").map_or("-", |tag| tag.to_str().unwrap_or("?"));
    format!("{} {tag}", answer.status.as_u16())
}

#[tokio::test]
async fn an_api_is_published_versioned_and_retired_while_it_is_called() {
    let (stack, backend) = (Stack::start_uncounted(&[]).await, Backend::start("b").await);
    let mut client = stack.client();
    let step = async |line: &str| {
        let arguments: Vec<&str> = line.split(' ').collect();
        stack.turnpike(&arguments).await;
    };
    stack.apply(&resources(&backend.url(), "one")).await;
    assert_eq!(said(&mut client, "/orders/1/items/1").await, "404 -");
    step("lifecycle orders:1 publish --wait all").await;
    assert_eq!(said(&mut client, "/orders/1/items/1").await, "200 one");
    assert_eq!(said(&mut client, "/orders/items/1").await, "200 one");
    step("version orders:1 2 --default").await;
    assert_eq!(said(&mut client, "/orders/2/items/1").await, "404 -");
    assert_eq!(said(&mut client, "/orders/items/1").await, "200 one", "still the first version");
    step("lifecycle orders:2 publish --deprecate-old --wait all").await;
    for path in ["/orders/1/items/1", "/orders/2/items/1", "/orders/items/1"] {
        assert_eq!(said(&mut client, path).await, "200 one", "{path}");
    }
    step("lifecycle orders:1 retire --wait all").await;
    assert_eq!(said(&mut client, "/orders/1/items/1").await, "404 -");
    step("lifecycle orders:2 block --wait all").await;
    assert_eq!(said(&mut client, "/orders/items/1").await, "503 -");
    step("lifecycle orders:2 re-publish --wait all").await;
    let two = resources(&backend.url(), "two");
    stack.apply(two.split("---").next().unwrap_or_default()).await;
    assert_eq!(said(&mut client, "/orders/2/items/1").await, "200 two", "the policy has changed");
    let refused = stack.try_turnpike(&["lifecycle", "orders:1", "publish"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("publish is no step from RETIRED"),
        "{said}"
    );
}
