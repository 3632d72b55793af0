//! Which tiers are limits, and what is said of others.

use super::*;
use turnpike_proto::config::v1::Problem;

/// The limits that a tier comes to, or the first thing that is wrong with it.
#[track_caller]
fn check(spec: &str, expected: &str) {
    let text =
        format!("{{apiVersion: turnpike/v1, kind: Tier, metadata: {{name: a}}, spec: {{{spec}}}}}");
    let (resources, unread) = crate::read_document(&text, "");
    assert!(unread.is_empty(), "{unread:?}");
    let tier = resources.into_iter().next().and_then(|it| it.resource);
    let Some(proto::resource::Resource::Tier(tier)) = tier else { panic!("no tier: {text}") };
    let mut problems = Problems::default();
    let plan = compile_tier("a", &tier, &mut problems);
    let shown = |limit: &Limit| {
        let what = if limit.is_rate() { "rate" } else { "quota" };
        let (amount, seconds) = (limit.amount(), limit.period_us() / 1_000_000);
        format!("{:?} {what} {amount} {:?} in {seconds} s", limit.effect, limit.unit)
    };
    let wrong = |problem: &Problem| format!("{}: {}", problem.field, problem.reason);
    let said: Vec<_> = match plan {
        Some(plan) => plan.meter.limits().iter().map(shown).collect(),
        None => problems.into_list().iter().map(wrong).collect(),
    };
    assert_eq!(said.join("; "), expected);
}

#[test]
fn a_tier_is_its_quotas_and_its_burst() {
    check("", "");
    check("quota: {requests: 5, per: 60s}", "Refuse quota 5 Requests in 60 s");
    check(
        "burst: {requests: 2, per: 1s}, quota: {requests: 5, per: 60s}, stopOnQuotaReached: false",
        "Mark quota 5 Requests in 60 s; Refuse rate 2 Requests in 1 s",
    );
    check(
        "quota: {bytes: 1000, per: 3600s, rolling: true}, quotas: [{requests: 9, calendar: month, \
         utcOffsetMinutes: 60}, {bytes: 7, direction: response, calendar: day}]",
        "Refuse quota 1000 Bytes in 3600 s; Refuse quota 9 Requests in 2678400 s; \
         Refuse quota 7 BytesOut in 86400 s",
    );
    check(
        "quota: {bytes: 5, direction: request, per: 60s}, burst: {requests: 1, per: 1s}, shadow: true",
        "Shadow quota 5 BytesIn in 60 s; Shadow rate 1 Requests in 1 s",
    );
}

#[test]
fn users_and_conditions_go_with_some_levels() {
    check("level: application, perUser: true", "");
    check("level: advanced, perUser: true, conditions: [{when: [{addresses: ['::1']}]}]", "");
    check("perUser: true", "spec.perUser: a subscription counts its application, and not users");
    check(
        "level: application, conditions: [{when: [{addresses: ['::1']}]}]",
        "spec.conditions: a tier of this level has the same limits for all calls",
    );
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let missing = "spec.quota.per: a quota's window is 1 second to 400 days";
    check("quota: {requests: 5}", missing);
    check("quota: {requests: 5, per: 0.5s}", missing);
    check("quota: {per: 60s}", "spec.quota.requests: at least one request is allowed");
    check("quota: {requests: 1, bytes: 1, per: 60s}", "spec.quota: it counts more than one thing");
    check(
        "quota: {requests: 1, direction: request, per: 60s}",
        "spec.quota.direction: only bytes have one",
    );
    check(
        "quota: {requests: 1, per: 60s, calendar: day}",
        "spec.quota: it has a period of the calendar and another time",
    );
    check(
        "quota: {requests: 1, per: 60s, utcOffsetMinutes: 60}",
        "spec.quota.utcOffsetMinutes: `per` knows no places",
    );
    check(
        "quotas: [{requests: 1, calendar: day, utcOffsetMinutes: 841}]",
        "spec.quotas[0].utcOffsetMinutes: 841 minutes are no place's, -720 to 840",
    );
    check(
        "quota: {bytes: 2000000000, per: 1s}",
        "spec.quota.bytes: so many cannot be counted in so short a time",
    );
    check("quotas: [{}, {}, {}]", "spec.quotas: there are 3, at most 2");
}

#[test]
fn gateways_count_together_where_somebody_counts() {
    let counted =
        |counting: &str| format!("burst: {{requests: 1, per: 1s}}, counting: {{{counting}}}");
    for good in ["", "strategy: split", "strategy: lease, onFailure: closed"] {
        check(&counted(good), "Refuse rate 1 Requests in 1 s");
    }
    for good in ["strategy: lease, authority: store", "strategy: strict, authority: store"] {
        check(&counted(good), "Refuse rate 1 Requests in 1 s");
    }
    check(
        &counted("strategy: strict"),
        "spec.counting: the control plane is not asked call by call",
    );
    check(
        &counted("strategy: split, authority: store"),
        "spec.counting.authority: nobody is asked, so there is no authority",
    );
    check(&counted("onFailure: open"), "spec.counting.onFailure: nobody is asked who could fail");
}
