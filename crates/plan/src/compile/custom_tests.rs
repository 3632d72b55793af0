//! Which calls are counted together, and which policies are refused.

use std::borrow::Cow;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::*;
use crate::expression::Fact;
use crate::fixtures::{lines, resources};

/// A call with this field, if any.
struct Call(Option<&'static str>);

impl Facts for Call {
    fn look_up(&self, wanted: &Wanted) -> Option<Fact<'_>> {
        match wanted {
            Wanted::Method => Some(Fact::Text(Cow::Borrowed("GET"))),
            Wanted::Header(_) => Some(Fact::Text(Cow::Borrowed(self.0?))),
            _ => None,
        }
    }

    fn has(&self, wanted: &Wanted) -> Option<bool> {
        Some(self.look_up(wanted).is_some())
    }
}

fn compiled(spec: &str) -> Result<CustomPlan, String> {
    let resource = resources(&format!("custom c + {spec}")).remove(0).resource;
    let Some(Any::CustomThrottle(policy)) = resource else { panic!("{spec}") };
    let mut problems = Problems::default();
    let plan = compile_custom("c", &policy, 64, &mut problems);
    plan.ok_or_else(|| lines(&problems.into_list()))
}

const LIMIT: &str = "quota: {requests: 1, per: 60s}";

/// `expected` is the key of a call with this field, `-` where it is not counted.
#[track_caller]
fn check(expressions: &str, field: Option<&'static str>, expected: &str) {
    let plan = compiled(&format!("{expressions}, {LIMIT}")).unwrap();
    let key = plan.key(&Call(field));
    assert_eq!(key.as_deref().unwrap_or("-"), expected, "{expressions} {field:?}");
}

#[track_caller]
fn refused(spec: &str, said: &str) {
    let told = compiled(spec).err().unwrap_or_else(|| "nothing".to_owned());
    assert!(told.contains(said), "{said} in\n{told}");
}

#[test]
fn calls_are_counted_by_the_text_that_is_made_of_them() {
    let tenant = "key: 'request.headers[\"x-tenant\"]'";
    check(tenant, Some("acme"), "acme");
    check(tenant, Some(""), "-");
    check(tenant, None, "-");
    check("key: \"'all'\"", None, "all");
}

#[test]
fn calls_for_which_the_condition_is_false_are_not_counted() {
    check("key: \"'all'\", when: \"request.method == 'POST'\"", None, "-");
    check("key: \"'all'\", when: \"request.method == 'GET'\"", None, "all");
    // It cannot be said.
    check("key: \"'all'\", when: \"request.headers['x'] == 'y'\"", None, "all");
}

#[test]
fn who_sends_what_cannot_be_evaluated_is_counted_all_the_same() {
    let key = "key: \"string(int(request.headers['x-level']) / 10)\"";
    check(key, Some("25"), "2");
    check(key, Some("x"), "");
}

#[test]
fn a_policy_says_whom_it_limits_and_how() {
    refused(LIMIT, "spec.key: an expression has 1 to 2048 bytes, this one 0");
    refused("key: \"'a'\"", "spec: a policy without limits limits nobody");
    refused(&format!("key: '1 == 1', {LIMIT}"), "it is a truth value, and has to be a text");
    refused(
        &format!("key: \"'a'\", when: \"'b'\", {LIMIT}"),
        "it is a text, and has to be true or false",
    );
    refused(&format!("key: request.params.id, {LIMIT}"), "spec.key: parameters of a path are");
    refused(&format!("key: \"'a'\", apis: [a], {LIMIT}"), "spec.apis[0]: `a` names no API");
}
