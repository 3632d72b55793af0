//! Does a call carry what an operation or a variant asks for?
//!
//! Header fields, parameters of the query and cookies, compared with an exact value, a prefix, a
//! regular expression that works in linear time, or looked for at all. What a call carries several
//! times fits when one of them does.

use std::borrow::Cow;
use std::cmp::Reverse;

use regex::bytes::Regex;

/// What a call carries besides its method and path.
pub trait Asked {
    /// Whether `test` holds for one of the values of the header field called `name`, which is in
    /// lower case.
    fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
    /// The query as it came, without its question mark.
    fn query(&self) -> Option<&str>;
}

/// A call that carries nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare;

impl Asked for Bare {
    fn field(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn query(&self) -> Option<&str> {
        None
    }
}

/// Conditions that all have to hold.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) list: Vec<Condition>,
    /// Equal spellings ask for the same.
    pub(crate) spelling: Box<str>,
}

/// What one part of a call has to be.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) part: Part,
    pub(crate) name: Box<str>,
    pub(crate) test: Test,
}

/// The parts of a call that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Field,
    Parameter,
    Cookie,
}

/// What a value has to be.
#[derive(Debug)]
pub(crate) enum Test {
    Exact(Box<str>),
    Prefix(Box<str>),
    /// The expression is anchored at both ends.
    Expression(Regex),
    Present,
    Absent,
}

/// What is tried first: more conditions, and narrower ones.
pub(crate) type Order = (Reverse<usize>, Vec<u8>);

impl Conditions {
    /// Whether the call carries all of it.
    pub(crate) fn fit(&self, call: &dyn Asked) -> bool {
        self.list.iter().all(|condition| condition.fits(call))
    }

    pub(crate) fn order(&self) -> Order {
        let mut ranks: Vec<u8> = self.list.iter().map(|one| one.test.rank()).collect();
        ranks.sort_unstable();
        (Reverse(self.list.len()), ranks)
    }
}

impl Condition {
    /// Whether the call carries it.
    pub(crate) fn fits(&self, call: &dyn Asked) -> bool {
        let wanted = !matches!(self.test, Test::Absent);
        let mut test = |value: &[u8]| self.test.holds(value);
        let found = match self.part {
            Part::Field => call.field(&self.name, &mut test),
            Part::Parameter => {
                let mut values = query_values(call.query().unwrap_or_default(), &self.name);
                values.any(|value| test(&value))
            }
            Part::Cookie => call.field("cookie", &mut |line| cookie(line, &self.name, &mut test)),
        };
        found == wanted
    }
}

impl Test {
    /// Whether it holds for a value that is there.
    pub(crate) fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => value == wanted.as_bytes(),
            Self::Prefix(start) => value.starts_with(start.as_bytes()),
            Self::Expression(expression) => expression.is_match(value),
            Self::Present | Self::Absent => true,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Prefix(_) => 1,
            Self::Expression(_) => 2,
            Self::Present | Self::Absent => 3,
        }
    }
}

/// The values of a query's parameter, decoded as HTML forms write them.
pub fn query_values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

/// `%41` and `A` are the same, and `+` is a space; what is no escape stands for itself.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        match (byte, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, left @ ..]) => match digit(*high).zip(digit(*low)) {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    rest = left;
                }
                None => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

/// The values of a cookie in one field (RFC 6265 §4.2.1); quotes around a value are part of it.
fn cookie(line: &[u8], name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    line.split(|byte| *byte == b';').any(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .is_some_and(&mut *test)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call as text: lines `name: value`, and the query behind `?`.
    struct Text(&'static str);

    impl Asked for Text {
        fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            let fields = self.0.lines().filter_map(|line| line.split_once(": "));
            fields.filter(|(known, _)| *known == name).any(|(_, value)| test(value.as_bytes()))
        }

        fn query(&self) -> Option<&str> {
            self.0.lines().find_map(|line| line.strip_prefix('?'))
        }
    }

    #[track_caller]
    fn check(part: Part, name: &str, test: Test, call: &'static str, fits: bool) {
        let condition = Condition { part, name: name.into(), test };
        assert_eq!(condition.fits(&Text(call)), fits, "{condition:?} {call}");
    }

    fn exact(value: &str) -> Test {
        Test::Exact(value.into())
    }

    #[test]
    fn a_field_fits_when_one_of_its_values_does() {
        check(Part::Field, "v", exact("2"), "v: 1\nv: 2", true);
        check(Part::Field, "v", exact("2"), "v: 22", false);
        check(Part::Field, "v", Test::Prefix("2".into()), "v: 22", true);
        check(Part::Field, "v", Test::Present, "w: 1", false);
        check(Part::Field, "v", Test::Absent, "w: 1", true);
        check(Part::Field, "v", Test::Absent, "v: ", false);
        let expression = || Test::Expression(Regex::new("^(?:a|b+)$").unwrap());
        check(Part::Field, "v", expression(), "v: bb", true);
        check(Part::Field, "v", expression(), "v: ab", false);
    }

    #[test]
    fn parameters_are_compared_after_they_are_decoded() {
        check(Part::Parameter, "a b", exact("x/y"), "?c=1&a+b=x%2fy", true);
        check(Part::Parameter, "a", exact("x%2"), "?a=x%2", true);
        check(Part::Parameter, "a", exact("%zz"), "?a=%zz", true);
        check(Part::Parameter, "a", exact(""), "?a", true);
        check(Part::Parameter, "a", Test::Present, "?b=a", false);
        check(Part::Parameter, "a", Test::Present, "", false);
        check(Part::Parameter, "a", exact("2"), "?a=1&a=2", true);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        check(Part::Cookie, "canary", exact("1"), "cookie: a=b; canary=1", true);
        check(Part::Cookie, "canary", exact("1"), "cookie: xcanary=1; canary1=1", false);
        check(Part::Cookie, "canary", exact("1"), "cookie: a=b\ncookie: canary=1", true);
        check(Part::Cookie, "canary", exact("a=b"), "cookie: canary=a=b", true);
    }
}
