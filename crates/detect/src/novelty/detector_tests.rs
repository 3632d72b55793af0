//! What stands out in series whose story is known?

use super::*;

const MINUTE: i64 = 60;

/// A day like any other: more calls by day than by night, and a little noise that is always the same.
fn usual(minute: i64) -> f64 {
    let of_day = f64::from(i32::try_from(minute.rem_euclid(1440)).unwrap()) / 1440.0;
    let noise = f64::from(i32::try_from((minute * 7919).rem_euclid(101)).unwrap()) / 101.0;
    500.0 - 300.0 * (of_day * std::f64::consts::TAU).cos() + 20.0 * noise
}

/// Six usual days, then `strange` of each minute of the seventh: the first novelty, in minutes of that
/// day, and its sign.
#[track_caller]
fn check(strange: impl Fn(i64) -> f64, expected: Option<(std::ops::Range<i64>, Sign)>) {
    let mut novelty = Novelty::new();
    let mut found = None;
    for minute in 0..7 * 1440 {
        let of_last = minute - 6 * 1440;
        let value = if of_last < 0 { usual(minute) } else { strange(of_last) };
        let seen = novelty.see(minute * MINUTE, value);
        if of_last >= 0 && found.is_none() && seen.score >= 0.5 {
            found = Some((of_last, seen.sign));
        }
    }
    match (found, expected) {
        (None, None) => {}
        (Some((at, sign)), Some((when, wanted))) if when.contains(&at) && sign == wanted => {}
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn a_day_like_any_other_is_no_novelty() {
    check(usual, None);
}

#[test]
fn a_peak_beyond_everything_is_seen_at_once() {
    let peak = |minute| if minute == 600 { 1600.0 } else { usual(minute) };
    check(peak, Some((600..601, Sign::Range)));
}

#[test]
fn silence_by_day_is_seen_at_once() {
    let silent = |minute| if minute >= 700 { 0.0 } else { usual(minute) };
    check(silent, Some((700..701, Sign::Season)));
}

#[test]
fn what_is_usual_by_day_is_strange_by_night() {
    let busy = |minute| if (60..120).contains(&minute) { 700.0 } else { usual(minute) };
    check(busy, Some((60..61, Sign::Season)));
}

#[test]
fn what_is_no_number_says_nothing_and_harms_nothing() {
    let mut novelty = Novelty::new();
    for minute in 0..3000 {
        let value = match minute % 50 {
            0 => f64::NAN,
            1 => f64::INFINITY,
            _ => usual(minute),
        };
        let seen = novelty.see(minute * MINUTE, value);
        assert!(seen.score.is_finite());
        assert!(minute % 50 > 1 || seen.score == 0.0);
    }
    let seen = novelty.see(3000 * MINUTE, -f64::MAX);
    assert!(seen.score >= 0.5 && seen.score <= 1.0, "{seen:?}");
}

#[test]
fn a_series_that_never_moves_has_nothing_to_tell_until_it_does() {
    let mut novelty = Novelty::new();
    for minute in 0..1000 {
        assert!(novelty.see(minute * MINUTE, 7.0).score < 0.5, "{minute}");
    }
    assert!(novelty.see(1000 * MINUTE, 8.0).score >= 0.5);
}
