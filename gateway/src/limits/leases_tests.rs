//! What is said to the control plane, and what becomes of its answers?

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use throttle::{
    Authority, Cost, Limit, Measure, MeterConfig, OnFailure, Quota, Refused, Sharing, Span,
    Strategy, Subject,
};
use tokio::sync::mpsc::{Receiver, channel};
use turnpike_proto::config::v1::{LimitAnswer, ShareRequest};

use super::*;

const NOW_US: u64 = 1_700_000_000_000_000;

/// The leases of a gateway, its control plane, and a meter of 100 an hour.
struct Ground {
    leases: Leases,
    said: Receiver<ShareRequest>,
    meter: Arc<Meter>,
}

impl Ground {
    fn new() -> Self {
        let (out, said) = channel(16);
        let quota = Quota::new(100, Span::fixed(Duration::from_hours(1)).unwrap()).unwrap();
        let limit = Limit::of_calls(Measure::Quota(quota));
        let strategy = Strategy::Lease(Authority::ControlPlane);
        let sharing = Sharing { strategy, on_failure: OnFailure::Closed };
        let config = MeterConfig::new(&[limit]).unwrap().shared(sharing);
        let meter = Arc::new(Meter::named(config, || Subject([7; 16])));
        Self { leases: Leases::new(Handle::to(out)), said, meter }
    }

    /// A call that finds nothing in hand.
    fn ask(&self, now_us: u64) -> Ask {
        let short = self.meter.hold(now_us, &Cost::CALL);
        assert!(matches!(short, Err(Refused::Short { index: 0 })), "{short:?}");
        let wanted = self.meter.asks(0, now_us, 1).expect("nobody asks");
        Ask::portion(Arc::clone(&self.meter), 0, wanted, now_us)
    }

    fn answer(&mut self, now_us: u64, answer: LimitAnswer) {
        self.leases.answered(now_us, &LimitAnswers { answers: vec![answer] });
    }

    /// What was said last, in short.
    fn said(&mut self) -> String {
        match self.said.try_recv().map(|request| request.message) {
            Ok(Some(Message::Asks(asks))) => {
                let said = asks.asks.iter();
                let said = said.map(|ask| format!("ask {} +{}", ask.wanted, ask.owed));
                said.collect::<Vec<_>>().join(", ")
            }
            Ok(Some(Message::Returns(returns))) => {
                let said = returns.returns.iter();
                let said = said.map(|it| format!("{} of {} back", it.units, it.place));
                said.collect::<Vec<_>>().join(", ")
            }
            Ok(other) => format!("{other:?}"),
            Err(_) => "nothing".to_owned(),
        }
    }

    /// Whether somebody who waits has been told: `None`: not yet.
    fn told(&self, seen: throttle::Seen) -> Option<bool> {
        match self.meter.poll_answer(seen, &Context::from_waker(Waker::noop())) {
            Poll::Ready(told) => Some(told),
            Poll::Pending => None,
        }
    }
}

const fn units(units: u64) -> LimitAnswer {
    LimitAnswer {
        ask: 1,
        units,
        left: 90,
        place: 5,
        ends_us: 3_000_000_000,
        again_us: 0,
        uncounted: false,
        last_us: 0,
        begins_us: 0,
    }
}

#[test]
fn what_is_given_is_used_and_the_rest_goes_back() {
    let mut ground = Ground::new();
    let seen = ground.meter.seen();
    let ask = ground.ask(NOW_US);
    ground.leases.ask(NOW_US, vec![ask]);
    assert_eq!((ground.said(), ground.told(seen)), ("ask 1 +0".to_owned(), None));
    ground.answer(NOW_US + 500, units(10));
    assert_eq!(ground.told(seen), Some(true));
    let _ = ground.meter.hold(NOW_US + 600, &Cost::CALL).expect("a unit").settle();
    ground.leases.look_after(NOW_US + 700);
    assert_eq!(ground.said(), "nothing");
    ground.leases.look_after(NOW_US + 2_000_000);
    assert_eq!(ground.said(), "8 of 5 back", "one stays for the next call");
    ground.leases.look_after(NOW_US + 4_000_000);
    assert_eq!(ground.said(), "1 of 5 back", "which has not come");
    ground.leases.look_after(NOW_US + 6_000_000);
    assert_eq!(ground.said(), "nothing");
}

#[test]
fn a_window_that_begins_is_asked_about_before_its_first_call() {
    let mut ground = Ground::new();
    let ask = ground.ask(NOW_US);
    ground.leases.ask(NOW_US, vec![ask]);
    ground.answer(NOW_US + 500, LimitAnswer { ends_us: 300_000, ..units(10) });
    ground.said();
    let _ = ground.meter.hold(NOW_US + 250_000, &Cost::CALL).expect("a unit").settle();
    let wait_us = ground.leases.look_after(NOW_US + 260_000);
    assert_eq!((wait_us, ground.said().as_str()), (41_000, "nothing"), "it ends then");
    ground.leases.look_after(NOW_US + 301_000);
    // One call in three tenths of a second: so many in a second.
    assert_eq!(ground.said(), "ask 3 +0");
    ground.leases.look_after(NOW_US + 350_000);
    assert_eq!(ground.said(), "nothing");
}

#[test]
fn the_end_of_a_gateway_gives_everything_back() {
    let mut ground = Ground::new();
    let ask = ground.ask(NOW_US);
    ground.leases.ask(NOW_US, vec![ask]);
    ground.answer(NOW_US + 500, units(10));
    ground.said();
    ground.leases.finish(NOW_US + 600);
    assert_eq!(ground.said(), "10 of 5 back");
}

#[test]
fn who_waits_is_told_when_nobody_will_answer() {
    let fails = |fail: fn(&mut Ground)| {
        let mut ground = Ground::new();
        let seen = ground.meter.seen();
        let ask = ground.ask(NOW_US);
        ground.leases.ask(NOW_US, vec![ask]);
        fail(&mut ground);
        assert_eq!(ground.told(seen), Some(false));
        // And the next one asks anew.
        drop(ground.ask(NOW_US + 2_000_000));
    };
    fails(|ground| ground.leases.closed());
    fails(|ground| {
        ground.leases.look_after(NOW_US + PATIENCE_US + 1);
    });
    fails(|ground| ground.answer(NOW_US, LimitAnswer { uncounted: true, ..units(0) }));
    let mut ground = Ground::new();
    let (seen, ask) = (ground.meter.seen(), ground.ask(NOW_US));
    ground.said.close();
    ground.leases.ask(NOW_US, vec![ask]);
    assert_eq!(ground.told(seen), Some(false));
}

#[test]
fn who_does_not_answer_is_only_tried() {
    let mut ground = Ground::new();
    let mut said = Vec::new();
    for tenth in 0..20 {
        let now_us = NOW_US + tenth * 100_000;
        let ask = Ask::portion(
            Arc::clone(&ground.meter),
            0,
            throttle::Wanted { units: 1, ..throttle::Wanted::default() },
            now_us,
        );
        ground.leases.ask(now_us, vec![ask]);
        said.push(u8::from(ground.said() != "nothing"));
    }
    assert_eq!(said, [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
}
