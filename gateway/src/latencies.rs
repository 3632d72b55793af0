//! How long did calls take, closely enough to compare gateways with each other?
//!
//! Sixteen spans per doubling, so that two calls in one span differ by a sixteenth at most. Like all
//! cells these are written by one worker, without a lock.

use crate::cell::Cell;

/// Spans per doubling, as a power of two.
const BITS: u32 = 4;
/// Longer than an hour is as long as an hour.
const LONGEST_US: u64 = u32::MAX as u64;
const SPANS: usize = 464;

/// Calls by how long they took.
#[derive(Debug)]
pub struct Latencies([Cell; SPANS]);

impl Default for Latencies {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Cell::default()))
    }
}

impl Latencies {
    /// Counts one call.
    pub fn add(&self, span_us: u64) {
        if let Some(cell) = self.0.get(place(span_us)) {
            cell.add(1);
        }
    }

    /// Up to how many microseconds how many calls took, in order; spans without calls too.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().enumerate().map(|(place, cell)| (up_to_us(place), cell.get()))
    }
}

/// The number of the span that a time belongs to.
fn place(span_us: u64) -> usize {
    let span_us = span_us.min(LONGEST_US);
    // Below sixteen every microsecond has its own.
    let doubling = span_us.checked_ilog2().unwrap_or(0).saturating_sub(BITS);
    let within = span_us >> doubling;
    usize::try_from((u64::from(doubling) << BITS) + within).unwrap_or(SPANS)
}

/// The longest time that belongs to a span.
fn up_to_us(place: usize) -> u64 {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    let Some(doubling) = (place >> BITS).checked_sub(1) else { return place };
    let within = (1 << BITS) + (place & ((1 << BITS) - 1));
    ((within + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up to how long calls took that are counted with one of `span_us`.
    #[track_caller]
    fn check(span_us: u64, expected: u64) {
        let latencies = Latencies::default();
        latencies.add(span_us);
        let counted: Vec<_> = latencies.spans().filter(|(_, calls)| *calls > 0).collect();
        assert_eq!(counted, [(expected, 1)]);
    }

    #[test]
    fn short_calls_are_told_apart_by_the_microsecond() {
        check(0, 0);
        check(15, 15);
        check(31, 31);
    }

    #[test]
    fn longer_calls_are_told_apart_by_a_sixteenth() {
        check(32, 33);
        check(33, 33);
        check(1000, 1023);
        check(1024, 1087);
        check(1_000_000, 1_015_807);
    }

    #[test]
    fn a_call_of_many_hours_is_counted() {
        check(u64::MAX, u64::from(u32::MAX));
    }

    #[test]
    fn no_span_is_shorter_than_the_one_before() {
        let bounds: Vec<u64> = Latencies::default().spans().map(|(up_to, _)| up_to).collect();
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(bounds.last(), Some(&u64::from(u32::MAX)));
    }
}
