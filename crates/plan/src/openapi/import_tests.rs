//! Small documents with one peculiarity each.

use proptest::prelude::*;

use super::*;
use crate::fixtures::lines;

/// The operations, backends and leftovers of an import, or its problems.
fn said(document: &str, options: &Options) -> String {
    match import(document, options) {
        Err(problems) => lines(&problems),
        Ok((api, report)) => {
            let metadata = api.metadata.unwrap();
            let spec = api.spec.unwrap();
            let mut said = vec![format!(
                "{} {} at {} ({})",
                metadata.name, metadata.version, spec.context, report.dialect
            )];
            for operation in &spec.operations {
                let open = if operation.auth == 0 { "" } else { " open" };
                said.push(format!(
                    "{} {} {}{open} {}",
                    operation.method,
                    operation.path,
                    operation.id,
                    operation.scopes.join(",")
                ));
            }
            let endpoints = spec.endpoints.unwrap_or_default();
            for endpoint in [endpoints.production, endpoints.sandbox].into_iter().flatten() {
                said.push(endpoint.urls.join(" "));
            }
            said.extend(report.left);
            said.join("\n")
        }
    }
}

macro_rules! check {
    ($document:expr, @$said:literal) => {
        insta::assert_snapshot!(said($document, &Options::default()), @$said)
    };
}

#[test]
fn security_requirements_become_auth_and_scopes() {
    check!("
openapi: 3.1.0
info: { title: The Burger Shop!, version: 1.0 }
servers: [{ url: '/relative' }, { url: 'https://{env}.example.com/v1', variables: { env: { default: api } } }]
security: [{ oauth: [read] }]
paths:
  /a:
    get: { operationId: one }
    post: { security: [] }
    put: { security: [{}, { oauth: [write] }] }
    delete: { security: [{ oauth: [a, b] }, { oidc: [c], key: [] }, { ghost: [] }] }
  x-extension: { get: {} }
components:
  securitySchemes:
    oauth: { type: oauth2 }
    oidc: { $ref: '#/components/securitySchemes/real' }
    real: { type: openIdConnect }
    key: { type: apiKey }
webhooks: { w: {} }
", @"
The-Burger-Shop 1.0 at /the-burger-shop (OpenAPI 3.1.0)
GET /a one read
PUT /a  open 
POST /a  open 
DELETE /a  a,b,c
https://api.example.com/v1
operations that ask for several scopes at once, where one is enough here: 1
webhooks, which are not served: 1
the security scheme key is not checked: an access token is asked for
the security scheme ghost is named and not defined
");
}

#[test]
fn swagger_2_names_its_backend_in_parts() {
    check!("
swagger: 2.0
info: { title: a, version: '1' }
host: example.com:8080
basePath: /v2
schemes: [http]
paths: { '/': { get: {} } }
", @"
a 1 at /a (Swagger 2.0)
GET /  
http://example.com:8080/v2
");
}

#[test]
fn the_extensions_of_the_microgateway_are_read() {
    check!("
swagger: '2.0'
info: { title: a, version: '1' }
x-wso2-basePath: /shop
x-wso2-production-endpoints: { urls: ['http://p1', 'http://p2'] }
x-wso2-sandbox-endpoints: { urls: ['http://s'] }
paths: { /x: { get: {} } }
", @"
a 1 at /shop (Swagger 2.0)
GET /x  
http://p1 http://p2
http://s
");
}

#[test]
fn path_items_are_followed_inside_the_document_only() {
    check!("
openapi: 3.1.0
info: { title: a, version: '1' }
paths:
  /a: { $ref: '#/components/pathItems/p%61' }
  /b: { $ref: '#/paths/~1a' }
components: { pathItems: { pa: { get: { operationId: x } } } }
", @"
a 1 at /a (OpenAPI 3.1.0)
GET /a x 
GET /b x 
it names no backend with an absolute URL: give one
");
    check!("
openapi: 3.1.0
info: { title: a, version: '1' }
paths:
  /a: { $ref: '#/paths/~1b' }
  /b: { $ref: '#/paths/~1a' }
  /c: { $ref: 'other.yaml#/c' }
  /d: { $ref: 'http://169.254.169.254/latest' }
  /e: { $ref: '#/nowhere' }
  /f: { get: { requestBody: { $ref: '#/components/x' } } }
", @r#"
paths["/a"]: the reference `#/paths/~1b` leads nowhere; repair it, or remove the path
paths["/b"]: the reference `#/paths/~1a` leads nowhere; repair it, or remove the path
paths["/c"]: the path is described in another file (`other.yaml#/c`), and none is read; bundle the document into one file
paths["/d"]: the path is described in another file (`http://169.254.169.254/latest`), and none is read; bundle the document into one file
paths["/e"]: the reference `#/nowhere` leads nowhere; repair it, or remove the path
paths["/f"].get.requestBody: the reference `#/components/x` leads nowhere; repair it, or remove it
"#);
}

#[test]
fn odd_paths_are_made_to_match_or_refused() {
    check!("
openapi: 3.0.0
info: { title: a, version: '1' }
paths:
  '/a?x=1': { get: {} }
  '/a?x=2': { get: {} }
  '/b c/{i d}/é': { get: {} }
  '/c/{id}.json': { get: {} }
  '/d/{a:b}': { get: {} }
  '/e(x={y},z={z})': { get: {} }
", @"
a 1 at /a (OpenAPI 3.0.0)
GET /a  
GET /b%20c/{i%20d}/%C3%A9  
GET /c/{id}.json  
GET /d/{a_b}  
GET /e(x={y},z={z})  
operations with the method and path of an earlier one: 1
paths without their query or with characters percent-encoded: 4
it names no backend with an absolute URL: give one
");
    check!("
openapi: 3.0.0
info: { title: a, version: '1' }
paths:
  'a': { get: {} }
  '/{a': { get: {} }
  '/b/../c': { get: {} }
", @r#"
paths.a: a path starts with `/`; put a `/` in front
paths["/{a"]: `{a` is not closed; close it with `}`
paths["/b/../c"]: a path has no `.` or `..` segment; leave it out
"#);
}

#[test]
fn what_is_no_openapi_is_refused() {
    check!("", @"an OpenAPI document is an object, found nothing; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("[1]", @"an OpenAPI document is an object, found a list; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("a: 1", @"it says neither `openapi` nor `swagger`; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("openapi: 4.0.0", @"openapi: `4.0.0` is not read; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("swagger: '1.2'", @"swagger: `1.2` is not read; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("openapi: [3]", @"openapi: `a list` is not read; Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read");
    check!("openapi: 3.0.0\n---\nopenapi: 3.0.0", @"it holds several documents; import one at a time");
    check!("{\"openapi\": ", @"it is not valid JSON: EOF while parsing a value at line 1 column 12");
    check!("openapi: 3.1.0\ninfo: { title: '???', version: '' }\npaths: {}", @"
info.title: it is missing; write it, or give a name
info.version: it is missing; write it, or give a version
");
    check!("openapi: 3.1.0\ninfo: { title: a, version: '1' }\npaths: 7", @"paths: it declares no operations; an interface to serve has `paths` with at least one method");
    check!(&" ".repeat(MAX_DEFINITION_BYTES + 1), @"it has 4194305 bytes, and at most 4194304 are read; leave out examples, or split the interface");
}

#[test]
fn what_is_given_wins_and_is_checked() {
    let document = "openapi: 3.0.0\npaths: { /a: { get: {} } }";
    let options = Options {
        file: "a.yaml".into(),
        name: Some("orders".into()),
        version: Some("1.0.0".into()),
        context: Some("/o".into()),
        endpoints: vec!["http://127.0.0.1:3001".into()],
        ..Options::default()
    };
    insta::assert_snapshot!(said(document, &options), @"
orders 1.0.0 at /o (OpenAPI 3.0.0)
GET /a  
http://127.0.0.1:3001
");
    let wrong = Options {
        name: Some("a b".into()),
        context: Some("o".into()),
        endpoints: vec!["nowhere".into()],
        ..options
    };
    insta::assert_snapshot!(said(document, &wrong), @"
a.yaml: Api/a b:1.0.0: metadata.name: `a b` is no name; use 1 to 128 letters, digits, `.`, `_` and `-`, a letter or digit first
a.yaml: Api/a b:1.0.0: spec.context: a context starts with `/`; write `/o`
a.yaml: Api/a b:1.0.0: spec.endpoints.production.urls[0]: `nowhere` is no http or https URL; write `http://nowhere`
");
    let unpublished = Options {
        publish: true,
        name: Some("a".into()),
        version: Some("1".into()),
        ..Options::default()
    };
    insta::assert_snapshot!(said(document, &unpublished), @"Api/a:1: spec.endpoints: an API that is PUBLISHED needs a backend; write `endpoints: { production: { urls: [ … ] } }`");
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(text in ".{0,200}", paths in "[ -~\n]{0,200}") {
        let options = Options::default();
        drop(import(&text, &options));
        drop(import(&format!("openapi: 3.0.0\ninfo: {{title: a, version: b}}\npaths:\n  {paths}"), &options));
        let quoted = serde_json::Value::from(paths);
        drop(import(
            &format!("{{\"openapi\": \"3.1.0\", \"info\": {{\"title\": {quoted}, \"version\": {quoted}}}, \"paths\": {{{quoted}: {{\"get\": {{\"$ref\": {quoted}}}}}}}}}"),
            &options,
        ));
    }
}
