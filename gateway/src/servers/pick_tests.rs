//! Calls that are spread over servers, without a network.

use std::sync::Arc;

use plan::{BackendUrl, EjectionPlan, HashBy, ServerPlan};

use super::super::fixtures;
use super::super::group::Group;
use super::super::ring::hash;
use super::*;

/// `servers` are letters with weights, like `a b*2`; with failover in the order of their letters.
fn endpoint(balance: Balance, servers: &str) -> Arc<EndpointPlan> {
    let servers = servers.split(' ').zip(0..).map(|(server, place)| {
        let (name, weight) = server.split_once('*').unwrap_or((server, "1"));
        let url = BackendUrl { authority: name.to_owned(), ..fixtures::url() };
        let priority = if balance == Balance::Failover { place } else { 0 };
        ServerPlan { url, weight: weight.parse().unwrap(), priority, id: name.into() }
    });
    let (servers, ejection) = (servers.collect(), ejection());
    Arc::new(EndpointPlan { servers, balance, ejection, ..fixtures::endpoint("http://a") })
}

fn ejection() -> EjectionPlan {
    EjectionPlan {
        failures: 1,
        base: Duration::from_secs(10),
        max: Duration::from_secs(10),
        max_percent: 50,
        panic_percent: 30,
    }
}

fn view(plan: &Arc<EndpointPlan>) -> View {
    View::new(Arc::new(Group::new(plan, now().instant)), plan, None, 7)
}

fn now() -> Now {
    Now { instant: chassis::clock::Clock::system().instant(), ms: 1000 }
}

/// Makes `calls` calls after the servers `out` were taken out and shows which servers they met, one
/// letter each.
#[track_caller]
fn check(balance: Balance, servers: &str, out: &str, calls: usize, expected: &str) {
    let plan = endpoint(balance, servers);
    let view = view(&plan);
    for (index, server) in plan.servers.iter().enumerate() {
        if out.contains(&*server.id) {
            view.target(index).unwrap().eject(&ejection(), 1000, 5000);
        }
    }
    let met: String = (0..calls)
        .map(|_| view.pick(&plan, now(), None, Tried::default()).unwrap())
        .map(|index| plan.servers[index].id.to_string())
        .collect();
    assert_eq!(met, expected);
}

#[test]
fn servers_take_turns_by_their_weights_and_evenly_mixed() {
    check(Balance::RoundRobin, "a b c", "", 7, "abcabca");
    check(Balance::RoundRobin, "a*5 b c", "", 7, "aabacaa");
}

#[test]
fn a_server_that_is_out_is_left_out() {
    check(Balance::RoundRobin, "a b c", "b", 4, "acac");
    check(Balance::LeastRequests, "a b", "a", 3, "bbb");
    check(Balance::P2cEwma, "a b", "a", 3, "bbb");
}

#[test]
fn all_servers_are_used_when_too_few_are_fit() {
    check(Balance::RoundRobin, "a b", "ab", 4, "abab");
    check(Balance::RoundRobin, "a b c d", "bcd", 4, "abcd");
    check(Balance::RoundRobin, "a b c", "bc", 3, "aaa");
}

#[test]
fn failover_keeps_to_the_first_that_is_fit() {
    check(Balance::Failover, "a b c", "", 3, "aaa");
    check(Balance::Failover, "a b c", "a", 3, "bbb");
    check(Balance::Failover, "a b c", "ab", 3, "ccc");
    check(Balance::Failover, "a b c", "abc", 3, "aaa");
}

#[test]
fn a_call_meets_each_server_once() {
    for balance in [
        Balance::RoundRobin,
        Balance::LeastRequests,
        Balance::P2cEwma,
        Balance::Failover,
        Balance::RingHash(HashBy::Path),
    ] {
        let plan = endpoint(balance, "a b c");
        let view = view(&plan);
        view.target(1).unwrap().eject(&ejection(), 1000, 5000);
        let mut tried = Tried::default().or_unfit();
        for _ in 0..3 {
            let index = view.pick(&plan, now(), Some(5), tried).unwrap();
            assert!(!tried.has(index));
            tried = tried.with(index);
        }
        assert_eq!(view.pick(&plan, now(), Some(5), tried), None);
        let fit = Tried::default().with(0).with(2);
        assert_eq!(view.pick(&plan, now(), Some(5), fit), None, "the other one is out");
    }
}

#[test]
fn equal_hashes_meet_one_server_and_others_spread() {
    let plan = endpoint(Balance::RingHash(HashBy::Path), "a b c");
    let view = view(&plan);
    let of = |call: u32| {
        view.pick(&plan, now(), Some(hash(&call.to_le_bytes())), Tried::default()).unwrap()
    };
    let mut counts = [0; 3];
    for call in 0..3000 {
        assert_eq!(of(call), of(call));
        counts[of(call)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 600), "{counts:?}");
}

#[test]
fn the_least_busy_server_is_asked_for_its_weight() {
    let plan = endpoint(Balance::LeastRequests, "a b*3");
    let view = std::rc::Rc::new(view(&plan));
    let mut under_way = Vec::new();
    for _ in 0..40 {
        let index = view.pick(&plan, now(), None, Tried::default()).unwrap();
        under_way.push(view.begin(index).unwrap());
    }
    assert_eq!([0, 1].map(|index| view.own[index].calls.get()), [10, 30]);
    drop(under_way);
    assert_eq!([0, 1].map(|index| view.own[index].calls.get()), [0, 0]);
}

#[test]
fn a_slow_server_is_avoided_and_forgiven() {
    let plan = endpoint(Balance::P2cEwma, "a b");
    let view = view(&plan);
    let start = now();
    view.note(0, Duration::from_millis(1), start.instant);
    view.note(1, Duration::from_millis(50), start.instant);
    let share = |now: Now| {
        (0..100).filter(|_| view.pick(&plan, now, None, Tried::default()) == Some(0)).count()
    };
    assert_eq!(share(start), 100);
    // What was noted fades; then both look alike.
    let later = Now { instant: start.instant + Duration::from_mins(5), ms: 301_000 };
    view.note(0, Duration::from_millis(1), later.instant);
    view.note(1, Duration::from_millis(1), later.instant);
    view.note(0, Duration::from_millis(2), later.instant);
    assert_eq!(share(later), 0, "a peak counts at once");
}

#[test]
fn a_server_that_came_back_gets_its_share_by_and_by() {
    let mut plan = endpoint(Balance::RoundRobin, "a b");
    Arc::get_mut(&mut plan).unwrap().slow_start = Some(Duration::from_secs(10));
    let view = view(&plan);
    let target = view.target(1).unwrap();
    target.eject(&ejection(), 1, 5000);
    let at = |ms| Now { ms, ..now() };
    let share = |ms| {
        (0..110).filter(|_| view.pick(&plan, at(ms), None, Tried::default()) == Some(1)).count()
    };
    assert_eq!(share(1000), 0);
    target.succeeded(20_000);
    assert!((8..=12).contains(&share(20_000)), "a tenth of the other");
    assert!((53..=57).contains(&share(31_000)), "a half of all");
}
