//! Bad input of every kind, and what it is told.

use proptest::prelude::*;

use super::*;
use crate::describe;
use crate::fixtures::lines;

/// The keys that can be read and the problems of the others, line by line.
fn said(text: &str, file: &str) -> String {
    let (resources, problems) = read_document(text, file);
    let keys = resources.iter().filter_map(key).map(|key| key.to_string());
    keys.chain(problems.iter().map(describe)).collect::<Vec<_>>().join("\n")
}

macro_rules! check {
    ($text:expr, @$said:literal) => {
        insta::assert_snapshot!(said($text, "a.yaml"), @$said)
    };
}

#[test]
fn several_documents_and_lists_are_read() {
    check!("
apiVersion: turnpike/v1
kind: Tier
metadata: { name: Gold }
spec: { quota: { requests: 5000, per: 60s } }
---
---
- { apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: {} }
- { api_version: turnpike/v1, kind: Api, metadata: { name: orders, version: \"1.0.0\" }, spec: {} }
", @"
Tier/Gold
Application/shop
Api/orders:1.0.0
");
    check!("", @"");
    check!("# nothing\n", @"");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    check!("
apiVersion: turnpike/v2
kind: Api
metadata: { name: orders, version: 1.0, label: { team: sales }, labels: { team: 7 } }
context: /orders
spec:
  contxt: /orders
  lifecycle: PUBLISH
  defaultVersion: \"yes\"
  tiers: Gold
  operations:
    - { method: GET, path: /a, auth: non, scopes: [1] }
    - just a text
  endpoints:
    production: { urls: [\"http://a\"], timeout: 5m }
    sandbox: { urls: null, timeout: 30 }
    staging: {}
  foo: 1
", @"
a.yaml: Api/orders:1.0: apiVersion: `turnpike/v1` is expected, found the text `turnpike/v2`; write `apiVersion: turnpike/v1`
a.yaml: Api/orders:1.0: metadata.version: a text is expected, found the number 1.0; put it in quotes
a.yaml: Api/orders:1.0: metadata.label: there is no field `label` here; did you mean `labels`?
a.yaml: Api/orders:1.0: metadata.labels.team: a text is expected, found the number 7; put it in quotes
a.yaml: Api/orders:1.0: context: there is no field `context` here; it belongs under `spec`
a.yaml: Api/orders:1.0: spec.contxt: there is no field `contxt` here; did you mean `context`?
a.yaml: Api/orders:1.0: spec.lifecycle: `PUBLISH` is not known here; one of CREATED, PROTOTYPED, PUBLISHED, BLOCKED, DEPRECATED, RETIRED is expected; did you mean `PUBLISHED`?
a.yaml: Api/orders:1.0: spec.defaultVersion: true or false is expected, found the text `yes`; write it without quotes
a.yaml: Api/orders:1.0: spec.tiers: a list is expected, found the text `Gold`; write `[Gold]`
a.yaml: Api/orders:1.0: spec.operations[0].auth: `non` is not known here; one of any, none, application, application_user is expected; did you mean `none`?
a.yaml: Api/orders:1.0: spec.operations[0].scopes[0]: a text is expected, found the number 1; put it in quotes
a.yaml: Api/orders:1.0: spec.operations[1]: an object is expected, found the text `just a text`
a.yaml: Api/orders:1.0: spec.endpoints.production.timeout: a duration in seconds like `30s` or `0.5s` is expected, found the text `5m`; write `300s`
a.yaml: Api/orders:1.0: spec.endpoints.sandbox.timeout: a duration in seconds like `30s` or `0.5s` is expected, found the number 30; write `30s`
a.yaml: Api/orders:1.0: spec.endpoints.staging: there is no field `staging` here
a.yaml: Api/orders:1.0: spec.foo: there is no field `foo` here
");
}

#[test]
fn kind_and_version_are_required_and_known() {
    check!("kind: Api\nmetadata: { name: a, version: \"1\" }\n", @"a.yaml: Api/a:1: apiVersion: it is missing; write `apiVersion: turnpike/v1`");
    check!("apiVersion: turnpike/v1\nmetadata: { name: a }\n", @"a.yaml: kind: it is missing; one of Api, Application, Subscription, Tier, KeyManager, GatewayGroup, Certificate, Secret, ApiProduct, DenyPolicy, CustomThrottle, Policy, Workflow, AlertRule, NotificationChannel, XacmlPolicySet is expected");
    check!("apiVersion: turnpike/v1\nkind: Subscripton\nmetadata: { name: a }\n", @"a.yaml: Subscripton/a: kind: there is no kind `Subscripton`; did you mean `Subscription`?");
    check!("apiVersion: turnpike/v1\nkind: [Api]\n", @"a.yaml: kind: a text is expected, found a list");
    check!("apiVersion: turnpike/v1\nkind: Api\nmetadata: { name: a }\n", @r#"a.yaml: Api/a: metadata.version: an Api needs a version; write `version: "1.0.0"`"#);
    check!("apiVersion: turnpike/v1\nkind: Tier\nspec: {}\n", @"a.yaml: metadata.name: a name is missing; write `metadata: { name: … }`");
    check!("just a text", @"a.yaml: a resource is an object, found the text `just a text`; start with `apiVersion: turnpike/v1`");
    check!("- 1\n- [2]", @"
a.yaml: a resource is an object, found the number 1; start with `apiVersion: turnpike/v1`
a.yaml: a resource is an object, found a list; start with `apiVersion: turnpike/v1`
");
}

#[test]
fn numbers_and_durations_keep_their_ranges() {
    let tier = |spec: &str| {
        format!("{{apiVersion: turnpike/v1, kind: Tier, metadata: {{name: t}}, spec: {spec}}}")
    };
    check!(&tier("{quota: {requests: -1, per: 60s}}"), @"a.yaml: Tier/t: spec.quota.requests: a whole number from 0 to 18446744073709551615 is expected, found the number -1");
    check!(&tier("{quota: {requests: 1.5, per: 60s}}"), @"a.yaml: Tier/t: spec.quota.requests: a whole number from 0 to 18446744073709551615 is expected, found the number 1.5");
    check!(&tier("{quota: {requests: 99999999999999999999, per: 60s}}"), @"a.yaml: Tier/t: spec.quota.requests: a whole number from 0 to 18446744073709551615 is expected, found the text `99999999999999999999`");
    check!(&tier("{quota: {requests: 1e3, per: 0.5s}}"), @"Tier/t");
    check!(&tier("{quota: {requests: \"7\", per: 1.1234567891s}}"), @"a.yaml: Tier/t: spec.quota.per: a duration in seconds like `30s` or `0.5s` is expected, found the text `1.1234567891s`");
    check!(&tier("{quota: {requests: 7, per: 500ms}}"), @"a.yaml: Tier/t: spec.quota.per: a duration in seconds like `30s` or `0.5s` is expected, found the text `500ms`; write `0.5s`");
    check!(&tier("{quota: {requests: 7, per: s}}"), @"a.yaml: Tier/t: spec.quota.per: a duration in seconds like `30s` or `0.5s` is expected, found the text `s`");
    check!(&tier("{quota: {requests: 7, per: [1]}}"), @"a.yaml: Tier/t: spec.quota.per: a duration in seconds like `30s` or `0.5s` is expected, found a list");
    check!(&tier("{stopOnQuotaReached: off}"), @"a.yaml: Tier/t: spec.stopOnQuotaReached: true or false is expected, found the text `off`; write it without quotes");
    check!(&tier("{stopOnQuotaReached: false, level: 0}"), @"a.yaml: Tier/t: spec.level: one of subscription, application, advanced is expected, found the number 0");
}

#[test]
fn a_name_that_stands_twice_is_told() {
    check!("
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop, name: store, labels: { a: x, a: y } }
spec: { tier: A, description: b, tier: C }
", @"
a.yaml: Application/shop: metadata.name: the field stands twice; keep one of them
a.yaml: Application/shop: metadata.labels.a: the name stands twice; keep one of them
a.yaml: Application/shop: spec.tier: the field stands twice; keep one of them
");
}

#[test]
fn broken_yaml_and_json_say_where() {
    check!("apiVersion: turnpike/v1\n  kind: Api\n", @"a.yaml: it is not valid YAML: mapping values are not allowed in this context at line 2 column 7");
    check!("a: [1, 2\n", @"a.yaml: it is not valid YAML: did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 4");
    check!("a: !secret b\n", @"a.yaml: it is not valid YAML: a: tags (`!name`) have no meaning here at line 1 column 4");
    check!("? [a]\n: b\n", @"a.yaml: it is not valid YAML: a name is a text, not a list or an object");
    insta::assert_snapshot!(said("{\"apiVersion\": \"turnpike/v1\",}", "a.json"), @"a.json: it is not valid JSON: trailing comma at line 1 column 30");
    insta::assert_snapshot!(said("{} {}", "a.json"), @"a.json: it is not valid JSON: trailing characters at line 1 column 4");
    // A resource before the error is still read.
    check!("{apiVersion: turnpike/v1, kind: Tier, metadata: {name: a}, spec: {}}\n---\n[", @"
Tier/a
a.yaml: it is not valid YAML: did not find expected node content at line 4 column 1, while parsing a flow node
");
}

#[test]
fn anchors_and_merge_keys_are_understood() {
    check!("
apiVersion: turnpike/v1
kind: Api
metadata: &m { name: orders, version: \"1\" }
spec:
  context: /a
  operations:
    - &get { method: GET, path: /a }
    - { <<: *get, path: /b }
", @"Api/orders:1");
}

#[test]
fn a_bomb_of_aliases_is_refused_quickly() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let before = level - 1;
        let list = format!("*a{before}, ").repeat(10);
        bomb.extend([format!("a{level}: &a{level} [{list}]\n")]);
    }
    check!(&bomb, @"a.yaml: it is not valid YAML: a4[2][2][4][0][2]: aliases make the document too large at line 1 column 16");
    let mut quadratic = format!("a: &a \"{}\"\nb: [", "x".repeat(100_000));
    quadratic.push_str(&"*a, ".repeat(100_000));
    quadratic.push(']');
    check!(&quadratic, @"a.yaml: it is not valid YAML: b[19]: aliases make the document too large at line 1 column 4");
}

#[test]
fn deep_and_huge_documents_are_refused_quickly() {
    check!(&"[".repeat(5_000_000), @"a.yaml: it nests too deeply");
    check!(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)), @"a.yaml: it is not valid YAML: recursion limit exceeded at line 1 column 129");
    check!(&format!("a: {}1", "\n- ".repeat(300)), @"
a.yaml: apiVersion: it is missing; write `apiVersion: turnpike/v1`
a.yaml: kind: it is missing; one of Api, Application, Subscription, Tier, KeyManager, GatewayGroup, Certificate, Secret, ApiProduct, DenyPolicy, CustomThrottle, Policy, Workflow, AlertRule, NotificationChannel, XacmlPolicySet is expected
");
    let json = format!("{}{}", "[".repeat(500), "]".repeat(500));
    insta::assert_snapshot!(said(&json, "a.json"), @"a.json: it is not valid JSON: recursion limit exceeded at line 1 column 128");
    check!(&"#".repeat(10_000_000), @"a.yaml: it has 10000000 bytes, and at most 8388608 are read; split it into several files");
}

#[test]
fn the_json_form_is_read_back() {
    let text = "
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: \"1.0\", labels: { \"a b\": c } }
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints: { production: { urls: [\"http://127.0.0.1:1\"], timeout: 1.5s } }
  security: { schemes: [oauth2, none], required: all }
  operations: [{ method: GET, path: \"/{id}\", auth: none, scopes: [a] }]
";
    let (resources, problems) = read_document(text, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    let json = crate::to_json(&resources[0]);
    assert_eq!(from_json(json, "").unwrap(), resources[0]);
    let yaml = crate::to_yaml(&resources[0]);
    assert_eq!(read_document(&yaml, "").0, resources);
    insta::assert_snapshot!(yaml, @"
apiVersion: turnpike/v1
kind: Api
metadata:
  labels:
    a b: c
  name: orders
  version: '1.0'
spec:
  context: /orders
  endpoints:
    production:
      timeout: 1.500s
      urls:
      - http://127.0.0.1:1
  lifecycle: PUBLISHED
  operations:
  - auth: none
    method: GET
    path: /{id}
    scopes:
    - a
  security:
    required: all
    schemes:
    - oauth2
    - none
");
}

#[test]
fn a_secret_is_never_shown() {
    let (resources, _) = read_document(
        "{apiVersion: turnpike/v1, kind: Secret, metadata: {name: s}, spec: {value: hunter2}}",
        "",
    );
    let shown = format!("{}{}", crate::to_json(&resources[0]), crate::to_yaml(&resources[0]));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("sha256"), "{shown}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n]{0,300}", wild in ".{0,100}") {
        read_document(&text, "a.yaml");
        read_document(&text, "a.json");
        read_document(&wild, "");
        read_document(&format!("apiVersion: turnpike/v1\nkind: Api\nspec: {text}\n"), "");
    }
}
