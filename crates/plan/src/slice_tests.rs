//! What reaches a gateway, and what does not.

use super::*;
use crate::fixtures::admitted;

const ALL: &str = "
    group eu + selector: {region: eu}
    group us + selector: {region: us}
    tier Gold subscription 1/1
    tier Silver subscription 1/1
    tier Big application 1/1
    km okta https://okta
    km auth0 https://auth0
    secret unused x
    api everywhere 1 /every + tiers: [Gold, Unlimited]
    api europe 1 /eu + gateways: [eu], keyManagers: [okta], tiers: [Silver]
    api america 1 /us + gateways: [us], keyManagers: [auth0]
    app shop + tier: Big
    app web
    app idle
    sub s1 shop europe:1 Silver
    sub s2 web america:1 Unlimited
";

/// `labels` are "name=value …"; the answer is the keys that such a gateway gets.
#[track_caller]
fn check(short: &str, labels: &str, said: &[&str]) {
    let labels: BTreeMap<String, String> = labels
        .split_whitespace()
        .filter_map(|label| label.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let slice = slice(&admitted(short), &labels);
    let keys: Vec<String> = slice.iter().map(|object| object.key().to_string()).collect();
    assert_eq!(keys, said);
}

#[test]
fn a_gateway_gets_its_groups_and_what_they_need() {
    check(ALL, "", &["Tier/Gold", "Api/everywhere:1"]);
    check(
        ALL,
        "region=eu zone=a",
        &[
            "Tier/Big",
            "Tier/Gold",
            "Tier/Silver",
            "GatewayGroup/eu",
            "KeyManager/okta",
            "Api/europe:1",
            "Api/everywhere:1",
            "Application/shop",
            "Subscription/s1",
        ],
    );
    check(
        ALL,
        "region=us",
        &[
            "Tier/Gold",
            "GatewayGroup/us",
            "KeyManager/auth0",
            "Api/america:1",
            "Api/everywhere:1",
            "Application/web",
            "Subscription/s2",
        ],
    );
}

#[test]
fn the_secrets_of_a_provider_are_not_for_gateways() {
    let short = "
        secret there x
        secret both x
        km idp https://idp + introspection: {client: {id: c, secret: there}}, registration: {tokenSecret: both}
        api a 1 /a + keyManagers: [idp], endpoints: {production: {urls: ['http://b'], security: {basic: {username: u, secret: both}}}}
    ";
    check(short, "", &["Secret/both", "KeyManager/idp", "Api/a:1"]);
}

#[test]
fn a_prototype_needs_every_application() {
    check(
        "api p 1 /p + lifecycle: PROTOTYPED\napp a\ntier Big application 1/1\napp b + tier: Big",
        "",
        &["Tier/Big", "Api/p:1", "Application/a", "Application/b"],
    );
}

#[test]
fn definition_texts_stay_behind_and_their_hash_does_not() {
    let all = admitted("api a 1 /a + definition: {text: 'openapi: 3.1.0'}\napi b 1 /b");
    let slice = slice(&all, &BTreeMap::new());
    let a = slice.get(&"Api/a:1".parse().unwrap()).unwrap();
    let shown = crate::to_json(&a.resource().unwrap()).to_string();
    assert!(!shown.contains("openapi") && shown.contains("sha256"), "{shown}");
    let b: ResourceKey = "Api/b:1".parse().unwrap();
    assert!(Arc::ptr_eq(&all.get(&b).unwrap(), &slice.get(&b).unwrap()));
}

#[test]
fn secrets_of_backends_go_only_where_an_api_needs_them() {
    let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    let flow = |text: &str| text.replace('\n', "\\n");
    let (chain, key) = (flow(&made.cert.pem()), flow(&made.signing_key.serialize_pem()));
    let all = format!(
        "group eu + selector: {{region: eu}}
        secret pass x
        secret key {}
        cert client + use: backend_client, keySecret: key, chain: \"{chain}\"
        api a 1 /a + gateways: [eu], endpoints: {{production: {{urls: [\"https://b\"], \
         tls: {{clientCertificate: client}}, \
         security: {{basic: {{username: u, secret: pass}}}}}}}}",
        key.replace(' ', "\\u0020")
    );
    check(&all, "", &[]);
    check(
        &all,
        "region=eu",
        &["Secret/key", "Secret/pass", "GatewayGroup/eu", "Api/a:1", "Certificate/client"],
    );
}

#[test]
fn the_groups_of_a_gateway_are_told_with_default() {
    let labels = BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
    assert_eq!(groups(&admitted(ALL), &labels), ["default", "eu"]);
    assert_eq!(groups(&Objects::new(), &labels), ["default"]);
}

#[test]
fn policies_follow_the_apis_that_name_them_and_workflows_stay_at_home() {
    let all = "
        group eu + selector: {region: eu}
        secret key x
        policy tag + rules: [{removeHeader: {name: x-a}}]
        policy unused + rules: [{removeHeader: {name: x-a}}]
        workflow ask + events: [SUBSCRIPTION_CREATION], http: {url: 'https://w/', secret: key}
        api europe 1 /eu + gateways: [eu], policies: {request: [{policy: tag}]}
    ";
    check(all, "region=us", &[]);
    check(all, "region=eu", &["GatewayGroup/eu", "Policy/tag", "Api/europe:1"]);
}
