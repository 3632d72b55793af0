//! Which calls a group of conditions means, and which conditions are refused.

use turnpike_proto::config::v1::Tier;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::*;
use crate::compile::tier::compile_tier;
use crate::fixtures::lines;

/// A call as text: its address first, then `name: value` for fields, `?query` and `claim.name: value`.
struct Text(&'static str);

impl Asked for Text {
    fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.values(name).any(|value| test(value.as_bytes()))
    }

    fn query(&self) -> Option<&str> {
        self.0.split(' ').find_map(|word| word.strip_prefix('?'))
    }
}

impl Carried for Text {
    fn address(&self) -> IpAddr {
        self.0.split(' ').next().unwrap().parse().unwrap()
    }

    fn claim(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.values(&format!("claim.{name}")).any(|value| test(value.as_bytes()))
    }
}

impl Text {
    fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'static str> + use<'n> {
        let named = self.0.split(' ').filter_map(|word| word.split_once('='));
        named.filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }
}

fn compiled(groups: &str) -> Result<Arc<[GroupForm]>, String> {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Tier, metadata: {{name: a}}, spec: {{level: advanced, conditions: [{groups}]}}}}"
    );
    let (resources, unread) = crate::read_document(&text, "");
    assert!(unread.is_empty(), "{}", lines(&unread));
    let tier = resources.into_iter().next().and_then(|it| it.resource);
    let Some(Any::Tier(tier)) = tier else { panic!("no tier: {text}") };
    let mut problems = Problems::default();
    let plan = compile_tier("a", &Tier::clone(&tier), &mut problems);
    plan.map(|plan| plan.groups).ok_or_else(|| lines(&problems.into_list()))
}

/// `when` is a list of conditions.
#[track_caller]
fn check(when: &str, fitting: &[&'static str], others: &[&'static str]) {
    let groups = compiled(&format!("{{when: [{when}]}}")).unwrap();
    for (calls, fits) in [(fitting, true), (others, false)] {
        for call in calls {
            assert_eq!(groups[0].fits(&Text(call)), fits, "{when} with {call}");
        }
    }
}

#[track_caller]
fn refused(groups: &str, said: &str) {
    let told = compiled(groups).err().unwrap_or_else(|| "nothing".to_owned());
    assert!(told.contains(said), "{said} in\n{told}");
}

#[test]
fn each_kind_of_condition_looks_at_its_part_of_a_call() {
    check(
        "{addresses: [10.0.0.0/8, 192.0.2.1-192.0.2.9]}",
        &["10.1.1.1", "192.0.2.9"],
        &["11.0.0.1", "::1"],
    );
    check(
        "{header: {name: X-Plan, exact: free}}",
        &["::1 x-plan=free"],
        &["::1 x-plan=paid", "::1"],
    );
    check(
        "{query: {name: page, regex: '[0-9]{3,}'}}",
        &["::1 ?page=100"],
        &["::1 ?page=99", "::1"],
    );
    check(
        "{claim: {name: org.plan, prefix: fr}}",
        &["::1 claim.org.plan=free"],
        &["::1 claim.org.plan=paid", "::1"],
    );
    check("{claim: {name: a, present: false}}", &["::1"], &["::1 claim.a=1"]);
    check("{header: {name: x-any}}", &["::1 x-any="], &["::1"]);
}

#[test]
fn each_condition_can_be_turned_round() {
    check("{addresses: ['10.0.0.0/8'], not: true}", &["11.0.0.1", "::1"], &["10.1.1.1"]);
    check(
        "{header: {name: x-plan, exact: free}, not: true}",
        &["::1", "::1 x-plan=paid"],
        &["::1 x-plan=free"],
    );
    check("{query: {name: page}, not: true}", &["::1"], &["::1 ?page=1"]);
    check("{claim: {name: a, exact: b}, not: true}", &["::1", "::1 claim.a=c"], &["::1 claim.a=b"]);
}

#[test]
fn all_conditions_of_a_group_have_to_hold() {
    let both = "{addresses: ['::1']}, {query: {name: a}, not: true}";
    check(both, &["::1"], &["::2", "::1 ?a=1", "::2 ?a=1"]);
}

#[test]
fn what_means_nothing_is_refused() {
    refused("{}", "spec.conditions[0].when: there are 0, from 1 to 16");
    refused("{when: [{}]}", "spec.conditions[0].when[0]: a condition looks at one thing");
    refused("{when: [{addresses: ['::1'], query: {name: a}}]}", "a condition looks at one thing");
    refused("{when: [{addresses: [ten]}]}", "when[0].addresses[0]: `ten` is no address");
    refused("{when: [{header: {name: Authorization}}]}", "`authorization` carries credentials");
    refused("{when: [{query: {name: a, regex: '('}}]}", "when[0].query.regex: ");
    refused("{when: [{claim: {name: ''}}]}", "when[0].claim.name: `` is no name of a claim");
    refused("{when: [{query: {name: a}}], quota: {requests: 1}}", "spec.conditions[0].quota.per: ");
    let many = vec!["{when: [{query: {name: a}}]}"; 33].join(", ");
    refused(&many, "spec.conditions: there are 33, at most 32");
}
