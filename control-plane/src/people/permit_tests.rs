//! What becomes of what somebody writes, and what do they get to know?

use std::fmt::Write as _;

use turnpike_proto::config::v1::Sharing;

use super::super::caller::{Known, Limits, Pattern, Shown};
use super::super::role::Roles;
use super::*;

/// `publisher ann @tenant +team`; further words: `read-only`, `Kind/…` for patterns of a token.
fn caller(text: &str) -> Caller {
    let mut words = text.split_whitespace();
    let roles = words.next().unwrap().split(',').map(|role| role.parse().unwrap());
    let roles = Roles::of(roles.collect::<Vec<Role>>());
    let mut known = Known {
        name: text.to_owned(),
        shown: Shown::SignIn,
        user: String::new(),
        teams: Vec::new(),
        roles,
        tenant: String::new(),
        limits: Limits::default(),
        expires_at: None,
    };
    for word in words {
        if let Some(tenant) = word.strip_prefix('@') {
            tenant.clone_into(&mut known.tenant);
        } else if let Some(team) = word.strip_prefix('+') {
            known.teams.push(Caller::team(team));
        } else if word == "read-only" {
            known.limits.read_only = true;
        } else if word.contains('/') {
            known.limits.objects.push(Pattern::parse(word).unwrap());
        } else {
            word.clone_into(&mut known.user);
        }
    }
    Caller::of(known)
}

/// Lines `Kind name` with `owner=`, `@tenant`, `read=`, `write=` and, behind `+`, what stands in `spec`.
fn resources(text: &str) -> Vec<Resource> {
    let mut all = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line, spec) = line.split_once(" + ").unwrap_or((line, ""));
        let mut words = line.split_whitespace();
        let (kind, name) = (words.next().unwrap(), words.next().unwrap());
        let version = if matches!(kind, "Api" | "ApiProduct") { ", version: \"1\"" } else { "" };
        let usual = match kind {
            "Api" => {
                let context = if spec.contains("context") {
                    String::new()
                } else {
                    format!("context: /{name}, ")
                };
                format!("{context}endpoints: {{production: {{urls: [\"http://127.0.0.1:1\"]}}}}")
            }
            "Tier" => "quota: {requests: 1, per: 60s}".to_owned(),
            "Secret" => "value: hush".to_owned(),
            _ => String::new(),
        };
        let spec = [usual.as_str(), spec].into_iter().filter(|part| !part.is_empty());
        let spec = spec.collect::<Vec<_>>().join(", ");
        let yaml = format!(
            "{{apiVersion: turnpike/v1, kind: {kind}, metadata: {{name: {name}{version}}}, spec: {{{spec}}}}}"
        );
        let (read, problems) = plan::read_document(&yaml, "");
        assert!(problems.is_empty(), "{problems:?}");
        for mut resource in read {
            let metadata = plan::metadata_mut(&mut resource).unwrap();
            for word in words.clone() {
                let list = |names: &str| names.split(',').map(str::to_owned).collect::<Vec<_>>();
                match word.split_once('=') {
                    Some(("owner", owner)) => owner.clone_into(&mut metadata.owner),
                    Some(("read", names)) => {
                        metadata.access.get_or_insert_with(Sharing::default).read = list(names);
                    }
                    Some(("write", names)) => {
                        metadata.access.get_or_insert_with(Sharing::default).write = list(names);
                    }
                    _ => word.strip_prefix('@').unwrap().clone_into(&mut metadata.tenant),
                }
            }
            all.push(resource);
        }
    }
    all
}

const BEFORE: &str = "
    Tier Gold
    Tier Own @b
    Api orders owner=ann + lifecycle: PUBLISHED
    Api draft owner=ann
    Api shared owner=team:sales write=bob read=*
    Api other owner=eve + lifecycle: PUBLISHED
    Api theirs @b owner=zoe + lifecycle: PUBLISHED
    Application shop owner=sue
    Application kiosk owner=tom
    Application away @b owner=sue
    Subscription s owner=sue + application: shop, api: \"orders:1\", state: BLOCKED
    Secret pw owner=ann
    Secret hidden owner=eve
";

fn before() -> Objects {
    plan::admit(&Objects::new(), &resources(BEFORE), &[]).unwrap().objects
}

/// What is stored in the end (`key owner @tenant`), or why nothing is.
fn written(by: &str, upserts: &str, removals: &[&str]) -> String {
    let (by, objects) = (caller(by), before());
    let removals: Vec<ResourceKey> = removals.iter().map(|key| key.parse().unwrap()).collect();
    let wanted = match permit(&by, &objects, resources(upserts), &removals, false) {
        Ok(wanted) => wanted,
        Err(Denied::Hidden(key)) => return format!("there is no {key}"),
        Err(Denied::Forbidden(why)) => return why,
        Err(Denied::Refused(problems)) => return lines(&problems),
    };
    let own = wanted.iter().filter_map(plan::key).chain(removals.clone()).collect();
    match plan::admit(&objects, &wanted, &removals) {
        Ok(_) => {
            let mut said = String::new();
            for resource in &wanted {
                let metadata = plan::metadata(resource).unwrap();
                let key = plan::key(resource).unwrap();
                writeln!(said, "{key} {} @{}", metadata.owner, metadata.tenant).unwrap();
            }
            said
        }
        Err(problems) => lines(&told(&by, &objects, &own, problems)),
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(plan::describe).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(by: &str, upserts: &str, expected: &str) {
    assert_eq!(written(by, upserts, &[]).trim(), expected, "{by}: {upserts}");
}

#[track_caller]
fn check_removal(by: &str, key: &str, expected: &str) {
    assert_eq!(written(by, "", &[key]).trim(), expected, "{by}: {key}");
}

/// The resources of before that somebody sees, those of which they see the outline in brackets.
#[track_caller]
fn check_sight(by: &str, expected: &str) {
    let by = caller(by);
    let objects = before();
    let seen = objects.iter().filter_map(|object| {
        let key = object.key().id().trim_end_matches(":1").to_owned();
        let resource = object.resource()?;
        match by.sees(&resource) {
            Sight::Nothing => None,
            Sight::Outline => Some(format!("({key})")),
            Sight::Whole => Some(key),
        }
    });
    assert_eq!(seen.collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn each_role_sees_its_own() {
    let everything = "Gold Own hidden pw draft orders other shared theirs away kiosk shop s";
    check_sight("admin root", everything);
    check_sight("admin zed @b", "Gold Own theirs away");
    check_sight("auditor aud", "Gold Own draft orders other shared theirs away kiosk shop s");
    check_sight("auditor aud @b", "Gold Own theirs away");
    check_sight("publisher ann", "Gold pw draft orders shared");
    check_sight("publisher bob", "Gold shared");
    check_sight("publisher cid +sales", "Gold shared");
    check_sight("publisher zoe @b", "Gold Own theirs");
    check_sight("subscriber sue", "Gold (orders) (other) shared shop s");
    check_sight("subscriber sue @b", "Gold Own (theirs) away");
    check_sight("publisher,subscriber ann", "Gold pw draft orders (other) shared");
    check_sight("admin root Api/orders:*", "orders");
    check_sight("publisher ann Api/draft:1", "draft");
    check_sight("subscriber mallory @c", "Gold");
}

#[test]
fn what_is_new_belongs_to_its_writer() {
    check("publisher ann", "Api new", "Api/new:1 ann @");
    check("publisher zoe @b", "Api new", "Api/new:1 zoe @b");
    check("subscriber sue", "Application new", "Application/new sue @");
    check("admin zed @b", "Tier New", "Tier/New zed @b");
    check("publisher cid +sales", "Api new owner=team:sales", "Api/new:1 team:sales @");
    check("admin root", "Api new owner=ann @b", "Api/new:1 ann @b");
    check("publisher cid +sales", "Api shared", "Api/shared:1 team:sales @");
}

#[test]
fn nobody_raises_themselves_by_what_they_write() {
    let owner = |key: &str| {
        format!(
            "{key}: metadata.owner: only administrators name somebody else; leave it out, or name one of \
             your teams as `team:NAME`"
        )
    };
    check("publisher ann", "Api new owner=eve", &owner("Api/new:1"));
    check("publisher ann", "Api new owner=team:root", &owner("Api/new:1"));
    for name in ["bob", "eve"] {
        check(
            "publisher bob",
            &format!("Api shared owner={name}"),
            "Api/shared:1: metadata.owner: only its owner hands it over; leave it out",
        );
    }
    let tenant = |key: &str| {
        format!(
            "{key}: metadata.tenant: only the operator's administrators choose it; leave it out"
        )
    };
    check("publisher ann", "Api new @b", &tenant("Api/new:1"));
    check("admin zed @b", "Api new @c", &tenant("Api/new:1"));
    check("publisher zoe @b", "Api theirs @c", &tenant("Api/theirs:1"));
    check(
        "publisher bob",
        "Api shared write=bob,eve",
        "Api/shared:1: metadata.access: only its owner shares it; leave it out",
    );
    check(
        "subscriber sue",
        "Subscription s + application: shop, api: \"orders:1\", state: PROD_ONLY_BLOCKED",
        "Subscription/s: spec.state: only administrators change it; leave it out",
    );
    check(
        "subscriber sue",
        "Application shop + keys: [{consumerKey: c}]",
        "Application/shop: spec.keys[0]: only administrators enter clients by hand; leave them out, and \
         ask for one with `turnpike keys generate`",
    );
}

#[test]
fn a_role_writes_no_other_kinds_and_a_tenant_nothing_that_acts_on_all() {
    for (by, kind) in [
        ("publisher ann", "Tier"),
        ("publisher ann", "Application"),
        ("subscriber sue", "Api"),
        ("auditor aud", "Api"),
    ] {
        check(by, &format!("{kind} new"), &format!("you may not write any {kind}"));
    }
    for kind in ["GatewayGroup", "DenyPolicy"] {
        check("admin zed @b", &format!("{kind} new"), &format!("you may not change {kind}/new"));
    }
    check("admin root read-only", "Tier New", "you may not write any Tier");
    check("admin root Api/*", "Tier New", "you may not write any Tier");
    check(
        "publisher ann Api/draft:1",
        "Api orders",
        "Api/orders:1: metadata.name: the name is taken; choose another one",
    );
}

#[test]
fn what_one_may_not_see_is_not_there() {
    check_removal("publisher ann", "Api/other:1", "there is no Api/other:1");
    check_removal("publisher ann", "Api/none:1", "there is no Api/none:1");
    check_removal("admin zed @b", "Api/orders:1", "there is no Api/orders:1");
    check_removal("admin zed @b", "Tier/Gold", "you may not change Tier/Gold");
    check_removal("subscriber sue", "Api/orders:1", "you may not change Api/orders:1");
    // That a name is taken is all that is said of it, by whomever.
    let taken = "Api/other:1: metadata.name: the name is taken; choose another one";
    check("publisher ann", "Api other", taken);
    check("admin zed @b", "Api other", taken);
}

#[test]
fn a_reference_to_what_is_hidden_is_told_like_one_to_nothing() {
    for tier in ["Own", "None"] {
        let said = format!("Api/new:1: spec.tiers[0]: there is no Tier `{tier}`");
        check("publisher ann", &format!("Api new + tiers: [{tier}]"), &said);
    }
    for (by, application, api, said) in [
        (
            "subscriber sue",
            "kiosk",
            "orders:1",
            "spec.application: there is no Application `kiosk`",
        ),
        ("subscriber sue", "none", "orders:1", "spec.application: there is no Application `none`"),
        ("subscriber sue", "shop", "draft:1", "spec.api: there is no Api `draft:1`"),
        ("subscriber sue", "shop", "none:1", "spec.api: there is no Api `none:1`"),
        (
            "subscriber sue @b",
            "shop",
            "theirs:1",
            "spec.application: there is no Application `shop`",
        ),
    ] {
        let wanted = format!("Subscription n + application: {application}, api: \"{api}\"");
        check(by, &wanted, &format!("Subscription/n: {said}"));
    }
    check(
        "subscriber sue",
        "Subscription n + application: shop, api: \"other:1\"",
        "Subscription/n sue @",
    );
}

#[test]
fn problems_do_not_name_what_is_hidden() {
    check(
        "publisher zoe @b",
        "Api new + lifecycle: PUBLISHED, context: /orders",
        "Api/new:1: spec.context: the path /orders/1 is taken by something that you may not see; choose \
         another one",
    );
}

#[test]
fn whoever_was_blocked_stays_so() {
    let wanted =
        resources("Subscription s + application: shop, api: \"orders:1\", state: UNBLOCKED");
    let stored = permit(&caller("subscriber sue"), &before(), wanted, &[], false).unwrap();
    let Some(Any::Subscription(stored)) = &stored[0].resource else { panic!("{stored:?}") };
    assert_eq!(stored.spec.as_ref().unwrap().state, 1);
}
