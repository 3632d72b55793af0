//! What credentials come to, and which are refused.

use std::sync::Arc;

use super::*;
use crate::fixtures::{lines, resources};
use crate::{Objects, Plan, admit};

const SECRETS: &str = "
    secret pass s3:cr%t
    secret key k-1
    secret client c/1
    secret token t-1
";

/// The API with `security` and the secrets above.
fn all(security: &str) -> Vec<crate::Resource> {
    let mut all = resources(SECRETS);
    let yaml = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: \
         {{context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{urls: \
         [\"https://b\"], security: {{{security}}}}}}}}}}}"
    );
    let (read, problems) = crate::read_document(&yaml, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    all.extend(read);
    all
}

/// What a gateway makes of this security.
fn credential(security: &str) -> Arc<CredentialPlan> {
    let admitted = admit(&Objects::new(), &all(security), &[])
        .unwrap_or_else(|problems| panic!("{}", lines(&problems)));
    let stored: Vec<_> =
        admitted.upserts.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let (plan, rejected) = Plan::empty().next(&stored, &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let production = plan.api("a:1").unwrap().production.clone().unwrap();
    production.credential.clone().unwrap()
}

#[track_caller]
fn check(security: &str, expected: &str) {
    let credential = credential(security);
    let shown = match &*credential {
        CredentialPlan::Field(name, value) => format!("{name}: {}", value.to_str().unwrap()),
        CredentialPlan::Query(name, value) => format!("?{name}={}", value.expose()),
        CredentialPlan::Token(token) => {
            let basic = token.authorization.as_ref().map_or("-", |basic| basic.to_str().unwrap());
            let refresh = token.refresh_form.as_ref().map_or("-", SecretText::expose);
            let form = token.form.expose();
            format!("{} {}\n{basic}\n{form}\n{refresh}", token.server, token.path)
        }
        CredentialPlan::Aws(aws) => format!(
            "{} {} {} {} {}",
            aws.access_key,
            aws.secret.expose(),
            aws.region,
            aws.service,
            aws.session_token.as_ref().map_or("-", SecretText::expose)
        ),
    };
    assert_eq!(shown, expected);
    let printed = format!("{credential:?}");
    for secret in ["s3:cr", "k-1", "c/1", "t-1", "c%2F1", "Basic"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// What admission says to this security.
fn said(security: &str) -> String {
    let admitted = admit(&Objects::new(), &all(security), &[]);
    admitted.map_or_else(|problems| lines(&problems), |_| "ok".to_owned())
}

#[test]
fn credentials_that_stay_the_same_are_finished_when_published() {
    check("basic: {username: ann, secret: pass}", "authorization: Basic YW5uOnMzOmNyJXQ=");
    check("apiKey: {header: X-Key, secret: key}", "x-key: k-1");
    check(
        "apiKey: {header: Authorization, prefix: \"ApiKey \", secret: key}",
        "authorization: ApiKey k-1",
    );
    check("apiKey: {query: 'api key', secret: pass}", "?api%20key=s3%3Acr%25t");
    check(
        "aws: {accessKey: AKID, secret: key, region: eu-central-1, service: s3}",
        "AKID k-1 eu-central-1 s3 -",
    );
}

#[test]
fn a_token_request_is_a_finished_form() {
    check(
        "oauth2: {tokenUrl: \"https://idp:9/t/\", clientId: 'a b', secret: client, \
         scopes: [x, y], parameters: {audience: \"https://b\"}}",
        "https://idp:9/t /t/\nBasic YSUyMGI6YyUyRjE=\n\
         grant_type=client_credentials&scope=x%20y&audience=https%3A%2F%2Fb\n-",
    );
    check(
        "oauth2: {tokenUrl: \"http://idp\", clientId: c, secret: client, clientAuth: post, \
         grant: password, username: ann, passwordSecret: pass}",
        "http://idp /\n-\n\
         grant_type=password&username=ann&password=s3%3Acr%25t&client_id=c&client_secret=c%2F1\n\
         grant_type=refresh_token&client_id=c&client_secret=c%2F1&refresh_token=",
    );
    check(
        "oauth2: {tokenUrl: \"http://idp\", clientId: c, grant: refresh_token, \
         refreshTokenSecret: token}",
        "http://idp /\n-\n\
         grant_type=refresh_token&refresh_token=t-1&client_id=c\n\
         grant_type=refresh_token&client_id=c&refresh_token=",
    );
}

#[test]
fn what_is_not_whole_is_refused_with_its_place() {
    let all = [
        "",
        "basic: {username: 'a:b'}",
        "basic: {username: a, secret: pas}",
        "apiKey: {secret: key}",
        "apiKey: {header: Host, secret: key}",
        "apiKey: {header: a, query: b, secret: key}",
        "aws: {accessKey: 'a/b', secret: key, service: s3}",
        "oauth2: {clientId: c}",
        "oauth2: {tokenUrl: idp, clientId: c, secret: client, username: ann, \
         parameters: {scope: x}, scopes: ['a b']}",
        "oauth2: {tokenUrl: \"https://i\", clientId: c, secret: client, grant: password}",
    ];
    insta::assert_snapshot!(all.map(said).join("\n--\n"), @"
Api/a:1: spec.endpoints.production.security: it does not say which credential; write `basic`, `apiKey`, `oauth2` or `aws`
--
Api/a:1: spec.endpoints.production.security.basic.username: a user name is not empty and has no `:` and no control characters
Api/a:1: spec.endpoints.production.security.basic.secret: the name of a Secret is missing
--
Api/a:1: spec.endpoints.production.security.basic.secret: there is no Secret `pas`; did you mean `pass`?
--
Api/a:1: spec.endpoints.production.security.apiKey: it does not say where the key goes; write `header` or `query`
--
Api/a:1: spec.endpoints.production.security.apiKey.header: `Host` is no header field for a key; write for example `X-API-Key`
--
Api/a:1: spec.endpoints.production.security.apiKey: `header` and `query` stand side by side; keep one of them
--
Api/a:1: spec.endpoints.production.security.aws.accessKey: `a/b` is none; write for example `AKIDEXAMPLE`
Api/a:1: spec.endpoints.production.security.aws.region: it is missing; write for example `eu-central-1`
--
Api/a:1: spec.endpoints.production.security.oauth2.tokenUrl: a URL is missing; write for example `https://idp.example.com/oauth2/token`
Api/a:1: spec.endpoints.production.security.oauth2.secret: the name of a Secret is missing
--
Api/a:1: spec.endpoints.production.security.oauth2.tokenUrl: `idp` is no http or https URL; write `http://idp`
Api/a:1: spec.endpoints.production.security.oauth2.scopes[0]: `a b` is no scope (RFC 6749 section 3.3); one scope stands in each element
Api/a:1: spec.endpoints.production.security.oauth2.parameters.scope: it has a field of its own; leave it out here
Api/a:1: spec.endpoints.production.security.oauth2.username: it is for the grant password; leave it out, or name that grant
--
Api/a:1: spec.endpoints.production.security.oauth2.username: it is missing
Api/a:1: spec.endpoints.production.security.oauth2.passwordSecret: the name of a Secret is missing
");
}

#[test]
fn an_api_follows_its_secrets() {
    let stored = |short: &str| -> Vec<_> {
        let each = |one: &crate::Resource| (crate::key(one).unwrap(), crate::encode(one));
        resources(short).iter().map(each).collect()
    };
    let field = |plan: &Plan| {
        let api = plan.api("a:1").unwrap();
        let endpoint = api.production.as_ref()?;
        match endpoint.credential.as_deref()? {
            CredentialPlan::Field(_, value) => Some(value.to_str().unwrap().to_owned()),
            _ => None,
        }
    };
    let security = all("apiKey: {header: x, secret: key}");
    let api: Vec<_> = security
        .iter()
        .filter(|one| crate::kind(one) == Some(crate::Kind::Api))
        .map(|one| (crate::key(one).unwrap(), crate::encode(one)))
        .collect();
    let (plan, rejected) = Plan::empty().next(&api, &[]);
    assert_eq!(rejected[0].reason, "there is no Secret/key");
    assert!(plan.api("a:1").unwrap().broken.is_some());
    let (plan, rejected) = plan.next(&stored("secret key one"), &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    assert_eq!(field(&plan).as_deref(), Some("one"));
    let (plan, _) = plan.next(&stored("secret key two"), &[]);
    assert_eq!(field(&plan).as_deref(), Some("two"));
    let (plan, rejected) = plan.next(&[], &["Secret/key".parse().unwrap()]);
    assert_eq!(rejected[0].field, "spec.endpoints.production.security.apiKey.secret");
    assert_eq!(field(&plan).as_deref(), Some("two"), "the last good form serves on");
}
