//! Is a bad object of any kind refused with the field, the reason, and what would be right?

use std::collections::BTreeMap;

use plan::{Kind, Objects, Problem, admit, read_document};

/// A document, the field that is wrong, and words of the reason and of the suggestion.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn refused(text: &str) -> Vec<Problem> {
    let (resources, mut problems) = read_document(text, "");
    if problems.is_empty() {
        problems = admit(&Objects::new(), &resources, &[]).err().unwrap_or_default();
    }
    problems
}

/// `kind spec`, with the rest of the document added.
fn document(short: &str) -> String {
    let (kind, spec) = short.split_once(' ').unwrap_or((short, "{}"));
    let is_versioned = matches!(kind, "Api" | "ApiProduct");
    let version = if is_versioned { ", version: \"1.0\"" } else { "" };
    format!(
        "{{apiVersion: turnpike/v1, kind: {kind}, metadata: {{name: a{version}}}, spec: {spec}}}"
    )
}

#[track_caller]
fn check(row: &Row) {
    let (short, field, reason, suggestion) = row;
    let text = document(short);
    let problems = refused(&text);
    let fits = |problem: &&Problem| {
        problem.field == *field
            && problem.reason.contains(reason)
            && problem.suggestion.contains(suggestion)
            && !problem.suggestion.is_empty()
            && !problem.resource.is_empty()
    };
    let said: Vec<String> = problems.iter().map(|it| format!("{it:?}")).collect();
    assert!(problems.iter().any(|problem| fits(&problem)), "{text}\n{}", said.join("\n"));
}

const ROWS: &[Row] = &[
    ("Tier {quota: {requests: 5, per: 60}}", "spec.quota.per", "the number 60", "write `60s`"),
    ("Tier {qouta: {requests: 5, per: 60s}}", "spec.qouta", "no field", "did you mean `quota`"),
    ("Tier {level: subscripton}", "spec.level", "not known", "did you mean `subscription`"),
    ("Secret {valeu: x}", "spec.valeu", "no field", "did you mean `value`"),
    ("Secret {value: 17}", "spec.value", "the number 17", "put it in quotes"),
    ("Secret {valu: x}", "spec.valu", "no field", "did you mean `value`"),
    (
        "GatewayGroup {virtualHosts: a.example}",
        "spec.virtualHosts",
        "a list",
        "write `[a.example]`",
    ),
    ("GatewayGroup {virtualHosts: [\"https://a.example\"]}", "spec.virtualHosts[0]", "", ""),
    ("GatewayGroup {selectors: {a: b}}", "spec.selectors", "no field", "did you mean `selector`"),
    ("KeyManager {issuer: \"https://a.example\"}", "spec.audiences", "", ""),
    (
        "KeyManager {isuer: \"https://a.example\"}",
        "spec.isuer",
        "no field",
        "did you mean `issuer`",
    ),
    (
        "KeyManager {issuer: \"https://a.example\", anyAudience: true, algorithms: [HS256]}",
        "spec.algorithms[0]",
        "HS256",
        "",
    ),
    ("Policy {rule: []}", "spec.rule", "no field", "did you mean `rules`"),
    (
        "Policy {rules: [{setHeader: {nme: a}}]}",
        "spec.rules[0].setHeader.nme",
        "no field",
        "`name`",
    ),
    (
        "Policy {rules: [{setHeader: {name: Host, value: a}}]}",
        "spec.rules[0].setHeader.name",
        "",
        "",
    ),
    ("XacmlPolicySet {document: x}", "spec.document", "no field", "did you mean `documents`"),
    ("XacmlPolicySet {}", "spec.documents", "no document", "`documents: [{ file: policy.xml }]`"),
    ("XacmlPolicySet {documents: [{}]}", "spec.documents[0].text", "is missing", "policy.xml"),
    (
        "XacmlPolicySet {documents: [{text: \"<Policy xmlns='urn:oasis:names:tc:xacml:2.0:policy:schema:os'/>\"}]}",
        "spec.documents[0].text",
        "line 1, Policy: it is written in XACML 2.0",
        "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17",
    ),
    (
        "XacmlPolicySet {documents: [{text: \"<Policy xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17' PolicyID='p' Version='1.0' RuleCombiningAlgId='urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overides'><Target/></Policy>\"}]}",
        "spec.documents[0].text",
        "no algorithm for rules",
        "rule-combining-algorithm:deny-overrides",
    ),
    ("XacmlPolicySet {includes: [a]}", "spec.includes[0]", "includes itself", "leave it out"),
    ("XacmlPolicySet {includes: [b]}", "spec.documents", "no document", "file"),
    ("Workflow {event: []}", "spec.event", "no field", "did you mean `events`"),
    ("Workflow {events: [API_STAT]}", "spec.events[0]", "not known", "did you mean `API_STATE`"),
    ("Workflow {events: x}", "spec.events", "a list", "write `[x]`"),
    ("AlertRule {tipe: KeySharing}", "spec.tipe", "no field", "did you mean `type`"),
    ("AlertRule {type: KeySaring}", "spec.type", "not known", "did you mean `KeySharing`"),
    ("AlertRule {enabled: false}", "spec.type", "missing", "KeySharing"),
    ("AlertRule {type: BotDetection, threshold: -1}", "spec.threshold", "above 0", ""),
    ("NotificationChannel {mail: {}}", "spec.mail", "no field", "did you mean `email`"),
    ("NotificationChannel {}", "spec", "where", "`webhook` or `email`"),
    ("NotificationChannel {email: {to: [ops]}}", "spec.email.to[0]", "`ops`", "name@example.com"),
    ("Api {context: orders, lifecycle: CREATED}", "spec.context", "", "/orders"),
    ("Api {context: /a, lifecycle: PUBLISED}", "spec.lifecycle", "not known", "PUBLISHED"),
    ("Api {context: /a, lifecycle: PUBLISHED}", "spec.endpoints", "", ""),
    (
        "Api {context: /a, endpoints: {production: {urls: [\"ftp://a\"]}}}",
        "spec.endpoints.production.urls[0]",
        "",
        "",
    ),
    (
        "Api {context: /a, operations: [{method: get, path: /x}]}",
        "spec.operations[0].method",
        "",
        "GET",
    ),
    ("Api {context: /a, tiers: [Golt]}", "spec.tiers[0]", "", "Gold"),
    ("ApiProduct {context: /p, lifecycle: PUBLISED}", "spec.lifecycle", "not known", "PUBLISHED"),
    ("ApiProduct {context: /p, api: []}", "spec.api", "no field", "did you mean `apis`"),
    ("ApiProduct {context: p}", "spec.context", "", "/p"),
    ("Application {tier: Golt}", "spec.tier", "", ""),
    ("Application {allowedIps: [10.0.0.0/33]}", "spec.allowedIps[0]", "", ""),
    (
        "Application {keys: [{consumrKey: x}]}",
        "spec.keys[0].consumrKey",
        "no field",
        "did you mean `consumerKey`",
    ),
    ("Subscription {aplication: b}", "spec.aplication", "no field", "did you mean `application`"),
    ("Subscription {application: b, state: BLOKED}", "spec.state", "not known", "BLOCKED"),
    ("Subscription {application: b, api: c}", "spec.api", "", ""),
    ("Certificate {chain: x}", "spec.chain", "", ""),
    ("Certificate {use: listner}", "spec.use", "not known", "did you mean `listener`"),
    ("Certificate {chian: x}", "spec.chian", "no field", "did you mean `chain`"),
    ("DenyPolicy {addresses: [10.0.0.0/33]}", "spec.addresses[0]", "", ""),
    ("DenyPolicy {adresses: []}", "spec.adresses", "no field", "did you mean `addresses`"),
    ("DenyPolicy {}", "spec", "", ""),
    ("CustomThrottle {key: 5}", "spec.key", "the number 5", "put it in quotes"),
    ("CustomThrottle {key: request.method}", "spec", "", ""),
    ("CustomThrottle {keys: x}", "spec.keys", "no field", "did you mean `key`"),
];

#[test]
fn every_mistake_is_told_with_its_field_the_reason_and_what_would_be_right() {
    let mut wrong = Vec::new();
    for row in ROWS {
        if let Err(panic) = std::panic::catch_unwind(|| check(row)) {
            let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_kind_has_three_mistakes() {
    let mut counts: BTreeMap<&str, usize> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.is_of_files())
        .map(|kind| (kind.name(), 0))
        .collect();
    for (short, ..) in ROWS {
        let kind = short.split(' ').next().unwrap_or_default();
        *counts.entry(kind).or_default() += 1;
    }
    let few: Vec<_> = counts.iter().filter(|(_, count)| **count < 3).collect();
    assert!(few.is_empty(), "{few:?}");
}

/// A mistake of spelling has a suggestion. What is not there yet has none, but is not passed over.
#[test]
fn what_nobody_would_guard_is_refused_and_not_served_unguarded() {
    let rows = [
        ("threatProtection: {json: {maxDepth: 30}}", "spec.threatProtection", "no field"),
        ("type: GRAPHQL", "spec.type", "`GRAPHQL` is not known"),
    ];
    for (wish, field, reason) in rows {
        let text = document(&format!("Api {{context: /a, {wish}}}"));
        let problems = refused(&text);
        let said = problems.iter().any(|it| it.field == field && it.reason.contains(reason));
        assert!(said, "{text}\n{problems:?}");
    }
}

#[test]
fn what_has_no_kind_or_no_name_is_told_too() {
    for (text, field) in [
        ("{apiVersion: turnpike/v1, kind: Teir, metadata: {name: a}}", "kind"),
        ("{apiVersion: turnpike/v2, kind: Tier, metadata: {name: a}, spec: {}}", "apiVersion"),
        ("{apiVersion: turnpike/v1, kind: Tier, spec: {}}", "metadata.name"),
        ("{apiVersion: turnpike/v1, kind: Api, metadata: {name: a}, spec: {}}", "metadata.version"),
        (
            "{apiVersion: turnpike/v1, kind: Tier, metadata: {name: \"a b\"}, spec: {}}",
            "metadata.name",
        ),
    ] {
        let problems = refused(text);
        let told = problems.iter().find(|problem| problem.field == field);
        assert!(told.is_some_and(|it| !it.suggestion.is_empty()), "{text}: {problems:?}");
    }
}
