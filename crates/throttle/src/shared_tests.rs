//! What a meter that gateways share does with what its authority says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::{
    Authority, Correction, Cost, Effect, Full, Granted, Limit, Measure, Meter, MeterConfig,
    OnFailure, Quota, Refused, Ruling, Sharing, Span, Strategy, Subject, Unit, Wanted,
};

const NOW: u64 = 1_800_000_000_000_000;
const LEASE: Strategy = Strategy::Lease(Authority::ControlPlane);

fn quota(amount: u64) -> Limit {
    let span = Span::fixed(Duration::from_mins(1)).unwrap();
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}

fn shared(strategy: Strategy, limits: &[Limit]) -> Arc<Meter> {
    let sharing = Sharing { strategy, on_failure: OnFailure::Local };
    let config = MeterConfig::new(limits).unwrap().shared(sharing);
    Arc::new(Meter::named(config, || Subject::of("application", &["shop"])))
}

fn granted(units: u64) -> Granted {
    let again_us = if units == 0 { 30_000_000 } else { 0 };
    Granted { units, left: 5, place: 7, ends_us: 60_000_000, again_us, ..Granted::NOTHING }
}

/// Makes calls at once: `.` for each that is let in, `?` where the authority has to be asked, `x` where
/// the limit is used up.
#[track_caller]
fn check(meter: &Arc<Meter>, expected: &str) {
    let said: String = expected
        .chars()
        .map(|_| match meter.hold(NOW, &Cost::CALL) {
            Ok(hold) => {
                let _ = hold.settle();
                '.'
            }
            Err(Refused::Short { .. }) => '?',
            Err(Refused::Full(_)) => 'x',
        })
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn units_are_asked_for_and_used() {
    let meter = shared(LEASE, &[quota(100)]);
    check(&meter, "??");
    assert_eq!(meter.asks(0, NOW, 1), Some(Wanted { units: 1, ..Wanted::default() }));
    assert_eq!(meter.asks(0, NOW, 1), None, "one asks at a time");
    assert_eq!(meter.granted(0, NOW, NOW, granted(3)), None);
    assert_eq!(meter.state(NOW).next().unwrap().remaining, 8);
    check(&meter, "..");
    assert_eq!(meter.low(NOW), Some(0), "more than half of it is gone");
    check(&meter, ".?");
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(0));
    check(&meter, "xx");
    let told = meter.hold(NOW, &Cost::CALL).unwrap_err();
    let full = Full { limit: quota(100), retry_after_us: 30_000_000 };
    assert_eq!(told, Refused::Full(full), "that is when there will be more");
    assert_eq!(meter.low(NOW + 1), None, "it has just been said");
    let soon = NOW + 100_000;
    let again = meter.hold(soon, &Cost::CALL).unwrap_err();
    let full = Full { retry_after_us: 29_900_000, ..full };
    assert_eq!(again, Refused::Full(full), "nobody waits for what others may have put back");
    assert_eq!(meter.low(soon), Some(0), "and it is asked for");
    let wanted = meter.asks(0, soon, 0).unwrap();
    meter.failed(0, wanted);
    let again = meter.hold(soon, &Cost::CALL).unwrap_err();
    assert_eq!(again, Refused::Short { index: 0 }, "nobody has said it lately");
}

#[test]
fn what_is_not_used_goes_back() {
    let meter = shared(LEASE, &[quota(100)]);
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(2));
    drop(meter.hold(NOW, &Cost::CALL).unwrap());
    assert_eq!(meter.back(0, NOW, false).next(), None, "somebody has just called");
    let back = meter.back(0, NOW + 1_000_000, false).next().unwrap();
    assert_eq!((back.place, back.granted_us, back.units), (7, NOW, 1), "one waits for a call");
    let back = meter.back(0, NOW + 3_000_000, false).next().unwrap();
    assert_eq!((back.place, back.granted_us, back.units), (7, NOW, 1));
    check(&meter, "?");
}

#[test]
fn what_a_call_comes_to_beyond_what_is_in_hand_is_owed() {
    let bytes = Limit { unit: Unit::Bytes, ..quota(1_000) };
    let meter = shared(LEASE, &[bytes]);
    check(&meter, "?");
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(10));
    let owed = meter.hold(NOW, &Cost::CALL).unwrap().settle().unwrap();
    owed.come_to(&Cost { bytes_out: 50, ..Cost::CALL });
    let owes = meter.owes(0, NOW).unwrap();
    assert_eq!(owes, Wanted { owed: 40, ..Wanted::default() }, "ten were in hand");
    check(&meter, "?");
    assert_eq!(meter.owes(0, NOW), None, "it is told once");
    meter.failed(0, owes);
    assert_eq!(meter.owes(0, NOW), Some(owes), "nobody has heard it");
}

#[test]
fn a_limit_that_only_marks_lets_pass_and_counts() {
    let marks = Limit { effect: Effect::Mark, ..quota(1) };
    let meter = shared(LEASE, &[marks]);
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(0));
    let hold = meter.hold(NOW, &Cost::CALL).unwrap();
    assert!(hold.over_quota());
    let _ = hold.settle();
    assert_eq!(meter.owes(0, NOW), Some(Wanted { owed: 1, ..Wanted::default() }));
}

#[test]
fn a_refused_call_gives_back_what_other_limits_gave() {
    let meter = shared(LEASE, &[quota(100), Limit { unit: Unit::Events, ..quota(5) }]);
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(1));
    let refused = meter.hold(NOW, &Cost::CALL).unwrap_err();
    assert_eq!(refused, Refused::Short { index: 1 });
    meter.asks(1, NOW, 1).unwrap();
    meter.granted(1, NOW, NOW, granted(1));
    check(&meter, ".?");
}

#[test]
fn parts_of_a_split_limit_follow_what_is_said() {
    let meter = shared(Strategy::Split, &[quota(10)]);
    meter.set_part(0, 2);
    check(&meter, "..x");
    meter.set_part(0, 0);
    check(&meter, "x");
    meter.set_part(0, 4);
    check(&meter, "..x");
    assert_eq!(meter.state(NOW).next().unwrap().limit.amount(), 10, "the limit is of all");
    assert_eq!((meter.demand(), meter.demand()), (7, 0));
}

#[test]
fn a_stand_in_counts_a_part_of_its_own() {
    let meter = shared(LEASE, &[quota(10)]);
    check(meter.stand_in(4).unwrap(), "..x");
    check(meter.stand_in(4).unwrap(), "x");
    assert!(Meter::new(MeterConfig::new(&[quota(10)]).unwrap()).name().is_none());
}

#[test]
fn what_a_stand_in_lets_in_is_owed_when_the_authority_is_heard_again() {
    let owed_after = |later_us: u64| {
        let meter = shared(LEASE, &[quota(100)]);
        let stand_in = meter.stand_in(1).unwrap();
        for _ in 0..3 {
            let _ = stand_in.hold(NOW, &Cost::CALL).unwrap().settle();
            meter.lend(&Cost::CALL);
        }
        assert_eq!(meter.owes(0, NOW), None, "nobody listens");
        meter.asks(0, NOW, 1).unwrap();
        meter.granted(0, NOW, NOW, granted(1));
        meter.owes(0, NOW + later_us).map(|wanted| wanted.owed)
    };
    assert_eq!(owed_after(1_000), Some(3));
    assert_eq!(owed_after(60_000_000), None, "that window is over");
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn whoever_waits_is_woken_by_an_answer_and_by_a_failure() {
    let meter = shared(LEASE, &[quota(10)]);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let cx = Context::from_waker(&waker);
    let seen = meter.seen();
    let wanted = meter.asks(0, NOW, 1).unwrap();
    assert_eq!(meter.poll_answer(seen, &cx), Poll::Pending);
    assert_eq!(meter.poll_answer(seen, &cx), Poll::Pending);
    meter.failed(0, wanted);
    assert_eq!(meter.poll_answer(seen, &cx), Poll::Ready(false));
    meter.asks(0, NOW, 1).unwrap();
    meter.granted(0, NOW, NOW, granted(1));
    assert_eq!(meter.poll_answer(seen, &cx), Poll::Ready(true));
    assert_eq!(bell.0.load(Ordering::Relaxed), 1, "one waker stood there, once");
}

#[test]
fn other_limits_begin_with_what_the_authority_knows() {
    let meter = shared(LEASE, &[quota(10)]);
    let config = MeterConfig::new(&[quota(20)]).unwrap().shared(meter.config().sharing());
    let next = meter.under(&config, || Subject::of("application", &["shop"]));
    assert_eq!(next.name(), meter.name());
    check(&next, "?");
    assert!(Arc::ptr_eq(&next, &next.under(&config, || panic!("it has its name"))));
}

fn ruling(places: &[Option<u64>]) -> Ruling {
    Ruling { at_us: 42, places: places.to_vec(), over_quota: false, shadow: true }
}

#[test]
fn who_is_asked_call_by_call_is_told_what_a_call_came_to() {
    let bytes = Limit { unit: Unit::BytesIn, ..quota(1_000) };
    let meter = shared(Strategy::Strict, &[quota(10), bytes, quota(5)]);
    check(&meter, "??");
    let cost = Cost { bytes_in: 3, ..Cost::CALL };
    let correction =
        |index, place, units, actual| Correction { index, place, taken_us: 42, units, actual };

    let hold = meter.let_in(&cost, &ruling(&[Some(7), Some(8), None]));
    assert!(hold.shadow() && !hold.over_quota());
    drop(hold);
    assert_eq!(meter.corrections(), [correction(0, 7, 1, 0), correction(1, 8, 3, 0)]);

    let hold = meter.let_in(&cost, &ruling(&[Some(7), Some(8), None]));
    hold.settle().unwrap().come_to(&Cost { bytes_in: 9, ..Cost::CALL });
    assert_eq!(meter.corrections(), [correction(1, 8, 3, 9)]);
    assert_eq!(meter.corrections(), []);
}

#[test]
fn who_is_asked_call_by_call_is_left_alone_while_a_limit_is_used_up() {
    let tried = Limit { effect: Effect::Shadow, ..quota(5) };
    let meter = shared(Strategy::Strict, &[tried, quota(10)]);
    meter.granted(0, NOW, NOW, granted(0));
    check(&meter, "?");
    meter.granted(1, NOW, NOW, granted(0));
    check(&meter, "x");
    meter.told(1, 4, NOW + 1);
    assert_eq!(meter.state(NOW).nth(1).unwrap().remaining, 4);
}
