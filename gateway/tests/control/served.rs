//! What is published for the callers: an API for each way to show a credential, and two of those that
//! differ in what happens while nothing is heard of revocations.

use std::net::SocketAddr;

use crate::partners::Partners;
use crate::shown::{CORP, Kind, PROVIDER, STANDINGS, Standing, api_key, sum};

/// The resources before something was taken back, or after it.
pub(crate) fn resources(partners: &Partners, backend: SocketAddr, taken_back: bool) -> String {
    let tokens = "schemes: [oauth2]";
    let known = if taken_back { "one, two" } else { "one, two, three" };
    let each = |name: &str| format!("{{ certificate: {name} }}");
    let list = known.split(", ").map(each).collect::<Vec<_>>().join(", ");
    let known = format!("mutualTls: {{ certificates: [{list}] }}");
    let both = format!("schemes: [mutual_tls, oauth2], required: all, {known}");
    let signed = "schemes: [mutual_tls], mutualTls: { authorities: [ { certificate: partners, \
                  names: ['dns:*.partner.example'] } ] }";
    let strict = "revocations: { beyond: refuse, maxAge: 1s }";
    let apis = [
        ("tokens", tokens.to_owned()),
        ("tokens-strict", format!("{tokens}, {strict}")),
        ("basic", "schemes: [basic]".to_owned()),
        ("basic-strict", format!("schemes: [basic], {strict}")),
        ("both", both.clone()),
        ("both-strict", format!("{both}, {strict}")),
        ("keys", "schemes: [api_key], apiKey: { query: key }".to_owned()),
        ("known", format!("schemes: [mutual_tls], {known}")),
        ("signed", signed.to_owned()),
    ];
    let api = |(name, security): &(&str, String)| {
        format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \
             \"1.0\" }}\nspec:\n  context: /{name}\n  lifecycle: PUBLISHED\n  \
             subscriptionless: true\n  keyManagers: [resident, {CORP}]\n  \
             security: {{ {security} }}\n  \
             endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n"
        )
    };
    let certificate = |name: &str, use_: &str, pem: &str, more: &str| {
        let pem = pem.replace('\n', "\n    ");
        format!(
            "---\napiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: {name} }}\n\
             spec:\n  use: {use_}\n  chain: |\n    {pem}\n{more}"
        )
    };
    let list = partners.authority.list(if taken_back { &[3] } else { &[] });
    let list = format!("  crls: |\n    {}\n", list.replace('\n', "\n    "));
    let mut all: Vec<String> = apis.iter().map(api).collect();
    all.push(certificate("partners", "client_ca", &partners.authority.pem, &list));
    for (name, pair) in ["one", "two", "three"].iter().zip(&partners.known) {
        all.push(certificate(name, "caller", &pair.pem, ""));
    }
    all.push(provider());
    all.push(application(taken_back));
    all.concat()
}

fn provider() -> String {
    format!(
        "---\n{{ apiVersion: turnpike/v1, kind: Secret, metadata: {{ name: corp-client }}, spec: {{ \
         value: s }} }}\n---\napiVersion: turnpike/v1\nkind: KeyManager\nmetadata: {{ name: {CORP} \
         }}\nspec:\n  issuer: {PROVIDER}\n  jwksUri: {PROVIDER}/jwks\n  anyAudience: true\n  \
         introspection: {{ endpoint: \"{PROVIDER}/introspect\", client: {{ id: turnpike, secret: \
         corp-client }} }}\n  tokenPatterns: [\"corp_[a-z]+\"]\n"
    )
}

fn application(taken_back: bool) -> String {
    let key = |kind: Kind, standing: Standing| {
        let ends = match standing {
            Standing::Expired => "2020-01-01T00:00:00Z",
            _ => "2100-01-01T00:00:00Z",
        };
        format!(
            "    - {{ id: \"{kind:?}-{standing:?}\", sha256: \"{}\", expiresAt: \"{ends}\" }}\n",
            sum(api_key(kind, standing).as_bytes())
        )
    };
    let standings = STANDINGS.iter().filter(|standing| match standing {
        Standing::Forged => false,
        Standing::Revoked => !taken_back,
        _ => true,
    });
    let keys: String = standings
        .flat_map(|one| [key(Kind::KeyInField, *one), key(Kind::KeyInQuery, *one)])
        .collect();
    format!(
        "---\napiVersion: turnpike/v1\nkind: Application\nmetadata: {{ name: shop }}\nspec:\n  keys: [ \
         {{ consumerKey: live }}, {{ keyManager: {CORP}, consumerKey: live }} ]\n  apiKeys:\n{keys}"
    )
}
