//! What rules for header fields come to, and which are refused.

use crate::fixtures::{lines, resources};
use crate::{ApiPlan, Kind, Objects, OperationMatch, Part, Plan, ResourceKey, Template, admit};

/// `before` and then `more` are stored, and `gone` goes: what `GET /x` of `a:1` runs by.
fn runs_among(before: &str, more: &str, gone: &[&str]) -> String {
    let mut plan = Plan::empty();
    for step in [before, more] {
        let all = crate::fixtures::objects(step);
        let all: Vec<_> = all.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
        plan = plan.next(&all, &[]).0;
    }
    let gone: Vec<ResourceKey> =
        gone.iter().map(|name| ResourceKey::of_id(Kind::Policy, name)).collect();
    let plan = plan.next(&[], &gone).0;
    let api = plan.api("a:1").unwrap();
    match &api.broken {
        Some(reason) => format!("503: {reason}"),
        None => shown_rules(api),
    }
}

/// The rules that `GET /x` of an API with this `spec` runs by: `-name` is dropped, `name=value` is
/// added, variables by their Rust names.
fn runs(spec: &str) -> String {
    let api = resources(&format!("api a 1 /a + {spec}"));
    let admitted = admit(&Objects::new(), &api, &[]).map_err(|problems| lines(&problems)).unwrap();
    let all: Vec<_> =
        admitted.upserts.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let plan = Plan::empty().next(&all, &[]).0;
    shown_rules(plan.api("a:1").unwrap())
}

fn shown_rules(api: &ApiPlan) -> String {
    let OperationMatch::Found(operation) = api.operation("GET", "/x") else {
        panic!("no operation")
    };
    let Some(policies) = operation.policies.as_ref() else { return "nothing".to_owned() };
    let side = |rules: &crate::HeaderRules| {
        let dropped = rules.dropped().iter().map(|name| format!("-{name}"));
        let added = rules.added().iter().map(|(name, value)| format!("{name}={}", spelled(value)));
        for name in rules.dropped() {
            assert!(rules.drops(name.as_str()));
        }
        dropped.chain(added).collect::<Vec<_>>().join(" ")
    };
    format!("{} / {}", side(&policies.request), side(&policies.response))
}

fn spelled(value: &Template) -> String {
    match value {
        Template::Fixed(value) => value.to_str().unwrap().to_owned(),
        Template::Parts(parts) => {
            let spelled = parts.iter().map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Variable(variable) => format!("<{variable:?}>"),
            });
            spelled.collect()
        }
    }
}

#[track_caller]
fn check(spec: &str, expected: &str) {
    assert_eq!(runs(spec), expected);
}

/// What admission says to an API whose request has these rules.
fn said(rules: &str) -> String {
    let api = resources(&format!("api a 1 /a + policies: {{request: [{rules}]}}"));
    admit(&Objects::new(), &api, &[]).map_or_else(|problems| lines(&problems), |_| "ok".to_owned())
}

#[test]
fn rules_are_joined_to_what_they_come_to() {
    let rules = "policies: {request: [{addHeader: {name: X-A, value: one}}, \
                 {removeHeader: {name: x-b}}, {setHeader: {name: x-a, value: two}}, \
                 {addHeader: {name: X-A, value: three}}], \
                 response: [{addHeader: {name: X-C, value: four}}]}";
    check(rules, "-x-b -x-a x-a=two x-a=three / x-c=four");
}

#[test]
fn an_operation_adds_to_the_rules_of_its_api() {
    let rules = |own: &str| {
        format!(
            "policies: {{request: [{{setHeader: {{name: x-a, value: api}}}}]}}, \
             operations: [{{method: GET, path: /x{own}}}]"
        )
    };
    check(&rules(""), "-x-a x-a=api / ");
    check(&rules(", policies: {request: [{removeHeader: {name: x-a}}]}"), "-x-a / ");
    check("operations: [{method: GET, path: /x}]", "nothing");
    check("policies: {}", "nothing");
}

#[test]
fn variables_are_cut_out_when_published() {
    let value = |value: &str, expected: &str| {
        let rules =
            format!("policies: {{request: [{{addHeader: {{name: x, value: \"{value}\"}}}}]}}");
        check(&rules, &format!("x={expected} / "));
    };
    value("${request.id}", "<RequestId>");
    value("v${api.name}:${api.version}.", "v<ApiName>:<ApiVersion>.");
    value("5$ $${api.name} $$", "5$ ${api.name} $$");
}

#[test]
fn what_cannot_be_written_is_refused_with_its_place() {
    insta::assert_snapshot!(
        said("{}, {setHeader: {name: Host, value: a}}, {addHeader: {name: 'a b', value: a}}, \
              {removeHeader: {name: transfer-encoding}}, {removeHeader: {}}, \
              {setHeader: {name: ':path', value: a}}, {setHeader: {name: a}}, \
              {setHeader: {name: a, value: '${api.nam}'}}, {setHeader: {name: a, value: '${x'}}, \
              {setHeader: {name: a, value: \"a\\r\\nb: c\"}}, {setHeader: {name: a, value: ' a'}}"),
        @"
Api/a:1: spec.policies.request[0]: it does not say what to do; write `setHeader`, `addHeader`, `removeHeader` or `policy`
Api/a:1: spec.policies.request[1].setHeader.name: `Host` is the gateway's own; fields of the connection and of the framing are left alone
Api/a:1: spec.policies.request[2].addHeader.name: `a b` is no name of a header field; use letters, digits and `-`
Api/a:1: spec.policies.request[3].removeHeader.name: `transfer-encoding` is the gateway's own; fields of the connection and of the framing are left alone
Api/a:1: spec.policies.request[4].removeHeader.name: a name is missing
Api/a:1: spec.policies.request[5].setHeader.name: `:path` is no name of a header field; use letters, digits and `-`
Api/a:1: spec.policies.request[6].setHeader.value: a value is missing; use `removeHeader` to have no such field
Api/a:1: spec.policies.request[7].setHeader.value: there is no variable `api.nam`; did you mean `api.name`?
Api/a:1: spec.policies.request[8].setHeader.value: a `${` is not closed; write `}` behind it, or `$${` for `${`
Api/a:1: spec.policies.request[9].setHeader.value: a field holds visible ASCII only; escape what is not
Api/a:1: spec.policies.request[10].setHeader.value: spaces around a value are lost on the way; leave them out
"
    );
}

#[test]
fn one_rule_does_one_thing() {
    let yaml = "{apiVersion: turnpike/v1, kind: Api, metadata: {name: a, version: \"1\"}, spec: {policies: {request: [{setHeader: {name: a, value: b}, removeHeader: {name: c}}]}}}";
    let (_, problems) = crate::read_document(yaml, "");
    insta::assert_snapshot!(lines(&problems), @"Api/a:1: spec.policies.request[0].removeHeader: `setHeader` stands beside it, and only one of them can; keep one of them");
}

const TAG: &str =
    "policy tag + rules: [{setHeader: {name: x-tag, value: one}}, {removeHeader: {name: x-b}}]";
const TAGGED: &str = "api a 1 /a + policies: {request: [{addHeader: {name: x-a, value: a}}, \
                      {policy: tag}, {addHeader: {name: x-c, value: c}}], response: [{policy: tag}]}";

#[test]
fn the_rules_of_a_policy_stand_where_it_is_named() {
    let expected = "-x-tag -x-b x-a=a x-tag=one x-c=c / -x-tag -x-b x-tag=one";
    assert_eq!(runs_among(&format!("{TAG}\n{TAGGED}"), "", &[]), expected);
    let own =
        "api a 1 /a + operations: [{method: GET, path: /x, policies: {request: [{policy: tag}]}}]";
    assert_eq!(runs_among(&format!("{TAG}\n{own}"), "", &[]), "-x-tag -x-b x-tag=one / ");
}

#[test]
fn a_changed_policy_changes_the_apis_that_name_it() {
    let other = "policy tag + rules: [{setHeader: {name: x-tag, value: two}}]";
    let expected = "-x-tag x-a=a x-tag=two x-c=c / -x-tag x-tag=two";
    assert_eq!(runs_among(&format!("{TAG}\n{TAGGED}"), other, &[]), expected);
}

#[test]
fn without_its_policy_an_api_serves_its_last_form_or_answers_503() {
    assert_eq!(runs_among(TAGGED, "", &[]), "503: there is no Policy/tag");
    let served = "-x-tag -x-b x-a=a x-tag=one x-c=c / -x-tag -x-b x-tag=one";
    assert_eq!(runs_among(&format!("{TAG}\n{TAGGED}"), "", &["tag"]), served);
    assert_eq!(runs_among(TAGGED, TAG, &[]), served, "it has come");
}

/// What admission says to these resources.
fn refused(short: &str, gone: &[&str]) -> String {
    let before = admit(&Objects::new(), &resources(TAG), &[]).unwrap().objects;
    let gone: Vec<ResourceKey> = gone.iter().map(|key| key.parse().unwrap()).collect();
    let said = admit(&before, &resources(short), &gone);
    said.map_or_else(|problems| lines(&problems), |_| "ok".to_owned())
}

#[test]
fn what_is_wrong_with_policies_is_said_before_they_are_stored() {
    let named = |name: &str| format!("api a 1 /a + policies: {{response: [{{policy: {name}}}]}}");
    insta::assert_snapshot!(refused(&named("tga"), &[]), @"Api/a:1: spec.policies.response[0].policy: there is no Policy `tga`; did you mean `tag`?");
    insta::assert_snapshot!(refused(&named("tag"), &["Policy/tag"]), @"
Api/a:1: spec.policies.response[0].policy: there is no Policy `tag`
Policy/tag: Api/a:1 refers to it; remove what refers to it as well
");
    insta::assert_snapshot!(refused("policy p + rules: [{policy: tag}]\npolicy q + rules: []\npolicy r + rules: [{setHeader: {name: host, value: a}}]", &[]), @"
Policy/p: spec.rules[0].policy: a policy names no other; write its rules here
Policy/q: spec.rules: there is none; say what the policy does
Policy/r: spec.rules[0].setHeader.name: `host` is the gateway's own; fields of the connection and of the framing are left alone
");
    let many: Vec<String> =
        (0..64).map(|n| format!("{{addHeader: {{name: x-{n}, value: a}}}}")).collect();
    let big = format!("policy big + rules: [{}]", many.join(", "));
    let five = ["{policy: big}"; 5].join(", ");
    let five = format!(
        "{big}\napi a 1 /a + operations: [{{method: GET, path: /x, policies: {{request: [{five}]}}}}]"
    );
    insta::assert_snapshot!(refused(&five, &[]), @"Api/a:1: spec.operations[0].policies.request: with those of its policies there are 320, at most 256");
}
