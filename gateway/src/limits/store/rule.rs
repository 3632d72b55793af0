//! How is a limit written for the script that counts it?
//!
//! See `counter/fields.lua` for the arguments. Its numbers are whole below 2^53; what is larger is written as
//! that, which is never more than the limit says.

use redis::Cmd;
use throttle::{Borders, Cost, Effect, Limit, Measure, Period, Rate, Unit};

/// The largest whole number of the engine's scripts.
pub(super) const MOST: u64 = (1 << 53) - 1;

/// Writes the limit at `index` of a meter; `now_us` is this gateway's time.
pub(super) fn write(command: &mut Cmd, limits: &[Limit], index: usize, now_us: u64) {
    let Some(limit) = limits.get(index) else { return };
    command.arg(name(limits, index, limit).as_slice());
    let (rule, numbers) = match limit.measure {
        Measure::Rate(rate) => pace(rate),
        Measure::Quota(quota) => stretch(quota.span().borders(now_us)),
    };
    command.arg(rule).arg(limit.amount().min(MOST));
    command.arg(match limit.effect {
        Effect::Refuse => 0,
        Effect::Mark => 1,
        Effect::Shadow => 2,
    });
    for number in numbers {
        command.arg(number.min(MOST));
    }
}

/// How many units a call has of what the limit counts.
pub(super) fn units(limit: &Limit, cost: &Cost) -> u64 {
    cost.of(limit.unit).min(MOST)
}

/// What the limit's fields begin with: a limit that takes the place of another of its kind goes on with
/// what that one has counted, as a meter under new limits does.
fn name(limits: &[Limit], index: usize, limit: &Limit) -> [u8; 3] {
    let alike = |other: &&Limit| other.unit == limit.unit && other.is_rate() == limit.is_rate();
    let before = limits.iter().take(index).filter(alike).count();
    let unit = match limit.unit {
        Unit::Requests => b'r',
        Unit::BytesIn => b'i',
        Unit::BytesOut => b'o',
        Unit::Bytes => b'b',
        Unit::Events => b'e',
        Unit::Cost => b'c',
    };
    let place = u8::try_from(before).unwrap_or(u8::MAX).min(9);
    [unit, if limit.is_rate() { b'p' } else { b'q' }, b'0' + place]
}

fn pace(rate: Rate) -> (String, [u64; 4]) {
    let (increment, full) = (rate.increment_ns(), rate.full_ns());
    let numbers = [increment / 1_000, increment % 1_000, full / 1_000, full % 1_000];
    let [us, ns, ..] = numbers;
    (format!("p{us}.{ns}.{}", rate.amount()), numbers)
}

fn stretch(borders: Borders) -> (String, [u64; 4]) {
    match borders {
        Borders::Fixed { per_us } => (format!("f{per_us}"), [per_us, 0, 0, 0]),
        Borders::Rolling { slot_us } => (format!("r{slot_us}"), [slot_us, 0, 0, 0]),
        Borders::Calendar { period, offset_minutes, ends_us: [last, this, next] } => {
            let period = match period {
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
                Period::Year => "year",
            };
            (format!("c{period}{offset_minutes}"), [last, this, next, 0])
        }
    }
}

/// Where a limit counted something, as the script names it: windows by their ends.
pub(super) fn place_for_script(limit: &Limit, number: u64) -> u64 {
    match limit.measure {
        Measure::Quota(quota) if !quota.span().is_rolling() => quota.span().end_us(number),
        Measure::Quota(_) | Measure::Rate(_) => number,
    }
}

/// The same, as a meter names it: windows by their numbers.
pub(super) fn place_for_meter(limit: &Limit, named: u64) -> u64 {
    match limit.measure {
        Measure::Quota(quota) if !quota.span().is_rolling() => {
            quota.span().number(named.saturating_sub(1))
        }
        Measure::Quota(_) | Measure::Rate(_) => named,
    }
}
