//! What does a gateway say that a limit is?

use std::time::Duration;

use throttle::{Back, Measure, Period, Quota, Rate, Span, Subject, Unit};
use turnpike_proto::config::v1::shared_limit::{Counted, Window};
use turnpike_proto::config::v1::{LimitReturn, SharedLimit};

use super::authority::Key;

/// A counter has no more limits than a tier may have.
const MOST_LIMITS: u32 = 4;

/// The counter and what it counts up to; none where this version knows no such limit.
pub(super) fn limit(limit: &SharedLimit) -> Option<(Key, Measure)> {
    let key = Key {
        counter: Subject(limit.counter.as_slice().try_into().ok()?),
        index: Some(limit.index).filter(|index| *index < MOST_LIMITS)?,
        unit: unit(Counted::try_from(limit.counted).ok()?),
    };
    let per = Duration::from_micros(limit.per_us);
    let calendar =
        |period| Span::calendar(period, i16::try_from(limit.utc_offset_minutes).ok()?).ok();
    let span = match Window::try_from(limit.window).ok()? {
        Window::Pace => {
            return Some((key, Measure::Rate(Rate::new(limit.amount, per).ok()?)));
        }
        Window::Fixed => Span::fixed(per).ok(),
        Window::Rolling => Span::rolling(per).ok(),
        Window::Day => calendar(Period::Day),
        Window::Week => calendar(Period::Week),
        Window::Month => calendar(Period::Month),
        Window::Year => calendar(Period::Year),
    };
    Some((key, Measure::Quota(Quota::new(limit.amount, span?).ok()?)))
}

/// What goes back, said at `now_us`.
pub(super) fn back(returned: &LimitReturn, now_us: u64) -> Option<(Key, Back)> {
    let (key, _) = limit(returned.limit.as_ref()?)?;
    let granted_us = now_us.saturating_sub(returned.age_us);
    Some((key, Back { place: returned.place, granted_us, units: returned.units }))
}

const fn unit(counted: Counted) -> Unit {
    match counted {
        Counted::Requests => Unit::Requests,
        Counted::BytesIn => Unit::BytesIn,
        Counted::BytesOut => Unit::BytesOut,
        Counted::Bytes => Unit::Bytes,
        Counted::Events => Unit::Events,
        Counted::Cost => Unit::Cost,
    }
}
