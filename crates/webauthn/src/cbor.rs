//! How is CBOR read? (RFC 8949)
//!
//! As much as authenticators write (CTAP 2.1 §8): definite lengths, shortest forms, no tags, no numbers
//! with fractions, and each key of a map once. Anything else is no CBOR here.

/// Deeper than any attestation statement.
const DEEPEST: usize = 8;
/// More than any of them has.
const MOST_ITEMS: usize = 1024;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item<'b> {
    Number(i64),
    Bytes(&'b [u8]),
    Text(&'b str),
    List(Vec<Item<'b>>),
    Map(Vec<(Item<'b>, Item<'b>)>),
    /// `false`, `true` or `null`.
    Simple(u8),
}

impl<'b> Item<'b> {
    /// The value under a key of a map.
    pub(crate) fn get(&self, key: &Self) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(crate) fn number(&self, key: i64) -> Option<i64> {
        match self.get(&Self::Number(key))? {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self, key: i64) -> Option<&'b [u8]> {
        match self.get(&Self::Number(key))? {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The first value, and what follows it.
pub(crate) fn read(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let mut reader = Reader { rest: bytes, items: 0 };
    let item = reader.item(0)?;
    Some((item, reader.rest))
}

struct Reader<'b> {
    rest: &'b [u8],
    items: usize,
}

impl<'b> Reader<'b> {
    fn item(&mut self, depth: usize) -> Option<Item<'b>> {
        self.items = self.items.checked_add(1).filter(|items| *items <= MOST_ITEMS)?;
        if depth > DEEPEST {
            return None;
        }
        let first = *self.take(1)?.first()?;
        let (major, argument) = (first >> 5, self.argument(first & 0x1f)?);
        let inside = depth.checked_add(1)?;
        match major {
            0 => Some(Item::Number(i64::try_from(argument).ok()?)),
            1 => Some(Item::Number((-1_i64).checked_sub(i64::try_from(argument).ok()?)?)),
            2 => Some(Item::Bytes(self.take(usize::try_from(argument).ok()?)?)),
            3 => {
                let bytes = self.take(usize::try_from(argument).ok()?)?;
                Some(Item::Text(std::str::from_utf8(bytes).ok()?))
            }
            4 => {
                let mut list = Vec::new();
                for _ in 0..argument {
                    list.push(self.item(inside)?);
                }
                Some(Item::List(list))
            }
            5 => {
                let mut pairs: Vec<(Item<'b>, Item<'b>)> = Vec::new();
                for _ in 0..argument {
                    let key = self.item(inside)?;
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return None;
                    }
                    pairs.push((key, self.item(inside)?));
                }
                Some(Item::Map(pairs))
            }
            7 => match (first & 0x1f, u8::try_from(argument)) {
                (20..=22, Ok(value)) => Some(Item::Simple(value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The number behind the first byte; in its shortest form only.
    fn argument(&mut self, short: u8) -> Option<u64> {
        let length = match short {
            0..=23 => return Some(u64::from(short)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let bytes = self.take(length)?;
        let number = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let least = match length {
            1 => 24,
            2 => 1 << 8,
            4 => 1 << 16,
            _ => 1 << 32,
        };
        Some(number).filter(|number| *number >= least)
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Examples of RFC 8949 appendix A, and what is left behind them.
    #[track_caller]
    fn check(bytes: &[u8], item: Option<Item<'_>>) {
        let whole = item.map(|item| (item, [].as_slice()));
        assert_eq!(read(bytes), whole, "{bytes:x?}");
    }

    #[test]
    fn values_are_read_in_their_shortest_form() {
        check(&[0x00], Some(Item::Number(0)));
        check(&[0x17], Some(Item::Number(23)));
        check(&[0x18, 0x18], Some(Item::Number(24)));
        check(&[0x18, 0x17], None);
        check(&[0x19, 0x03, 0xe8], Some(Item::Number(1000)));
        check(&[0x19, 0x00, 0xff], None);
        check(&[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None);
        check(&[0x20], Some(Item::Number(-1)));
        check(&[0x39, 0x01, 0x00], Some(Item::Number(-257)));
        check(&[0x44, 1, 2, 3, 4], Some(Item::Bytes(&[1, 2, 3, 4])));
        check(b"\x64IETF", Some(Item::Text("IETF")));
        check(&[0x61, 0xff], None);
        check(&[0xf5], Some(Item::Simple(21)));
    }

    #[test]
    fn lists_and_maps_have_an_end_and_keys_of_their_own() {
        check(&[0x82, 1, 0x41, 7], Some(Item::List(vec![Item::Number(1), Item::Bytes(&[7])])));
        let map = Item::Map(vec![(Item::Number(1), Item::Number(2))]);
        check(&[0xa1, 1, 2], Some(map));
        check(&[0xa2, 1, 2, 1, 3], None);
        check(&[0x9f, 1, 0xff], None);
        check(&[0xbf, 1, 2, 0xff], None);
        check(&[0xc0, 1], None);
        check(&[0xf9, 0, 0], None);
        check(&[], None);
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_not_read() {
        let mut deep = vec![0x81; DEEPEST];
        deep.push(1);
        assert!(read(&deep).is_some());
        deep.insert(0, 0x81);
        assert!(read(&deep).is_none());
        let mut many = vec![0x19, 0x04, 0x00];
        many[0] = 0x99;
        many.extend([1; 1024]);
        assert!(read(&many).is_none());
        // A length that nobody has.
        assert!(read(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_none());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Some((_, rest)) = read(&bytes) {
                prop_assert!(rest.len() < bytes.len());
            }
        }
    }
}
