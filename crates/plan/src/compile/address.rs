//! Which addresses are meant by a list of addresses, networks and ranges?
//!
//! IPv4 and IPv6 are two lines of numbers; a list is a set of ranges on each. Ranges that touch or
//! overlap become one, so that an address is found by halving.

use std::net::IpAddr;

/// The addresses of one family, as the numbers that they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

/// A network: what stands before its addresses' own bits, and how long that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network {
    pub(crate) length: u32,
    pub(crate) prefix: u128,
}

/// A set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// From the first to the last, both in it.
type Range = (u128, u128);

/// Why a text names no addresses, and what would.
pub(crate) type NoAddresses = (String, String);

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) const fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// An address as a number of its family. One of IPv4 in the form of IPv6 is one of IPv4.
pub(crate) fn number(address: IpAddr) -> (Family, u128) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (Family::V4, u32::from(v4).into()),
        IpAddr::V6(v6) => (Family::V6, v6.into()),
    }
}

impl Addresses {
    /// Everything there is.
    pub(crate) fn all() -> Self {
        let whole = |family: Family| vec![(0, ones(family.bits()))];
        Self { v4: whole(Family::V4), v6: whole(Family::V6) }
    }

    /// Adds what `text` means: an address, a network in CIDR form, or `from-to`.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), NoAddresses> {
        let (family, range) = parse(text)?;
        let ranges = self.of_mut(family);
        ranges.push(range);
        *ranges = joined(std::mem::take(ranges));
        Ok(())
    }

    /// Those that are not in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self { v4: minus(&self.v4, &other.v4), v6: minus(&self.v6, &other.v6) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether the address is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (family, number) = number(address);
        let ranges = self.of(family);
        let before = ranges.partition_point(|(from, _)| *from <= number);
        let last = before.checked_sub(1).and_then(|at| ranges.get(at));
        last.is_some_and(|(_, to)| number <= *to)
    }

    /// The fewest networks that are the addresses of a family.
    pub(crate) fn networks(&self, family: Family) -> impl Iterator<Item = Network> {
        self.of(family).iter().flat_map(move |range| Blocks { family, left: Some(*range) })
    }

    fn of(&self, family: Family) -> &[Range] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Vec<Range> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// The networks of a range, in order.
struct Blocks {
    family: Family,
    left: Option<Range>,
}

impl Iterator for Blocks {
    type Item = Network;

    fn next(&mut self) -> Option<Network> {
        let (from, to) = self.left?;
        let mut own = from.trailing_zeros().min(self.family.bits());
        while own > 0 && from | ones(own) > to {
            own -= 1;
        }
        let last = from | ones(own);
        self.left = last.checked_add(1).filter(|next| *next <= to).map(|next| (next, to));
        Some(Network { length: self.family.bits() - own, prefix: above(from, own) })
    }
}

/// What stands above the last `bits` bits.
pub(crate) fn above(number: u128, bits: u32) -> u128 {
    number.checked_shr(bits).unwrap_or(0)
}

/// A number whose last `bits` bits are set.
fn ones(bits: u32) -> u128 {
    u128::MAX.checked_shr(128_u32.saturating_sub(bits)).unwrap_or(0)
}

fn parse(text: &str) -> Result<(Family, Range), NoAddresses> {
    if let Some((address, length)) = text.split_once('/') {
        let (family, number) = address_of(address)?;
        let length = length.parse::<u32>().ok().filter(|length| *length <= family.bits());
        let own = family.bits() - length.ok_or_else(|| unknown(text))?;
        let from = number & !ones(own);
        if from != number {
            let reason = format!("`{text}` has bits that are not of its network");
            let suggestion = "write the first address of the network, or one address without `/`";
            return Err((reason, suggestion.to_owned()));
        }
        return Ok((family, (from, from | ones(own))));
    }
    let Some((from, to)) = text.split_once('-') else {
        let (family, number) = address_of(text)?;
        return Ok((family, (number, number)));
    };
    let ((family, from), (other, to)) = (address_of(from.trim())?, address_of(to.trim())?);
    if family != other || from > to {
        let reason = format!("`{text}` goes from no address up to another of its kind");
        return Err((reason, "write the lower address first".to_owned()));
    }
    Ok((family, (from, to)))
}

fn address_of(text: &str) -> Result<(Family, u128), NoAddresses> {
    let address: IpAddr = text.parse().map_err(|_| unknown(text))?;
    if address != address.to_canonical() {
        let reason = format!("`{text}` is an IPv4 address in the form of IPv6");
        return Err((reason, format!("write {}", address.to_canonical())));
    }
    Ok(number(address))
}

fn unknown(text: &str) -> NoAddresses {
    let reason = format!("`{}` is no address, network or range", crate::problem::shown(text));
    (reason, "write for example 192.0.2.7, 192.0.2.0/24 or 192.0.2.7-192.0.2.90".to_owned())
}

/// The same in order, and as few as can be.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match joined.last_mut() {
            Some((_, end)) if end.saturating_add(1) >= from => *end = to.max(*end),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// What of `ranges` is not in `others`; both are joined.
fn minus(ranges: &[Range], others: &[Range]) -> Vec<Range> {
    let mut left = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        let mut open = Some(*from);
        let begun = others.partition_point(|(_, end)| end < from);
        for (start, end) in others.iter().skip(begun).take_while(|(start, _)| start <= to) {
            let Some(from) = open else { break };
            if from < *start {
                left.push((from, start - 1));
            }
            open = end.checked_add(1);
        }
        if let Some(from) = open.filter(|from| from <= to) {
            left.push((from, *to));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(texts: &str) -> Addresses {
        let mut set = Addresses::default();
        texts.split_whitespace().for_each(|text| set.add(text).unwrap());
        set
    }

    /// The first and the last address of each range are in it, and those beside it are not.
    #[track_caller]
    fn check(texts: &str, inside: &str, outside: &str) {
        let set = set(texts);
        for address in inside.split_whitespace() {
            assert!(set.contains(address.parse().unwrap()), "{texts} has {address}");
        }
        for address in outside.split_whitespace() {
            assert!(!set.contains(address.parse().unwrap()), "{texts} has no {address}");
        }
    }

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        assert_eq!(Addresses::default().add(text).unwrap_err().0, reason);
    }

    #[test]
    fn both_ends_of_a_range_are_in_it() {
        check("10.0.0.5-10.0.0.9", "10.0.0.5 10.0.0.7 10.0.0.9", "10.0.0.4 10.0.0.10");
        check("10.0.0.0/30", "10.0.0.0 10.0.0.3", "9.255.255.255 10.0.0.4");
        check("::1", "::1", "::2 ::");
        check("2001:db8::/32", "2001:db8:: 2001:db8:ffff::1", "2001:db9::");
        check("0.0.0.0/0", "0.0.0.0 255.255.255.255", ":: ::1");
    }

    #[test]
    fn an_address_of_ipv4_in_the_form_of_ipv6_is_the_same_address() {
        check("10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1");
        check("::/0", "::1", "::ffff:10.0.0.1");
    }

    #[test]
    fn several_lists_in_one_are_all_of_them() {
        let both = "10.0.0.0/30 10.0.0.2-10.0.0.8 10.0.0.9 10.0.0.20";
        check(both, "10.0.0.0 10.0.0.9 10.0.0.20", "10.0.0.10 10.0.0.19");
        assert_eq!(set(both).v4.len(), 2);
    }

    #[test]
    fn what_is_taken_away_is_not_in_it() {
        let left = set("10.0.0.0/24").without(&set("10.0.0.0 10.0.0.10-10.0.0.20 10.0.0.255"));
        assert_eq!(left, set("10.0.0.1-10.0.0.9 10.0.0.21-10.0.0.254"));
        assert!(set("10.0.0.0/24").without(&set("10.0.0.0/8")).is_empty());
        let all = Addresses::all().without(&set("0.0.0.0/0 ::/0"));
        assert!(all.is_empty());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        refused("ten", "`ten` is no address, network or range");
        refused("10.0.0.0/33", "`10.0.0.0/33` is no address, network or range");
        refused("10.0.0.1/8", "`10.0.0.1/8` has bits that are not of its network");
        let range = "`10.0.0.9-10.0.0.1` goes from no address up to another of its kind";
        refused("10.0.0.9-10.0.0.1", range);
        refused("::ffff:10.0.0.1", "`::ffff:10.0.0.1` is an IPv4 address in the form of IPv6");
    }

    proptest! {
        /// The networks of a set hold exactly its addresses.
        #[test]
        fn networks_are_the_same_set(ends in prop::collection::vec((0_u32..600, 0_u32..600), 1..6)) {
            let mut set = Addresses::default();
            for (one, other) in ends {
                let (from, to) = (one.min(other), one.max(other));
                let address = |number| std::net::Ipv4Addr::from(0x0a00_0000 + number);
                set.add(&format!("{}-{}", address(from), address(to))).unwrap();
            }
            let networks: Vec<Network> = set.networks(Family::V4).collect();
            for number in 0..700_u32 {
                let address = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + number));
                let (_, number) = super::number(address);
                let found = networks.iter().filter(|network| {
                    above(number, 32 - network.length) == network.prefix
                }).count();
                prop_assert_eq!(found, usize::from(set.contains(address)));
            }
        }
    }
}
