//! Which part of a limit is this gateway's, where gateways share one without asking anybody?
//!
//! As much as its part of the calls of late, so that it does not matter which of them gets the calls; and a
//! little for those that get none, so that they can begin. The parts add up to the limit.

/// What part of what is to be shared goes by heads, in percent; the rest goes by demand.
const BY_HEADS: u128 = 5;

/// The part of `amount` for the gateway at `mine` of those whose `demands` (calls in the latest second,
/// let in or not) are known. Every gateway that knows the same demands in the same order comes to parts
/// that add up to `amount`. 0 where there is no such gateway.
pub fn split(amount: u64, demands: &[u64], mine: usize) -> u64 {
    let heads = demands.len() as u128;
    let Some(demand) = demands.get(mine) else { return 0 };
    // No gateway lets in more, and what follows stays within its bits for a thousand of them.
    let calls = |demand: u64| u128::from(demand).min(1 << 32);
    let all: u128 = demands.iter().map(|demand| calls(*demand)).sum();
    // Without any demand all of it goes by heads. What each has out of `whole`, in integers.
    let (by_heads, by_demand) = if all == 0 { (100, 0) } else { (BY_HEADS, 100 - BY_HEADS) };
    let whole = 100 * heads * all.max(1);
    let weight = |demand: u64| by_heads * all.max(1) + by_demand * calls(demand) * heads;
    let exact = |demand: u64| u128::from(amount).saturating_mul(weight(demand));
    // What rounding down leaves goes to those who lost most by it, in their order.
    let lost = |demand: u64| exact(demand) % whole;
    let floors: u128 = demands.iter().map(|demand| exact(*demand) / whole).sum();
    let left = u128::from(amount).saturating_sub(floors);
    let before = |(place, other): (usize, &u64)| {
        let (own, others) = (lost(*demand), lost(*other));
        others > own || (others == own && place < mine)
    };
    let ahead = demands.iter().enumerate().filter(|entry| before(*entry)).count() as u128;
    u64::try_from(exact(*demand) / whole + u128::from(ahead < left)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(amount: u64, demands: &[u64], parts: &[u64]) {
        let split: Vec<_> = (0..demands.len()).map(|mine| split(amount, demands, mine)).collect();
        assert_eq!(split, parts);
    }

    #[test]
    fn parts_follow_the_demand() {
        check(1_000, &[1_000], &[1_000]);
        check(1_000, &[500, 500], &[500, 500]);
        check(1_000, &[900, 100], &[880, 120]);
        check(1_000, &[0, 700], &[25, 975]);
        check(1_000, &[0, 0], &[500, 500]);
        check(3, &[10, 10, 10, 10], &[1, 1, 1, 0]);
        check(3, &[0, 0, 0, 10], &[0, 0, 0, 3]);
        check(1_000, &[], &[]);
        assert_eq!(split(1_000, &[5], 1), 0);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_limit(
            amount in any::<u64>(),
            demands in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let all: u128 = (0..demands.len()).map(|mine| u128::from(split(amount, &demands, mine))).sum();
            prop_assert_eq!(all, u128::from(amount));
        }
    }
}
