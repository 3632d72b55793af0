//! What is wrong with resources by themselves.

use super::*;
use crate::fixtures::{lines, resources};
use crate::{Objects, admit};

/// What admission says to these resources alone.
fn said(short: &str) -> String {
    match admit(&Objects::new(), &resources(short), &[]) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn an_api_says_what_can_be_served() {
    insta::assert_snapshot!(
        said("
        api a 1.0 orders/
        api b 1.0 /b//c
        api c 1.0 /c/ + security: {schemes: [none, oauth2]}
        api d 1.0 /d + operations: [{method: get, path: a}, {method: GET, path: /x}, {method: GET, path: /x}]
        api e 1.0 /e + operations: [{method: GET, path: '/{id}'}, {method: GET, path: '/{key}'}]
        api f 1.0 /f + operations: [{method: GET, path: '/{id:[0-9}'}, {method: GET, path: /a, scopes: ['a b']}]
        api g 1.0 /g + operations: [{method: GET, path: /a, auth: none, scopes: [a]}], tiers: [A, A]
        api h 1.0 /%41 + definition: {file: x.yaml}
        "),
        @"
Api/a:1.0: spec.context: a context starts with `/`; write `/orders/`
Api/b:1.0: spec.context: a context has no empty, `.` or `..` segment; leave it out
Api/c:1.0: spec.context: a context has no `/` at the end; write `/c`
Api/c:1.0: spec.security.schemes: `none` stands alone; leave out `none`, or everything else
Api/d:1.0: spec.operations[0].method: `get` is no method; write `GET`
Api/d:1.0: spec.operations[0].path: a path starts with `/`; put a `/` in front
Api/d:1.0: spec.operations[2]: `GET /x` is the same operation as operations[1]; keep one of them
Api/e:1.0: spec.operations[1]: `GET /{key}` is the same operation as operations[0]; keep one of them
Api/f:1.0: spec.operations[0].path: the constraint does not compile: unclosed character class
Api/f:1.0: spec.operations[1].scopes[0]: `a b` is no scope (RFC 6749 section 3.3); leave out spaces, quotes and backslashes
Api/g:1.0: spec.tiers[1]: `A` stands twice; keep one of them
Api/g:1.0: spec.operations[0].scopes: an open operation asks for no scopes; leave them out
Api/h:1.0: spec.context: a context has a character that cannot stand in it; use letters, digits and `-._~!$&'()+,;=:@`
Api/h:1.0: spec.definition.file: a file is only named in files; put the document into `definition.text`
Api/g:1.0: spec.tiers[0]: there is no Tier `A`
Api/g:1.0: spec.tiers[1]: there is no Tier `A`
"
    );
}

#[test]
fn an_api_says_how_old_knowledge_of_revocations_may_be_and_what_happens_then() {
    insta::assert_snapshot!(
        said("
        api a 1.0 /a + security: {revocations: {beyond: refuse, maxAge: 86400s}}
        api b 1.0 /b + security: {revocations: {maxAge: 5s}}
        api c 1.0 /c + security: {revocations: {beyond: refuse, maxAge: 0.5s}}
        api d 1.0 /d + security: {revocations: {beyond: refuse, maxAge: 86401s}}
        api e 1.0 /e + security: {schemes: [api_key], revocations: {beyond: refuse}}
        "),
        @"
Api/b:1.0: spec.security.revocations.maxAge: nothing happens beyond it; add `beyond: refuse`, or leave it out
Api/c:1.0: spec.security.revocations.maxAge: it is from 1s to 24h; leave it out for 5s
Api/d:1.0: spec.security.revocations.maxAge: it is from 1s to 24h; leave it out for 5s
Api/e:1.0: spec.security.revocations: nothing is asked for that the key manager revokes; leave it out
"
    );
}

#[test]
fn a_backend_is_a_plain_url() {
    let said = |urls: &str| {
        let text = format!(
            "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, lifecycle: PUBLISHED, endpoints: {urls}}}}}"
        );
        let (resources, problems) = crate::read_document(&text, "");
        assert!(problems.is_empty(), "{}", lines(&problems));
        lines(&admit(&Objects::new(), &resources, &[]).unwrap_err())
    };
    insta::assert_snapshot!(said("{production: {urls: [
        'ftp://a', 'localhost:3000', 'http://', 'http://u:p@a/', 'http://a/?x=1', 'http://a/#x',
        'http://a b', 'http://a', 'http://a/', 'https://[::1]:99999', 'http:\\\\a'
    ], timeout: 601s}, sandbox: {urls: []}}"), @r#"
Api/a:1: spec.endpoints.production.urls[0]: `ftp://a` is no http or https URL; start with `http://` or `https://`
Api/a:1: spec.endpoints.production.urls[1]: `localhost:3000` is no http or https URL; write `http://localhost:3000`
Api/a:1: spec.endpoints.production.urls[2]: `http://` is no URL: empty host
Api/a:1: spec.endpoints.production.urls[3]: a URL carries no user name and no password; everybody who may read the API would read them
Api/a:1: spec.endpoints.production.urls[4]: a URL has no query and no fragment; write `http://a/`
Api/a:1: spec.endpoints.production.urls[5]: a URL has no query and no fragment; write `http://a/`
Api/a:1: spec.endpoints.production.urls[6]: a URL has no spaces and no backslashes
Api/a:1: spec.endpoints.production.urls[8]: the URL stands twice; keep one of them
Api/a:1: spec.endpoints.production.urls[9]: `https://[::1]:99999` is no URL: invalid port number
Api/a:1: spec.endpoints.production.urls[10]: `http:\\a` is no http or https URL; start with `http://` or `https://`
Api/a:1: spec.endpoints.production.timeout: a timeout is more than 0 and at most 10 minutes; write for example `30s`
Api/a:1: spec.endpoints.sandbox.urls: a backend needs a URL; write `urls: ["http://127.0.0.1:3001"]`
"#);
    insta::assert_snapshot!(said("{}"), @"Api/a:1: spec.endpoints: an API that is PUBLISHED needs a backend; write `endpoints: { production: { urls: [ … ] } }`");
}

#[test]
fn names_are_plain() {
    let bad = r#"
        {apiVersion: turnpike/v1, kind: Tier, metadata: {name: "a/b", version: "1", labels: {"": x}}, spec: {quota: {requests: 0, per: 0.5s}, burst: {requests: 1}}}
"#;
    let (resources, problems) = crate::read_document(bad, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    insta::assert_snapshot!(lines(&admit(&Objects::new(), &resources, &[]).unwrap_err()), @r#"
Tier/a/b: metadata.name: `a/b` is no name; use 1 to 128 letters, digits, `.`, `_` and `-`, a letter or digit first
Tier/a/b: metadata.version: Tier has no versions; leave it out
Tier/a/b: metadata.labels[""]: a label has a name; name and value have at most 256 bytes
Tier/a/b: spec.quota.requests: at least one request is allowed; to refuse every call, block the subscription
Tier/a/b: spec.quota.per: a quota's window is 1 second to 400 days; write for example `60s`, or a `calendar`
Tier/a/b: spec.burst.per: a burst is spread over 1 millisecond to 1 hour; write for example `1s`
"#);
}

#[test]
fn a_key_manager_has_keys_that_verify() {
    let said = |spec: &str| {
        let text = format!(
            "{{apiVersion: turnpike/v1, kind: KeyManager, metadata: {{name: okta}}, spec: {spec}}}"
        );
        let (resources, problems) = crate::read_document(&text, "");
        assert!(problems.is_empty(), "{}", lines(&problems));
        lines(&admit(&Objects::new(), &resources, &[]).unwrap_err())
    };
    insta::assert_snapshot!(said("{issuer: '', jwks: '{', algorithms: [HS256, ES257, RS256, RS256], clockSkewSeconds: 301}"), @"
KeyManager/okta: spec.issuer: an issuer is the `iss` of the tokens, at most 2048 bytes; write it as the tokens do
KeyManager/okta: spec.algorithms[0]: `HS256` is not an accepted signature algorithm; accepted are ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA; did you mean `ES256`?
KeyManager/okta: spec.algorithms[1]: `ES257` is not an accepted signature algorithm; accepted are ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA; did you mean `ES256`?
KeyManager/okta: spec.algorithms[3]: the algorithm stands twice; keep one of them
KeyManager/okta: spec.jwks: it is not JSON (line 1, column 1)
KeyManager/okta: spec.clockSkewSeconds: 301 seconds are too far, at most 300; set the clocks
KeyManager/okta: spec.audiences: tokens that were issued for anybody else would be taken; name the audiences, or write `anyAudience: true`
");
    insta::assert_snapshot!(said("{issuer: 'a', anyAudience: true}"), @"KeyManager/okta: spec.jwks: nothing says where its keys are: its issuer is no https URL; write `discoveryUrl`, `jwksUri` or `jwks`");
    insta::assert_snapshot!(said("{issuer: 'https://a', anyAudience: true, audiences: [b], jwksUri: 'http://a', tokenPatterns: ['('], login: {}}"), @r"
KeyManager/okta: spec.anyAudience: audiences are named too; leave out one of them
KeyManager/okta: spec.tokenPatterns: nobody is asked about the tokens; write `introspection`, or leave out the patterns
KeyManager/okta: spec.tokenPatterns[0]: `(` is no regular expression here: unclosed group
KeyManager/okta: spec.jwksUri: `http://a` is no https URL without user and fragment
KeyManager/okta: spec.login.client: it is missing; name our client at the provider and its Secret
");
    insta::assert_snapshot!(said("{issuer: old, anyAudience: true, connector: {address: 'http://a', name: 'a b'}, introspection: {client: {id: a, secret: b}}, registration: {}}"), @r"
KeyManager/okta: spec.connector.address: `http://a` is no address of a connector; write it like https://127.0.0.1:7002
KeyManager/okta: spec.connector.name: `a b` is no name of a service
KeyManager/okta: spec.introspection: the connector is asked; leave it out
KeyManager/okta: spec.registration: the connector is asked; leave it out
KeyManager/okta: spec.introspection.client.secret: there is no Secret `b`
");
    insta::assert_snapshot!(said("{issuer: old, anyAudience: true, connector: {address: 'https://127.0.0.1:7002'}, tokenPatterns: ['(']}"), @"KeyManager/okta: spec.tokenPatterns[0]: `(` is no regular expression here: unclosed group");
    insta::assert_snapshot!(said("{issuer: 'https://a', anyAudience: true, jwks: '{\"keys\":[]}'}"), @"KeyManager/okta: spec.jwks: no key of the set can verify ES256 or RS256; add a key, or its algorithm to `algorithms`");
}

#[test]
fn a_listener_certificate_fits_its_key() {
    let made = rcgen::generate_simple_self_signed(vec!["api.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let said = |chain: &str, key: &str, more: &str| {
        let json = serde_json::json!([
            {"apiVersion": "turnpike/v1", "kind": "Secret", "metadata": {"name": "key"},
             "spec": {"value": key}},
            {"apiVersion": "turnpike/v1", "kind": "Certificate", "metadata": {"name": "c"},
             "spec": {"chain": chain}},
        ]);
        let text = json.to_string().replace("\"chain\"", &format!("{more} \"chain\""));
        let (resources, problems) = crate::read_document(&text, "");
        assert!(problems.is_empty(), "{}", lines(&problems));
        match admit(&Objects::new(), &resources, &[]) {
            Ok(_) => "ok".to_owned(),
            Err(problems) => lines(&problems),
        }
    };
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let named = r#""keySecret": "key","#;
    assert_eq!(said(&chain, &key, named), "ok");
    insta::assert_snapshot!(said(&chain, &key, ""), @"Certificate/c: spec.keySecret: a listener's certificate needs its key; name the Secret that holds the key");
    insta::assert_snapshot!(said(&chain, &other.signing_key.serialize_pem(), named), @"Certificate/c: spec.keySecret: the private key does not belong to the certificate");
    insta::assert_snapshot!(said(&chain, "garbage", named), @"Certificate/c: spec.keySecret: the Secret holds no private key in PEM");
    insta::assert_snapshot!(said("garbage", &key, named), @"Certificate/c: spec.chain: there is no certificate in it; put PEM here, starting with `-----BEGIN CERTIFICATE-----`");
    insta::assert_snapshot!(said("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, named), @"
Certificate/c: spec.chain: certificate 1 is no X.509 certificate
Certificate/c: spec.hosts: the certificate names no host, and none is listed; list the host names it is shown for
");
    insta::assert_snapshot!(said(&chain, &key, r#""keySecret": "kee","#), @"Certificate/c: spec.keySecret: there is no Secret `kee`; did you mean `key`?");
    insta::assert_snapshot!(said(&chain, &key, r#""keySecret": "key", "hosts": ["a b", "*.x.com", "a:1"],"#), @"
Certificate/c: spec.hosts[0]: `a b` is no host name; write a DNS name like `api.example.com`
Certificate/c: spec.hosts[2]: `a:1` is no host name; leave out scheme, port and path
");
    insta::assert_snapshot!(said(&chain, &key, r#""keySecret": "key", "use": "backend_ca", "#), @"Certificate/c: spec.keySecret: an authority needs no key here; leave it out");
    assert_eq!(said(&chain, &key, r#""use": "backend_ca", "#), "ok");
    insta::assert_snapshot!(said(&chain, &key, r#""hosts": ["a"], "use": "client_ca", "#), @"Certificate/c: spec.hosts: an authority is shown to nobody; leave it out");
    assert_eq!(said(&chain, &key, r#""use": "client_ca", "#), "ok");
}

#[test]
fn a_resource_that_is_too_large_is_told_its_size() {
    let mut huge = resources("api a 1.0 /a + description: x");
    if let Some(Any::Api(api)) = huge[0].resource.as_mut() {
        api.spec.as_mut().unwrap().description = "x".repeat(10_000_000);
    }
    insta::assert_snapshot!(lines(&admit(&Objects::new(), &huge, &[]).unwrap_err()), @"Api/a:1.0: the resource has 10000073 bytes, at most 4194304");
}
