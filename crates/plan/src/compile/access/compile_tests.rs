//! Which conditions operations have, and what is refused.

use crate::fixtures::{lines, resources};
use crate::{Objects, Plan, admit, read_document, to_yaml};

/// What the operations of the API or product `id` ask for: names of claims, then expressions.
fn asked(short: &str, id: &str) -> Result<Vec<String>, String> {
    let admitted = admit(&Objects::new(), &resources(short), &[]);
    let admitted = admitted.map_err(|problems| lines(&problems))?;
    let all: Vec<_> =
        admitted.upserts.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let plan = Plan::empty().next(&all, &[]).0;
    let operations = plan.api(id).unwrap().operations().iter();
    Ok(operations
        .map(|one| {
            let mut said = vec![one.path.to_string()];
            if let Some(access) = &one.access {
                said.extend(access.claims.iter().map(|rule| rule.name.to_string()));
                said.extend(access.conditions.iter().map(|it| it.when.source().to_string()));
                said.extend(access.csrf.iter().map(|_| "csrf".to_owned()));
            }
            said.join(" ")
        })
        .collect())
}

#[track_caller]
fn check(short: &str, id: &str, expected: &[&str]) {
    assert_eq!(asked(short, id).unwrap(), expected);
}

const BOTH: &str = r#"
    api a 1 /a + access: {claims: [{name: x, present: true}], csrf: {}}, operations: [{method: GET, path: "/{id}", access: {claims: [{name: y, equals: 1}], conditions: [{when: "request.params.id == '1'"}]}}, {method: GET, path: /b}]
"#;

#[test]
fn operations_ask_for_what_their_api_asks_for_besides() {
    check(BOTH, "a:1", &["/{id} x y request.params.id == '1' csrf", "/b x csrf"]);
    check("api a 1 /a + access: {}", "a:1", &["/*"]);
    check("api a 1 /a + access: {conditions: [{when: 'true'}]}", "a:1", &["/* true"]);
}

#[test]
fn operations_in_a_product_ask_for_what_the_product_asks_for_besides() {
    let product = "product p 1 /p + apis: [{name: a, version: '1'}], access: {conditions: \
                   [{when: 'claims.z == 1'}], csrf: {requireOrigin: true}}";
    check(
        &format!("{BOTH}\n{product}"),
        "p:1",
        &[
            "/{id} x y claims.z == 1 request.params.id == '1' csrf csrf",
            "/b x claims.z == 1 csrf csrf",
        ],
    );
}

#[track_caller]
fn refused(short: &str, said: &str) {
    let told = asked(short, "a:1").err().unwrap_or_else(|| "nothing".to_owned());
    assert!(told.contains(said), "{said} in\n{told}");
}

#[test]
fn claims_are_asked_for_where_a_token_is() {
    let claims = "access: {claims: [{name: x, present: true}]}";
    let open = "operations: [{method: GET, path: /free, auth: none}]";
    refused(
        &format!("api a 1 /a + {claims}, {open}"),
        "spec.access: claims are of tokens, and `GET /free` asks for no credential",
    );
    refused(
        &format!("api a 1 /a + operations: [{{method: GET, path: /free, auth: none, {claims}}}]"),
        "spec.operations[0].access: claims are of tokens",
    );
    refused(
        &format!("api a 1 /a + {claims}, security: {{schemes: [none]}}"),
        "claims are of tokens",
    );
    let expression = "access: {conditions: [{when: '!has(claims.x)'}]}";
    refused(&format!("api a 1 /a + {expression}, {open}"), "claims are of tokens");
    let product = "product p 1 /p + apis: [{name: a, version: '1'}], security: {schemes: [none]}";
    refused(
        &format!("api a 1 /a + {claims}\n{product}"),
        "ApiProduct/p:1: spec.access: claims are",
    );
    // What is not about claims can be asked of anybody.
    let method = "access: {conditions: [{when: \"request.method == 'GET'\"}], csrf: {}}";
    check(
        &format!("api a 1 /a + {method}, {open}"),
        "a:1",
        &["/free request.method == 'GET' csrf"],
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let one = |access: &str| format!("api a 1 /a + access: {{{access}}}");
    refused(&one("claims: [{name: x}]"), "spec.access.claims[0]: a test is missing");
    refused(
        &one("conditions: [{when: 'claims.x =='}]"),
        "spec.access.conditions[0].when: at its end: it is no expression",
    );
    refused(&one("conditions: [{when: 'true', message: \"a\\nb\"}]"), "a message is one line");
    refused(
        &one("conditions: [{when: \"request.params.id == '1'\"}]"),
        "`* /*` has no parameter `id`",
    );
    refused(&one("csrf: {allowedOrigins: ['*']}"), "with every origin there is no check");
    refused(&one("csrf: {allowedOrigins: ['null']}"), "any sandboxed page");
    refused(&one("csrf: {allowedOrigins: [shop.example]}"), "`shop.example` is no origin");
    let many = format!("conditions: [{}]", vec!["{when: 'true'}"; 17].join(", "));
    refused(&one(&many), "spec.access.conditions: there are 17, at most 16");
    let many = format!("claims: [{}]", vec!["{name: x, absent: true}"; 33].join(", "));
    refused(&one(&many), "spec.access.claims: there are 33, at most 32");
}

#[test]
fn what_is_shown_of_it_is_read_back() {
    let rules = "{name: a, equals: true}, {name: b, anyOf: [x, 3, 0.5]}, {name: c, atLeast: 0}, \
                 {name: d, equals: ''}";
    let resource = resources(&format!("api a 1 /a + access: {{claims: [{rules}], csrf: {{}}}}"));
    let (again, problems) = read_document(&to_yaml(&resource[0]), "a.yaml");
    assert!(problems.is_empty(), "{}", lines(&problems));
    assert_eq!(again, resource);
}
