//! What does it take to count a call that has four limits?
//!
//! `cargo bench -p throttle --bench calls`: calls of a thousand subscriptions and as many applications, each with a
//! quota and a burst, as a gateway asks them: the room of both is taken, they say how full they are, and the call
//! is settled. Counted by this process alone, and out of units that an authority has given.
//!
//! Times depend on the machine; instructions do not. `valgrind --tool=callgrind PROGRAM --bench` counts them, and
//! with `--bench 0` those of the rest, which are to be taken off.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use throttle::{
    Authority, Cost, Granted, Limit, Measure, Meter, MeterConfig, OnFailure, Quota, Rate, Sharing,
    Span, Strategy, Subject,
};

const KEYS: usize = 1_000;
const CALLS: usize = 1_000_000;
const NOW_US: u64 = 1_800_000_000_000_000;
/// Between two calls.
const STEP_US: u64 = 33;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    // As a test it only shows that it runs.
    let is_bench = arguments.any(|argument| argument == "--bench");
    let wanted = arguments.next().and_then(|number| number.parse().ok());
    let calls = if is_bench { wanted.unwrap_or(CALLS) } else { KEYS };
    let lease = Strategy::Lease(Authority::ControlPlane);
    for (what, strategy) in [("each gateway", Strategy::InProcess), ("leases", lease)] {
        let Some(meters) = meters(strategy) else { return ExitCode::FAILURE };
        let (refused, passed) = count(&meters, calls);
        let each = passed.as_nanos() / u128::try_from(calls.max(1)).unwrap_or(1);
        eprintln!("{what}: {each} ns a call, {refused} of {calls} refused");
        if refused > 0 {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A meter of each subscription and of each application, with units in hand where they are leased.
fn meters(strategy: Strategy) -> Option<Vec<[Arc<Meter>; 2]>> {
    let span = Span::fixed(Duration::from_hours(1)).ok()?;
    let quota = Limit::of_calls(Measure::Quota(Quota::new(1_000_000_000, span).ok()?));
    let burst = Rate::new(1_000_000, Duration::from_secs(1)).ok()?;
    let burst = Limit::of_calls(Measure::Rate(burst));
    let sharing = Sharing { strategy, on_failure: OnFailure::Local };
    let config = MeterConfig::new(&[quota, burst]).ok()?.shared(sharing);
    let meter = |number: usize| {
        let name = || Subject(u128::try_from(number).unwrap_or(0).to_be_bytes());
        let meter = Arc::new(Meter::named(config.clone(), name));
        for index in 0..2 {
            if meter.asks(index, NOW_US, 1).is_some() {
                let units = 1_000_000_000;
                let granted =
                    Granted { units, left: units, ends_us: u64::MAX / 4, ..Granted::NOTHING };
                // Nothing was in hand that this could displace.
                let _ = meter.granted(index, NOW_US, NOW_US, granted);
            }
        }
        meter
    };
    Some((0..KEYS).map(|number| [meter(2 * number), meter(2 * number + 1)]).collect())
}

/// How many calls were refused, and how long all of them took.
fn count(meters: &[[Arc<Meter>; 2]], calls: usize) -> (usize, Duration) {
    #[expect(clippy::disallowed_methods, reason = "how long something takes is what is asked")]
    let begun = Instant::now();
    let (mut refused, mut now_us) = (0, NOW_US);
    for both in meters.iter().cycle().take(calls) {
        now_us += STEP_US;
        refused += usize::from(!is_let_in(both, now_us));
    }
    (refused, begun.elapsed())
}

fn is_let_in(both: &[Arc<Meter>; 2], now_us: u64) -> bool {
    let holds = both.each_ref().map(|meter| {
        let held = meter.hold(now_us, &Cost::CALL);
        black_box(meter.low(now_us));
        held
    });
    for state in both.iter().flat_map(|meter| meter.state(now_us)) {
        black_box(state);
    }
    let [one, other] = holds;
    let (Ok(one), Ok(other)) = (one, other) else { return false };
    drop(black_box([one.settle(), other.settle()]));
    true
}
