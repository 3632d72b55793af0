//! Does a definition answer with its own examples, whichever dialect it is written in?

use super::*;

const SWAGGER: &str = r##"{"swagger":"2.0","basePath":"/v2","produces":["application/xml","application/json"],
  "paths":{"/pets/{id}":{"get":{"responses":{"default":{"description":"bad"},
      "200":{"description":"ok","schema":{"$ref":"#/definitions/Pet"}}}}},
    "/pets":{"post":{"responses":{"201":{"description":"made","examples":{"application/json":{"id":9}}}}}},
    "/":{"get":{"responses":{"405":{"description":"never"}}}}},
  "definitions":{"Pet":{"properties":{"id":{"type":"integer","example":7}}}}}"##;

const OPENAPI: &str = r##"
openapi: 3.1.0
servers: [{ url: "https://api.example.com/v1/" }]
paths:
  /orders/{id}:
    get:
      responses:
        "200":
          content:
            text/csv: { example: "a,b" }
            application/hal+json:
              examples: { one: { $ref: "#/components/examples/One" } }
        "404": { $ref: "#/components/responses/Missing" }
    delete: { responses: { "204": { description: gone } } }
  /orders/latest:
    get: { responses: { 2XX: { content: { text/plain: { schema: { const: newest } } } } } }
  /reports/{year}-{month}.json:
    get: { responses: { default: { content: { "*/*": { schema: { type: boolean } } } } } }
components:
  examples: { One: { value: { id: o-1 } } }
  responses:
    Missing: { content: { application/json: { schema: { properties: { code: { enum: [E1] } } } } } }
"##;

/// `call` is "METHOD path [preferred status]"; the answer "status media-type body", the methods
/// that would do, or "nothing".
#[track_caller]
fn check(definition: &str, call: &str, answer: &str) {
    let definition = Definition::parse(definition).unwrap();
    let mut words = call.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let said = match definition.find(method, path, words.next()) {
        Found::Answer(Answer { status, content: None }) => status.to_string(),
        Found::Answer(Answer { status, content: Some(content) }) => {
            format!("{status} {} {}", content.media_type, content.body)
        }
        Found::OtherMethods(methods) => methods.join(","),
        Found::Nothing => "nothing".to_owned(),
    };
    assert_eq!(said, answer);
}

#[test]
fn swagger_2_answers_from_schemas_and_examples() {
    check(SWAGGER, "GET /pets/12", r#"200 application/json {"id":7}"#);
    check(SWAGGER, "GET /v2/pets/12", r#"200 application/json {"id":7}"#);
    check(SWAGGER, "POST /pets", r#"201 application/json {"id":9}"#);
    check(SWAGGER, "GET /", "405");
}

#[test]
fn openapi_3_answers_from_examples() {
    check(OPENAPI, "GET /orders/1", r#"200 application/hal+json {"id":"o-1"}"#);
    check(OPENAPI, "HEAD /v1/orders/1", r#"200 application/hal+json {"id":"o-1"}"#);
    check(OPENAPI, "DELETE /orders/1", "204");
}

#[test]
fn a_preferred_status_is_answered() {
    check(OPENAPI, "GET /orders/1 404", r#"404 application/json {"code":"E1"}"#);
    check(OPENAPI, "GET /orders/1 500", r#"200 application/hal+json {"id":"o-1"}"#);
}

#[test]
fn a_literal_segment_wins_over_a_template() {
    check(OPENAPI, "GET /orders/latest", "200 text/plain newest");
}

#[test]
fn parameters_inside_a_segment_are_matched() {
    check(OPENAPI, "GET /reports/2026-01.json", "200 application/json true");
    check(OPENAPI, "GET /reports/-.json", "nothing");
}

#[test]
fn an_unknown_path_or_method_is_told() {
    check(OPENAPI, "GET /customers", "nothing");
    check(OPENAPI, "PUT /orders/1", "GET,DELETE");
}

#[test]
fn what_is_no_definition_is_refused() {
    for text in ["{}", "openapi: 3.1.0", "a: [", "just text"] {
        assert!(Definition::parse(text).is_err(), "{text}");
    }
}
