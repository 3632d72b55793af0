//! What a gateway of another version gets, and never what would let calls through.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Distance, Known, distance};
use crate::fixtures::admitted;
use crate::slice::Slice;

const ALL: &str = "
    tier Gold subscription 1/1
    api plain 1 /plain + tiers: [Gold]
    api shown 1 /shown + description: hello
    api guarded 1 /guarded + cors: {allowOrigins: ['https://a.example']}
    app shop
    sub s1 shop plain:1 Gold
";

/// A build that lacks these, as `Message.number`.
fn without(lacks: &[&str]) -> Arc<Known> {
    let types = Known::own();
    let lacks = |name: &str, number: i32| {
        let short = name.rsplit('.').next().unwrap_or_default();
        lacks.contains(&format!("{short}.{number}").as_str())
    };
    let types = types.types().map(|(name, numbers)| {
        let kept = numbers.into_iter().filter(|number| !lacks(name, *number)).collect();
        (name.to_owned(), kept)
    });
    Arc::new(Known::said(types.collect::<Vec<_>>()).expect("few"))
}

/// What is left out of `short` for a build without `lacks`, and what it holds.
#[track_caller]
fn check(short: &str, lacks: &[&str], left_out: &[&str], held: &str) -> Slice {
    let labels = BTreeMap::new();
    let slice = Slice::of_known(&admitted(short), &labels, Some(without(lacks)));
    let said: Vec<String> = slice.left_out().collect();
    assert_eq!(said, left_out);
    let keys = slice.objects().iter().map(|object| object.key().to_string());
    assert_eq!(keys.collect::<Vec<_>>().join(" "), held);
    slice
}

const EVERYTHING: &str =
    "Tier/Gold Api/guarded:1 Api/plain:1 Api/shown:1 Application/shop Subscription/s1";

#[test]
fn a_gateway_of_the_same_build_gets_everything_as_it_is() {
    let slice = check(ALL, &[], &[], EVERYTHING);
    assert_eq!(
        slice.objects().hash(),
        Slice::new(&admitted(ALL), &BTreeMap::new()).objects().hash()
    );
}

#[test]
fn what_has_no_effect_on_calls_is_left_out() {
    let slice =
        check(ALL, &["ApiSpec.12"], &["Api/shown:1: without api.spec.description"], EVERYTHING);
    let shown = slice.objects().get(&"Api/shown:1".parse().unwrap()).unwrap();
    let yaml = crate::resource::to_yaml(&shown.resource().unwrap());
    assert!(!yaml.contains("hello") && yaml.contains("/shown"), "{yaml}");
}

#[test]
fn an_api_with_what_a_gateway_does_not_know_is_there_and_blocked() {
    let said = ["Api/guarded:1: answers 503, because of api.spec.cors"];
    let slice = check(ALL, &["ApiSpec.13"], &said, EVERYTHING);
    let guarded = slice.objects().get(&"Api/guarded:1".parse().unwrap()).unwrap();
    let yaml = crate::resource::to_yaml(&guarded.resource().unwrap());
    assert!(yaml.contains("BLOCKED") && yaml.contains("/guarded"), "{yaml}");
    // And a gateway can compile it.
    let all: Vec<_> =
        slice.objects().iter().map(|it| (it.key().clone(), it.bytes().clone())).collect();
    let (plan, rejected) = crate::Plan::empty().replaced(&all);
    assert_eq!(rejected, []);
    assert!(plan.find("h", "/guarded/1/x").is_some());
}

#[test]
fn a_value_that_a_gateway_does_not_know_counts_as_a_field_does() {
    // `PUBLISHED` itself.
    let blocked = |name| format!("Api/{name}:1: answers 503, because of api.spec.lifecycle");
    let said = ["guarded", "plain", "shown"].map(blocked);
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let published = i32::from(turnpike_proto::config::v1::lifecycle::State::Published);
    check(ALL, &[&format!("State.{published}")], &said, EVERYTHING);
}

#[test]
fn a_kind_that_a_gateway_does_not_know_is_not_there() {
    let said = ["Tier/Gold: not there, because of tier"];
    check(ALL, &["Resource.4"], &said, EVERYTHING.trim_start_matches("Tier/Gold "));
}

#[test]
fn a_gateway_that_would_let_calls_through_gets_nothing() {
    let deny = "deny d + addresses: ['10.0.0.0/8']";
    let all = admitted(&format!("{ALL}\n{deny}"));
    let lacks = without(&["Resource.10"]);
    let slice = Slice::of_known(&all, &BTreeMap::new(), Some(lacks));
    let refusal = slice.refusal().expect("a refusal");
    assert!(refusal.starts_with("DenyPolicy/d says denyPolicy"), "{refusal}");
    // Until nobody needs it any more.
    assert_eq!(slice.follow(&admitted(ALL)).refusal(), None);
}

#[test]
fn what_follows_is_narrowed_as_well() {
    let lacks = without(&["ApiSpec.13"]);
    let before = "tier Gold subscription 1/1";
    let slice = Slice::of_known(&admitted(before), &BTreeMap::new(), Some(Arc::clone(&lacks)));
    let followed = slice.follow(&admitted(ALL));
    let anew = Slice::of_known(&admitted(ALL), &BTreeMap::new(), Some(lacks));
    assert_eq!(followed.objects().hash(), anew.objects().hash());
    assert_eq!(followed.left_out().count(), 1);
    assert_eq!(followed.follow(&admitted(before)).left_out().count(), 0);
}

#[test]
fn one_minor_version_apart_is_served_and_two_are_not() {
    let check = |gateway: &str, fits: bool| {
        assert_eq!(distance(gateway, "1.4.2") == Distance::Fits, fits, "{gateway}");
    };
    check("1.4.0", true);
    check("1.3.9", true);
    check("1.5.7", true);
    check("1.6.0", false);
    check("1.2.9", false);
    check("0.4.0", false);
    check("2.0.0", false);
    check("somebody's own", true);
}
