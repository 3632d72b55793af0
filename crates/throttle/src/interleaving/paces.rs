//! A pace that gateways share, also while it is changed to another one.

use std::time::Duration;

use proptest::prelude::*;

use super::ground::{Event, Ground, MS};
use crate::hands::KEPT_US;
use crate::{Measure, Rate};

const SECOND: u64 = 1_000 * MS;
const MOST_GATEWAYS: usize = 4;

fn rate((amount, per_ms): (u64, u64)) -> Rate {
    Rate::new(amount, Duration::from_millis(per_ms)).unwrap()
}

/// The most calls at once that explain those that were let in from then on: no more than the pace has.
fn most_at_once(ground: &Ground, rate: Rate, from_us: u64) -> u64 {
    let increment = rate.per_us() / rate.amount();
    let mut theoretical = 0;
    let mut most = 0;
    for at in ground.admitted().filter(|at| *at >= from_us) {
        theoretical = theoretical.max(at) + increment;
        most = most.max((theoretical - at).div_ceil(increment));
    }
    most
}

/// Lets all of it happen to gateways that share a pace which becomes these ones. Never more is let in than by the
/// widest of them, and none but the last counts when all have heard of it and the hands of before are over.
fn check(
    paces: &[(u64, u64)],
    gateways: usize,
    events: &[(usize, Event)],
) -> Result<(), TestCaseError> {
    let rates: Vec<_> = paces.iter().map(|pace| rate(*pace)).collect();
    let measures: Vec<_> = rates.iter().map(|rate| Measure::Rate(*rate)).collect();
    let mut ground = Ground::new(&measures, gateways);
    for (at, event) in events {
        ground.happens(*at, *event);
    }
    let widest = rates.iter().min_by_key(|rate| rate.increment_ns()).unwrap();
    let most = most_at_once(&ground, *widest, 0);
    prop_assert!(most <= widest.amount(), "{most} at once");
    if let (Some(last), Some(settled_us)) = (rates.last(), ground.settled_us) {
        let most = most_at_once(&ground, *last, settled_us + KEPT_US);
        prop_assert!(most <= last.amount(), "{most} at once in the end");
    }
    Ok(())
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        8 => (0..60_000_u64).prop_map(Event::Wait),
        1 => (400_000..1_200_000_u64).prop_map(Event::Wait),
        1 => (2_300_000..3_200_000_u64).prop_map(Event::Wait),
        8 => (1..12_u64).prop_map(Event::Calls),
        1 => Just(Event::Undone),
        6 => Just(Event::Ask(1)),
        2 => (1..60_u64).prop_map(Event::Ask),
        10 => Just(Event::Heard),
        10 => Just(Event::Answered),
        8 => (1..12_u64).prop_map(Event::Served),
        2 => Just(Event::Idle),
        1 => Just(Event::All),
        1 => Just(Event::Broken),
        1 => Just(Event::TooLate),
        1 => Just(Event::Killed),
        1 => Just(Event::Changed),
        2 => (1..12_u64).prop_map(Event::LateCalls),
        1 => Just(Event::LateAsk),
    ];
    let events = prop::collection::vec((0..MOST_GATEWAYS, event), 1..200);
    // The clock of one of them is set back once, by no more than may be.
    let set_back = prop::option::of((0..200_usize, 0..MOST_GATEWAYS, 1..200 * MS));
    (events, set_back).prop_map(|(mut events, set_back)| {
        if let Some((when, who, us)) = set_back {
            events.insert(when.min(events.len()), (who, Event::SetBack(us)));
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_pace_is_never_exceeded(
        pace in prop::sample::select(vec![(20, 1_000), (5, 100), (2, 1_000), (100, 500)]),
        gateways in 1..=MOST_GATEWAYS,
        events in events(),
    ) {
        check(&[pace], gateways, &events)?;
    }

    #[test]
    fn a_pace_that_is_changed_is_never_exceeded(
        (narrow, wide) in prop::sample::select(vec![
            ((5, 1_000), (20, 1_000)),
            ((5, 100), (100, 500)),
            ((2, 1_000), (100, 1_000)),
            ((20, 2_000), (20, 500)),
        ]),
        wides in prop::sample::select(vec![[false, true, false], [true, false, true]]),
        changes in 2..=3_usize,
        gateways in 1..=MOST_GATEWAYS,
        events in events(),
    ) {
        let paces = wides.map(|is_wide| if is_wide { wide } else { narrow });
        check(&paces[..changes], gateways, &events)?;
    }
}

/// A gateway asks for so many, and hears what it is given.
fn asks(at: usize, needed: u64) -> [(usize, Event); 3] {
    [(at, Event::Ask(needed)), (at, Event::Heard), (at, Event::Answered)]
}

/// Half of a pace is in hand when it becomes much narrower, and is kept there by asking again and again.
#[test]
fn a_hand_becomes_as_much_smaller_as_its_pace_becomes_narrower() {
    let mut events = vec![(0, Event::Calls(60))];
    events.extend(asks(0, 60));
    events.push((0, Event::Changed));
    for _ in 0..4 {
        events.extend(asks(0, 60));
        events.push((0, Event::Wait(SECOND)));
    }
    events.push((0, Event::Calls(60)));
    check(&[(100, 500), (5, 100)], 1, &events).unwrap();
}

/// A pace is used up, and the next unit is given ahead of its time, when it becomes four times as quick.
#[test]
fn what_is_given_ahead_of_its_time_is_waited_for_at_the_next_pace() {
    let mut events = vec![(0, Event::Served(40))];
    events.extend([(0, Event::Changed), (1, Event::Changed)]);
    for _ in 0..8 {
        events.extend([(1, Event::Served(2)), (0, Event::Wait(25 * MS))]);
        events.extend([(0, Event::Calls(1)), (1, Event::Calls(1))]);
    }
    check(&[(20, 2_000), (20, 500)], 2, &events).unwrap();
}
