//! Which parts does a gateway go by, told or not?

use std::time::Duration;

use throttle::{Cost, Limit, MeterConfig, OnFailure, Rate, Sharing, Strategy};
use tokio::sync::mpsc::{Receiver, channel};
use turnpike_proto::config::v1::ShareRequest;

use super::*;

const NOW_US: u64 = 1_700_000_000_000_000;
const SECOND_US: u64 = 1_000_000;

/// A gateway of four that splits 100 a second, and its control plane.
struct Ground {
    parts: Parts,
    said: Receiver<ShareRequest>,
    meter: Arc<Meter>,
}

impl Ground {
    fn new() -> Self {
        let (out, said) = channel(64);
        let limit = Measure::Rate(Rate::new(100, Duration::from_secs(1)).unwrap());
        let sharing = Sharing { strategy: Strategy::Split, on_failure: OnFailure::Local };
        let config = MeterConfig::new(&[Limit::of_calls(limit)]).unwrap().shared(sharing);
        let meter = Arc::new(Meter::named(config, || Subject([7; 16])));
        let mut ground = Self { parts: Parts::new(Handle::to(out)), said, meter };
        assert!(ground.meter.joins() && !ground.meter.joins());
        ground.parts.join(NOW_US, Arc::clone(&ground.meter), 4);
        ground
    }

    fn told(&mut self, after_us: u64, report: u64, part: u64) {
        let parts = vec![LimitPart { counter: vec![7; 16], index: 0, part }];
        let told = LimitParts { report, parts, ends_us: 5 * SECOND_US, kept_us: 60 * SECOND_US };
        self.parts.told(NOW_US + after_us, &told);
    }

    /// The latest report: its number, demand and part.
    fn said(&mut self) -> Option<(u64, u64, u64)> {
        let mut latest = None;
        while let Ok(ShareRequest { message: Some(Message::Reports(reports)) }) =
            self.said.try_recv()
        {
            latest = reports.limits.first().map(|it| (reports.report, it.demand, it.part));
        }
        latest
    }

    /// How many calls pass at once so long after the start.
    #[track_caller]
    fn check(&self, after_us: u64, expected: u64) {
        let passed = (0..200).filter(|_| {
            let hold = self.meter.hold(NOW_US + after_us, &Cost::CALL);
            hold.is_ok_and(|hold| {
                let _ = hold.settle();
                true
            })
        });
        assert_eq!(passed.count() as u64, expected);
    }
}

#[test]
fn a_gateway_begins_by_heads_and_goes_by_what_it_is_told() {
    let mut ground = Ground::new();
    assert_eq!(ground.said(), Some((1, 1, 25)));
    ground.check(1_000, 25);
    ground.told(2_000, 1, 60);
    assert_eq!(ground.said(), None);
    ground.check(4 * SECOND_US, 60);
    ground.parts.look_after(NOW_US + 4 * SECOND_US, 4);
    assert_eq!(ground.said(), Some((2, 100, 60)));
    // Less is told back at once: others wait for it.
    ground.told(4 * SECOND_US + 1_000, 2, 10);
    assert_eq!(ground.said(), Some((3, 100, 10)));
    ground.check(30 * SECOND_US, 10);
}

#[test]
fn who_is_cut_off_goes_by_less_and_then_by_heads() {
    let part_after = |told: u64, seconds: u64| {
        let mut ground = Ground::new();
        ground.told(1_000, 1, told);
        ground.parts.closed();
        ground.parts.look_after(NOW_US + seconds * SECOND_US, 4);
        ground.said().map(|(_, _, part)| part)
    };
    assert_eq!(part_after(60, 4), Some(60));
    assert_eq!(part_after(60, 6), Some(25));
    assert_eq!(part_after(10, 6), Some(10));
    assert_eq!(part_after(10, 59), Some(10));
}

#[test]
fn who_had_no_call_for_long_takes_no_part() {
    let mut ground = Ground::new();
    ground.told(1_000, 1, 60);
    ground.parts.look_after(NOW_US + 61 * SECOND_US, 4);
    assert_eq!(ground.said(), Some((2, 0, 0)));
    assert!(ground.meter.joins());
}
