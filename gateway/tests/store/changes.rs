//! How much does a Redis let in while gateways hear one by one that a pace is another one?

use std::time::Duration;

use chassis::clock::Clock;
use gateway::limits::store::{Mode, Of, Verdict};
use throttle::{Cost, Limit, Measure, Rate, Subject};

use crate::ground::{Ground, run};
use crate::redis::{Redis, is_installed};

fn limit((amount, seconds): (u64, u64)) -> [Limit; 1] {
    let rate = Rate::new(amount, Duration::from_secs(seconds)).unwrap();
    [Limit::of_calls(Measure::Rate(rate))]
}

/// Calls at once by two gateways in turns, one of which goes by the pace before the change and the other one by the
/// pace after it. So many are let in as the wider pace has at once, and none twice.
async fn check(ground: &Ground, subject: u8, one: (u64, u64), other: (u64, u64), expected: u64) {
    let limits = [limit(one), limit(other)];
    let (mut connection, mut admitted) = (ground.connection().await, 0);
    for number in 0..4 * expected {
        let limits = if number.is_multiple_of(2) { &limits[0] } else { &limits[1] };
        let now_us = u64::try_from(Clock::system().unix_us()).unwrap();
        let of = Of { subject: Subject([subject; 16]), limits, now_us };
        let said = ground.counters.take(&mut connection, of, &Cost::CALL).await.unwrap();
        admitted += u64::from(matches!(said.verdict, Verdict::Taken(_)));
    }
    assert_eq!(admitted, expected, "{one:?} and {other:?}");
}

#[test]
fn a_pace_that_gateways_disagree_about_is_the_wider_one_at_most() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    run(async {
        let ground = Ground::new(Mode::Single, vec![server.url()]);
        // A unit takes minutes to come back.
        check(&ground, 1, (20, 36_000), (2, 36_000), 20).await;
        check(&ground, 2, (2, 36_000), (20, 36_000), 20).await;
        check(&ground, 3, (100, 72_000), (5, 36_000), 100).await;
    });
}
