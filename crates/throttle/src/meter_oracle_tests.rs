//! Meters against simple oracles: whatever calls come, they say what those say.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// In any stretch of time, a pace admits at most its burst and what returned meanwhile.
fn exceeds(admitted: &VecDeque<u64>, requests: u64, per_us: u64) -> bool {
    let times: Vec<u64> = admitted.iter().copied().collect();
    (0..times.len()).any(|from| {
        (from..times.len()).any(|to| {
            let calls = u128::try_from(to - from + 1).unwrap();
            let stretch = u128::from(times[to] - times[from]);
            // calls <= requests + stretch / (per / requests)
            calls * u128::from(per_us) > u128::from(requests) * (u128::from(per_us) + stretch)
        })
    })
}

proptest! {
    /// Settled calls never exceed the pace, however holds that are dropped lie between them.
    #[test]
    fn a_rate_is_never_exceeded(
        requests in 1_u64..6,
        per_ms in 1_u64..50,
        steps in prop::collection::vec((0_u64..20_000, 0_u8..4, 0_usize..4), 1..80),
    ) {
        let meter = meter(&[rate(requests, per_ms)]);
        let (mut now, mut open, mut settled) = (START, Vec::new(), VecDeque::new());
        for (gap, what, which) in steps {
            now += gap;
            if what == 3 && !open.is_empty() {
                drop(open.swap_remove(which % open.len()));
                continue;
            }
            if let Ok(hold) = one(&meter, now) {
                if what == 0 {
                    open.push(hold);
                } else {
                    let _ = hold.settle();
                    settled.push_back(now);
                }
            }
        }
        prop_assert!(!exceeds(&settled, requests, per_ms * 1_000), "{settled:?}");
    }

    /// With nothing dropped, the rate is GCRA to the microsecond.
    #[test]
    fn a_rate_is_gcra(
        requests in 1_u64..9,
        increment_us in 1_u64..5_000,
        gaps in prop::collection::vec(0_u64..10_000, 1..100),
    ) {
        let per_us = (requests * increment_us).max(1_000);
        prop_assume!(per_us % requests == 0);
        let increment = per_us / requests;
        let per = Duration::from_micros(per_us);
        let meter = meter(&[Limit::of_calls(Measure::Rate(Rate::new(requests, per).unwrap()))]);
        let (mut now, mut tat) = (START, 0_u64);
        for gap in gaps {
            now += gap;
            let next = tat.max(now) + increment;
            let fits = next - now <= per_us;
            match one(&meter, now) {
                Ok(hold) => {
                    let _ = hold.settle();
                    prop_assert!(fits);
                    tat = next;
                }
                Err(full) => {
                    prop_assert!(!fits);
                    // Coming again then is enough, and a microsecond earlier is not.
                    prop_assert_eq!(full.retry_after_us, next - now - per_us);
                }
            }
        }
    }

    #[test]
    fn a_quota_counts_its_window(
        requests in 1_u64..6,
        per_ms in 1_u64..50,
        steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..120),
    ) {
        let meter = meter(&[quota(requests, per_ms)]);
        let (mut now, mut window, mut used) = (START, 0_u64, 0_u64);
        for (gap, settles) in steps {
            now += gap;
            if now / (per_ms * 1_000) != window {
                (window, used) = (now / (per_ms * 1_000), 0);
            }
            prop_assert_eq!(remaining(&meter, now), [requests - used]);
            match one(&meter, now) {
                Ok(hold) => {
                    prop_assert!(used < requests);
                    if settles {
                        used += 1;
                        let _ = hold.settle();
                    }
                }
                Err(full) => {
                    prop_assert_eq!(used, requests);
                    let end = (window + 1) * per_ms * 1_000;
                    prop_assert_eq!(full.retry_after_us, end - now);
                }
            }
        }
    }

    /// A rolling quota against a list of everything that was settled: never more in any stretch, and
    /// never less than the sixteenths allow.
    #[test]
    fn a_rolling_quota_counts_sixteenths(
        amount in 1_u64..8,
        sixteenth in 1_u64..40,
        steps in prop::collection::vec((0_u64..60_000, 0_u64..4, any::<bool>()), 1..120),
    ) {
        let sixteenth_us = sixteenth * 1_000;
        let limit = Limit { unit: Unit::Cost, ..rolling(amount, sixteenth * 16) };
        let meter = meter(&[limit]);
        let (mut now, mut settled) = (START, Vec::<(u64, u64)>::new());
        for (gap, cost, settles) in steps {
            now += gap;
            let used: u64 = settled
                .iter()
                .filter(|(at, _)| at / sixteenth_us + 16 >= now / sixteenth_us)
                .map(|(_, cost)| cost)
                .sum();
            prop_assert_eq!(remaining(&meter, now), [amount - used]);
            match held(&meter, now, &Cost { cost, ..Cost::CALL }) {
                Ok(hold) if settles => {
                    let _ = hold.settle();
                    settled.push((now, cost));
                    let stretch = settled.iter().filter(|(at, _)| at + sixteenth_us * 16 > now);
                    prop_assert!(stretch.map(|(_, cost)| cost).sum::<u64>() <= amount);
                }
                Ok(hold) => drop(hold),
                Err(full) => {
                    prop_assert!(used + cost.max(1) > amount);
                    // Coming again then is enough, unless it is more than ever fits.
                    let later = Arc::new(meter.reconfigured(&config(&[Limit { effect: Effect::Mark, ..limit }]), some_name));
                    let hold = later.hold(now + full.retry_after_us, &Cost { cost, ..Cost::CALL });
                    prop_assert!(hold.is_ok_and(|hold| !hold.over_quota()) || cost > amount);
                }
            }
        }
    }

    /// Several limits of several units, held, settled as something else, or dropped: each counter says
    /// what a plain sum says, and a refused call leaves no trace.
    #[test]
    fn several_limits_are_all_or_nothing(
        amounts in prop::array::uniform4(1_u64..30),
        steps in prop::collection::vec(
            (0_u64..400_000, prop::array::uniform3(0_u64..9), prop::array::uniform3(0_u64..9), 0_u8..3),
            1..60,
        ),
    ) {
        let units = [Unit::BytesIn, Unit::BytesOut, Unit::Bytes, Unit::Cost];
        let limits: Vec<_> = units
            .iter()
            .zip(amounts)
            .map(|(unit, amount)| Limit { unit: *unit, ..quota(amount, 1_000) })
            .collect();
        let meter = meter(&limits);
        let (mut now, mut window, mut used) = (START, 0, [0_u64; 4]);
        for (gap, wanted, actual, what) in steps {
            now += gap;
            if now / SECOND != window {
                (window, used) = (now / SECOND, [0; 4]);
            }
            let cost = |[bytes_in, bytes_out, cost]: [u64; 3]| Cost { bytes_in, bytes_out, cost, ..Cost::CALL };
            let fits = units
                .iter()
                .zip(used.iter().zip(amounts))
                .all(|(unit, (used, amount))| used + cost(wanted).of(*unit).max(1) <= amount);
            let hold = meter.hold(now, &cost(wanted));
            prop_assert_eq!(hold.is_ok(), fits);
            let counts = match (hold, what) {
                (Ok(hold), 0) => {
                    let _ = hold.settle();
                    cost(wanted)
                }
                (Ok(hold), 1) => {
                    hold.settle_as(&cost(actual));
                    cost(actual)
                }
                _ => Cost { requests: 0, ..Cost::CALL },
            };
            for (used, unit) in used.iter_mut().zip(units) {
                *used += counts.of(unit);
            }
            let left: Vec<_> =
                used.iter().zip(amounts).map(|(used, amount)| amount.saturating_sub(*used)).collect();
            prop_assert_eq!(remaining(&meter, now), left);
        }
    }
}
