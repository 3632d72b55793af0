//! How are tens of thousands of things made, when one thread would take long?
//!
//! A gateway that starts, or gets a first state, compiles everything at once and does little else
//! meanwhile. Changes are small and stay on their own thread.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{self, Builder, ScopedJoinHandle};

/// Fewer are made faster than threads are started, and lie closer together in memory.
const MANY: usize = 10_000;
/// Others may have work to do as well.
const MOST_THREADS: usize = 4;

/// What `make` makes of each of `things`, in their order.
pub(crate) fn made<T: Sync, R: Send>(things: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let all = |things: &[T]| -> Vec<R> { things.iter().map(&make).collect() };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    if things.len() < MANY || cores == 1 {
        return all(things);
    }
    let part = things.len().div_ceil(cores.min(MOST_THREADS));
    thread::scope(|scope| {
        let (first, others) = things.split_at(part);
        let others: Vec<_> = others
            .chunks(part)
            .map(|part| (part, Builder::new().spawn_scoped(scope, || all(part))))
            .collect();
        let mut made = all(first);
        for (part, thread) in others {
            // Where the system has no thread to give, it is made here.
            let joined = thread.map_or_else(|_| Ok(all(part)), ScopedJoinHandle::join);
            made.extend(joined.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_made_in_their_order_however_many_they_are() {
        for count in [0, 1, MANY - 1, MANY, 3 * MANY + 1] {
            let things: Vec<usize> = (0..count).collect();
            assert_eq!(made(&things, |thing| thing + 1), (1..=count).collect::<Vec<_>>());
        }
    }
}
