//! Which header field is this?
//!
//! Clients and backends say the same few names again and again. The ones that came last are kept as
//! they were spelled: then a name is compared, and not read once more.

use std::cell::RefCell;

use http::HeaderName;

/// How many names are kept; a further one takes the place of another.
const PLACES: usize = 256;
/// Longer names are read anew each time.
const LONGEST: usize = 31;

/// Names of fields that were read before, of one worker.
#[derive(Debug, Default)]
pub struct FieldNames(RefCell<Vec<Option<Known>>>);

#[derive(Debug)]
struct Known {
    spelled: [u8; LONGEST],
    length: u8,
    name: HeaderName,
}

impl FieldNames {
    /// The name that is spelled so; `None`: it is none (RFC 9110 §5.1).
    pub fn name(&self, spelled: &[u8]) -> Option<HeaderName> {
        let read = || HeaderName::from_bytes(spelled).ok();
        let Some(place) = place(spelled) else { return read() };
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let Some(kept) = places.get_mut(place) else { return read() };
        if let Some(known) = kept
            && known.is_spelled(spelled)
        {
            return Some(known.name.clone());
        }
        let name = read()?;
        *kept = Known::new(spelled, &name);
        Some(name)
    }
}

impl Known {
    fn new(spelled: &[u8], name: &HeaderName) -> Option<Self> {
        let mut known = Self {
            spelled: [0; LONGEST],
            length: u8::try_from(spelled.len()).ok()?,
            name: name.clone(),
        };
        known.spelled.get_mut(..spelled.len())?.copy_from_slice(spelled);
        Some(known)
    }

    fn is_spelled(&self, spelled: &[u8]) -> bool {
        self.spelled.get(..usize::from(self.length)) == Some(spelled)
    }
}

/// Where a name is kept; `None`: nowhere. Names of one length differ most at their ends and in the
/// middle.
fn place(spelled: &[u8]) -> Option<usize> {
    let length = spelled.len();
    let (first, last) = (spelled.first()?, spelled.last()?);
    let middle = spelled.get(length / 2)?;
    let spread = length.wrapping_mul(37)
        ^ usize::from(*first).wrapping_mul(3)
        ^ usize::from(*middle).wrapping_mul(11)
        ^ usize::from(*last).wrapping_mul(29);
    (length <= LONGEST).then_some(spread % PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &FieldNames, spelled: &str, expected: Option<&str>) {
        for _ in 0..2 {
            let name = names.name(spelled.as_bytes());
            assert_eq!(name.as_ref().map(HeaderName::as_str), expected, "{spelled:?}");
        }
    }

    #[test]
    fn a_name_is_the_same_the_second_time() {
        let names = FieldNames::default();
        check(&names, "Host", Some("host"));
        check(&names, "hOST", Some("host"));
        check(&names, "X-Mine", Some("x-mine"));
        check(&names, "a", Some("a"));
        let long = "x".repeat(LONGEST + 1);
        check(&names, &long, Some(&long));
    }

    #[test]
    fn what_is_no_name_is_none_however_often_it_comes() {
        let names = FieldNames::default();
        for wrong in ["", "a b", "a:", "a\0", "\u{e9}"] {
            check(&names, wrong, None);
        }
    }

    #[test]
    fn names_that_share_a_place_are_not_taken_for_each_other() {
        let names = FieldNames::default();
        let all: Vec<String> = (0..2000).map(|number| format!("x-{number}-y")).collect();
        for name in all.iter().chain(&all) {
            check(&names, name, Some(name));
        }
    }
}
