//! The resources that tests publish, as a person would write them.

/// An API behind one backend, open to subscribers of the named tiers.
pub fn api(name: &str, backend: &str, tiers: &[&str]) -> String {
    format!(
        r#"---
apiVersion: turnpike/v1
kind: Api
metadata: {{ name: {name}, version: "1.0.0" }}
spec:
  context: /{name}
  lifecycle: PUBLISHED
  endpoints: {{ production: {{ urls: ["{backend}"] }} }}
  operations:
    - {{ method: GET, path: "/items/{{id}}" }}
    - {{ method: POST, path: /items }}
    - {{ method: GET, path: /open, auth: none }}
  tiers: {tiers:?}
"#
    )
}

/// An application with the given keys, each `key manager/consumer key`.
pub fn application(name: &str, keys: &[&str]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .filter_map(|key| key.split_once('/'))
        .map(|(manager, key)| format!("{{ keyManager: {manager}, consumerKey: {key} }}"))
        .collect();
    format!(
        r"---
apiVersion: turnpike/v1
kind: Application
metadata: {{ name: {name} }}
spec: {{ keys: [{}] }}
",
        keys.join(", ")
    )
}

/// A subscription of the application to version 1.0.0 of the API.
pub fn subscription(application: &str, api: &str, tier: &str) -> String {
    format!(
        r#"---
apiVersion: turnpike/v1
kind: Subscription
metadata: {{ name: {application}-{api} }}
spec: {{ application: {application}, api: "{api}:1.0.0", tier: {tier} }}
"#
    )
}

/// A subscription tier with a quota of so many calls an hour.
pub fn tier(name: &str, requests: u64) -> String {
    format!(
        r"---
apiVersion: turnpike/v1
kind: Tier
metadata: {{ name: {name} }}
spec: {{ quota: {{ requests: {requests}, per: 3600s }} }}
"
    )
}
