//! What is a limit called towards the control plane?

use throttle::{Back, Granted, Limit, Measure, Period, Subject, Unit};
use turnpike_proto::config::v1::shared_limit::{Counted, Window};
use turnpike_proto::config::v1::{LimitAnswer, LimitReturn, SharedLimit};

/// The limit at `index` of the counter `name`.
pub(super) fn shared_limit(name: Subject, index: usize, limit: &Limit) -> SharedLimit {
    let (window, per_us, utc_offset_minutes) = window(limit.measure);
    SharedLimit {
        counter: name.0.to_vec(),
        // There are four at most.
        index: u32::try_from(index).unwrap_or(u32::MAX),
        amount: limit.amount(),
        window: window.into(),
        per_us,
        utc_offset_minutes,
        counted: counted(limit.unit).into(),
    }
}

/// Units that go back now.
pub(super) fn returned(limit: SharedLimit, back: Back, now_us: u64) -> LimitReturn {
    let Back { place, granted_us, units } = back;
    let age_us = now_us.saturating_sub(granted_us);
    LimitReturn { limit: Some(limit), place, age_us, units }
}

/// What an answer gives; none: nobody can count it.
pub(super) fn granted(answer: &LimitAnswer) -> Option<Granted> {
    let LimitAnswer { units, left, place, ends_us, again_us, last_us, begins_us, .. } = *answer;
    let granted = Granted { units, left, place, begins_us, ends_us, again_us, last_us };
    (!answer.uncounted).then_some(granted)
}

fn window(measure: Measure) -> (Window, u64, i32) {
    let span = match measure {
        Measure::Rate(rate) => return (Window::Pace, rate.per_us(), 0),
        Measure::Quota(quota) => quota.span(),
    };
    let Some((period, offset_minutes)) = span.period() else {
        let window = if span.is_rolling() { Window::Rolling } else { Window::Fixed };
        return (window, span.longest_us(), 0);
    };
    let window = match period {
        Period::Day => Window::Day,
        Period::Week => Window::Week,
        Period::Month => Window::Month,
        Period::Year => Window::Year,
    };
    (window, 0, i32::from(offset_minutes))
}

const fn counted(unit: Unit) -> Counted {
    match unit {
        Unit::Requests => Counted::Requests,
        Unit::BytesIn => Counted::BytesIn,
        Unit::BytesOut => Counted::BytesOut,
        Unit::Bytes => Counted::Bytes,
        Unit::Events => Counted::Events,
        Unit::Cost => Counted::Cost,
    }
}
