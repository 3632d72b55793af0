//! Resources for tests, in the words that users write.

use std::fmt::Write as _;

use crate::{Object, Objects, Problem, Resource, admit, describe, read_document};

/// Resources from YAML, several documents; each line `kind name …` of the short form is one:
///
/// `api N V /context`, `product N V /context`, `app N`, `sub N app api:version tier`,
/// `subp N app product:version tier`, `tier N level requests/seconds`,
/// `km N issuer`, `group N`, `deny N`, `custom N`, `policy N`, `xacml N PolicyId`, `workflow N`, `rule N`, `channel N`. What follows `+` is put into `spec` as flow YAML.
pub(crate) fn resources(short: &str) -> Vec<Resource> {
    let mut yaml = String::new();
    for line in short.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line, more) = line.split_once(" + ").unwrap_or((line, ""));
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, version, spec) = match words.as_slice() {
            ["api", _, version, context] => {
                let urls = ", endpoints: {production: {urls: [\"http://127.0.0.1:1\"]}}";
                let urls = if more.contains("endpoints") { "" } else { urls };
                let state = if more.contains("lifecycle") { "" } else { ", lifecycle: PUBLISHED" };
                ("Api", *version, format!("context: {context}{urls}{state}"))
            }
            ["product", _, version, context] => {
                ("ApiProduct", *version, format!("context: {context}, lifecycle: PUBLISHED"))
            }
            ["app", _] => ("Application", "", String::new()),
            ["sub", _, app, api, tier] => {
                let spec = format!("application: {app}, api: \"{api}\", tier: {tier}");
                ("Subscription", "", spec)
            }
            ["subp", _, app, product, tier] => {
                let spec = format!("application: {app}, apiProduct: \"{product}\", tier: {tier}");
                ("Subscription", "", spec)
            }
            ["tier", _, level, limit] => {
                let (requests, seconds) = limit.split_once('/').unwrap();
                let spec =
                    format!("level: {level}, quota: {{requests: {requests}, per: {seconds}s}}");
                ("Tier", "", spec)
            }
            ["km", name, issuer] => {
                let jwks = jose::SigningKey::generate(jose::Algorithm::ES256).unwrap().public_jwk();
                let jwks = format!("{{\"keys\":[{jwks}]}}").replace('"', "\\\"");
                let any = if more.contains("udience") || *name == "resident" {
                    ""
                } else {
                    ", anyAudience: true"
                };
                ("KeyManager", "", format!("issuer: \"{issuer}\", jwks: \"{jwks}\"{any}"))
            }
            ["deny", _] => ("DenyPolicy", "", String::new()),
            ["custom", _] => ("CustomThrottle", "", String::new()),
            ["tier", _, level] => ("Tier", "", format!("level: {level}")),
            ["xacml", _, id] => {
                ("XacmlPolicySet", "", format!("documents: [{{text: {:?}}}]", policy_of(id)))
            }
            ["policy", _] => ("Policy", "", String::new()),
            ["workflow", _] => ("Workflow", "", String::new()),
            ["rule", _] => ("AlertRule", "", String::new()),
            ["channel", _] => ("NotificationChannel", "", String::new()),
            ["cert", _] => ("Certificate", "", String::new()),
            ["group", _] => ("GatewayGroup", "", String::new()),
            ["secret", _, value] => ("Secret", "", format!("value: \"{value}\"")),
            other => panic!("{other:?}"),
        };
        let version =
            if version.is_empty() { String::new() } else { format!(", version: \"{version}\"") };
        let comma = if spec.is_empty() || more.is_empty() { "" } else { ", " };
        let name = words[1];
        writeln!(
            yaml,
            "---\napiVersion: turnpike/v1\nkind: {kind}\nmetadata: {{name: \"{name}\"{version}}}\nspec: {{{spec}{comma}{more}}}"
        )
        .unwrap();
    }
    let (resources, problems) = read_document(&yaml, "");
    assert!(problems.is_empty(), "{}\n{yaml}", lines(&problems));
    resources
}

/// A document that permits nothing and refers to what follows the first `>` in its identifier.
fn policy_of(id: &str) -> String {
    let (id, to) = id.split_once('>').unwrap_or((id, ""));
    let reference = match to {
        "" => String::new(),
        to => format!("<PolicySetIdReference>{to}</PolicySetIdReference>"),
    };
    format!(
        "<PolicySet xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17' PolicySetId='{id}' \
         Version='1.0' PolicyCombiningAlgId='urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:\
         deny-unless-permit'><Target/>{reference}</PolicySet>"
    )
}

/// The objects that these resources make, without admission.
pub(crate) fn objects(short: &str) -> Objects {
    let mut objects = Objects::new();
    for resource in resources(short) {
        objects.insert(std::sync::Arc::new(Object::new(resource).unwrap()));
    }
    objects
}

/// The objects that these resources make, admitted together.
pub(crate) fn admitted(short: &str) -> Objects {
    match admit(&Objects::new(), &resources(short), &[]) {
        Ok(admitted) => admitted.objects,
        Err(problems) => panic!("{}", lines(&problems)),
    }
}

/// Problems as lines.
pub(crate) fn lines(problems: &[Problem]) -> String {
    problems.iter().map(describe).collect::<Vec<_>>().join("\n")
}
