//! Which policy sets are in force, and what becomes of one that cannot be?

use crate::fixtures::{lines, objects, resources};
use crate::{Kind, Objects, Plan, ResourceKey, admit, encode, key};

/// What admission says to all of these together.
fn admission(short: &str) -> String {
    admit(&Objects::new(), &resources(short), &[]).map_or_else(|it| lines(&it), |_| String::new())
}

/// The sets in force after each of the changes, with their documents and those of their libraries, and what
/// is rejected.
#[track_caller]
fn check(changes: &[&str], expected: &str) {
    let (mut plan, mut said) = (Plan::empty(), Vec::new());
    for change in changes {
        let gone = change.split_whitespace().filter_map(|word| word.strip_prefix("-"));
        let gone: Vec<_> = gone.map(|it| ResourceKey::of_id(Kind::XacmlPolicySet, it)).collect();
        let new = if gone.is_empty() { resources(change) } else { Vec::new() };
        let new: Vec<_> = new.iter().map(|it| (key(it).unwrap(), encode(it))).collect();
        plan = plan.next(&new, &gone).0;
        let sets = ["a", "b"].into_iter().filter_map(|name| plan.policy_set(name));
        let mut one: Vec<String> = sets
            .map(|set| format!("{}:{}+{}", set.name, set.documents.len(), set.library.len()))
            .collect();
        one.extend(plan.rejected().iter().map(|it| {
            let serving = it.serving().as_str_name().to_lowercase();
            format!("{} {}: {} ({serving})", it.key, it.field, it.reason)
        }));
        said.push(one.join(" | "));
    }
    assert_eq!(said.join("\n"), expected);
}

#[test]
fn a_set_is_in_force_with_what_it_includes() {
    check(&["xacml a top>low + includes: [b]\nxacml b low", "-a", "-b"], "a:1+1 | b:1+0\nb:1+0\n");
}

#[test]
fn a_bad_set_is_refused_alone_and_its_last_good_form_stays() {
    check(
        &["xacml a top\nxacml b low", "xacml a top>low", "xacml a top>low + includes: [b]", "-b"],
        "a:1+0 | b:1+0\n\
         a:1+0 | b:1+0 | XacmlPolicySet/a spec.documents[0].text: line 1, PolicySetIdReference: \
         there is no policy set `low` (previous)\n\
         a:1+1 | b:1+0\n\
         a:1+1 | XacmlPolicySet/a spec.includes[0]: there is no XacmlPolicySet/b (previous)",
    );
}

#[test]
fn admission_tells_what_is_missing_among_the_others() {
    insta::assert_snapshot!(
        [
            "xacml a top>low + includes: [b]\nxacml b low",
            "xacml a top>low\nxacml b low",
            "xacml a top>lwo + includes: [b]\nxacml b low",
            "xacml a top + includes: [bb]\nxacml b low",
            "xacml a top + includes: [b]\nxacml b low + includes: [c]\nxacml c least",
            "xacml a top>top",
        ]
        .map(admission)
        .join("\n--\n"),
        @"
--
XacmlPolicySet/a: spec.documents[0].text: line 1, PolicySetIdReference: there is no policy set `low`; `b` has it: put that into `includes`
--
XacmlPolicySet/a: spec.documents[0].text: line 1, PolicySetIdReference: there is no policy set `lwo`; did you mean `low`?
--
XacmlPolicySet/a: spec.includes[0]: there is no XacmlPolicySet `bb`; did you mean `b`?
--
XacmlPolicySet/a: spec.includes[0]: XacmlPolicySet/b includes others itself; include those, too, and let it include none
--
XacmlPolicySet/a: spec.documents[0].text: its references lead back to itself; leave out one of them
"
    );
}

#[test]
fn an_api_that_names_one_is_refused_and_the_set_is_not_removed_under_it() {
    let api = "api orders 1 /orders + entitlement: {policySet: a}";
    insta::assert_snapshot!(admission(&format!("xacml a top\n{api}")), @"Api/orders:1: spec.entitlement: no decision point of this version reads policy sets; leave it out, or name who decides in `externalAuthorization`");
    insta::assert_snapshot!(admission(&format!("xacml aa top\n{api}")), @"
Api/orders:1: spec.entitlement: no decision point of this version reads policy sets; leave it out, or name who decides in `externalAuthorization`
Api/orders:1: spec.entitlement.policySet: there is no XacmlPolicySet `a`; did you mean `aa`?
");
    let all = objects(&format!("xacml a top\n{api}"));
    let removed = admit(&all, &[], &[ResourceKey::of_id(Kind::XacmlPolicySet, "a")]);
    insta::assert_snapshot!(lines(&removed.unwrap_err()), @"XacmlPolicySet/a: Api/orders:1 refers to it; remove what refers to it as well");
}

#[test]
fn gateways_get_the_sets_that_their_apis_name_and_what_these_include() {
    let all = "xacml a top>low + includes: [b]\nxacml b low\nxacml c other\n\
               api orders 1 /orders + entitlement: {policySet: a}";
    let slice = crate::slice(&objects(all), &std::collections::BTreeMap::new());
    let keys: Vec<String> =
        slice.of_kind(Kind::XacmlPolicySet).map(|it| it.key().to_string()).collect();
    assert_eq!(keys, ["XacmlPolicySet/a", "XacmlPolicySet/b"]);
}
