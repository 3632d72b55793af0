//! Which server do equal calls meet?
//!
//! Each server stands at many points of a ring, by its weight; a call goes to the first point
//! behind its hash. A server that comes or goes moves only the calls of its own points.

/// Points of a server of weight 1.
const POINTS: usize = 100;
/// Points of all servers together.
const MOST_POINTS: usize = 65_536;

/// The points of all servers, in order.
#[derive(Debug)]
pub(super) struct Ring(Vec<(u64, usize)>);

impl Ring {
    /// `servers` are what they are known by, and their weights.
    pub(super) fn new(servers: &[(String, u32)]) -> Self {
        let weights: usize =
            servers.iter().map(|(_, weight)| usize::try_from(*weight).unwrap_or(1)).sum();
        let points = (MOST_POINTS / weights.max(1)).clamp(1, POINTS);
        let mut ring = Vec::with_capacity(points * weights);
        for (index, (name, weight)) in servers.iter().enumerate() {
            let count = points * usize::try_from(*weight).unwrap_or(1);
            let seed = hash(name.as_bytes());
            ring.extend((1..).take(count).map(|point: u64| {
                (mixed(seed.wrapping_add(point.wrapping_mul(0x9e37_79b9_7f4a_7c15))), index)
            }));
        }
        ring.sort_unstable();
        Self(ring)
    }

    /// The first server behind `hash` that is `usable`.
    pub(super) fn find(&self, hash: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.0.partition_point(|(point, _)| *point < hash);
        let (before, behind) = self.0.split_at_checked(first)?;
        behind.iter().chain(before).map(|(_, index)| *index).find(|index| usable(*index))
    }
}

/// The same on every machine and after every start.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// The finisher of `SplitMix64`: one-to-one, and neighbours look nothing alike.
pub const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: u64 = 20_000;

    fn ring(servers: &[(&str, u32)]) -> Ring {
        let servers: Vec<_> =
            servers.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        Ring::new(&servers)
    }

    fn of(ring: &Ring, call: u64) -> usize {
        ring.find(hash(&call.to_le_bytes()), |_| true).unwrap()
    }

    #[test]
    fn servers_get_calls_by_their_weights() {
        let ring = ring(&[("a", 1), ("b", 1), ("c", 2)]);
        let mut counts = [0_u64; 3];
        (0..CALLS).for_each(|call| counts[of(&ring, call)] += 1);
        for (count, share) in counts.into_iter().zip([4, 4, 2]) {
            let expected = CALLS / share;
            assert!(count.abs_diff(expected) < expected / 4, "{counts:?}");
        }
    }

    #[test]
    fn a_server_that_goes_moves_only_its_own_calls() {
        let (all, fewer) = (ring(&[("a", 1), ("b", 1), ("c", 1)]), ring(&[("a", 1), ("b", 1)]));
        for call in 0..CALLS {
            let before = of(&all, call);
            if before != 2 {
                assert_eq!(of(&fewer, call), before);
            }
            let hash = hash(&call.to_le_bytes());
            assert_eq!(all.find(hash, |index| index != 2), Some(of(&fewer, call)));
        }
    }

    #[test]
    fn heavy_servers_do_not_grow_the_ring_beyond_its_bound() {
        let servers: Vec<(String, u32)> = (0..64).map(|n| (n.to_string(), 1000)).collect();
        assert!(Ring::new(&servers).0.len() <= MOST_POINTS);
    }
}
