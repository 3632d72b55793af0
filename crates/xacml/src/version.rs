//! Which version is this, and which versions are meant?
//!
//! Dotted numbers (core specification, section 5.13), and patterns of them in which `*` stands for one
//! number and `+` for all that follow.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most numbers of a version.
const MOST: usize = 16;

/// A version, as in `1.0`. Compared number by number; `1` comes before `1.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Box<[u64]>);

/// The versions that a reference means, as in `1.*.+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionPattern(Box<[Part]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Number(u64),
    /// `*`
    One,
    /// `+`
    Rest,
}

/// A text is no version, or no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        numbers(text, number).map(Self)
    }
}

impl FromStr for VersionPattern {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let parts = numbers(text, |part| match part {
            "*" => Some(Part::One),
            "+" => Some(Part::Rest),
            digits => number(digits).map(Part::Number),
        })?;
        // `+` stands for everything behind it.
        let early = parts.iter().rev().skip(1).any(|part| *part == Part::Rest);
        if early { Err(NoVersion) } else { Ok(Self(parts)) }
    }
}

fn numbers<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Box<[T]>, NoVersion> {
    let parts: Option<Box<[T]>> = text.split('.').take(MOST + 1).map(read).collect();
    parts.filter(|parts| parts.len() <= MOST).ok_or(NoVersion)
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl VersionPattern {
    /// Whether it means this version.
    pub fn matches(&self, version: &Version) -> bool {
        self.compare(version) == Ordering::Equal
    }

    /// Where a version lies beside those that are meant: `Less` is before all of them.
    pub(crate) fn compare(&self, version: &Version) -> Ordering {
        let mut numbers = version.0.iter();
        for part in &self.0 {
            match (part, numbers.next()) {
                // At least one number is left for `+`.
                (Part::Rest, Some(_)) => return Ordering::Equal,
                (_, None) => return Ordering::Less,
                (Part::One, Some(_)) => {}
                (Part::Number(wanted), Some(number)) if wanted == number => {}
                (Part::Number(wanted), Some(number)) => return number.cmp(wanted),
            }
        }
        if numbers.next().is_some() { Ordering::Greater } else { Ordering::Equal }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, number) in self.0.iter().enumerate() {
            let dot = if place > 0 { "." } else { "" };
            write!(f, "{dot}{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The versions of `all` that a pattern means; `-`: it is no pattern.
    #[track_caller]
    fn check(pattern: &str, all: &str, meant: &str) {
        let said = match pattern.parse::<VersionPattern>() {
            Ok(pattern) => {
                let fits = |text: &&str| pattern.matches(&text.parse().unwrap());
                all.split(' ').filter(fits).collect::<Vec<_>>().join(" ")
            }
            Err(NoVersion) => "-".to_owned(),
        };
        assert_eq!(said, meant, "{pattern}");
    }

    #[test]
    fn patterns_mean_versions() {
        let all = "1 1.0 1.2 1.2.3 2.0";
        check("1.2", all, "1.2");
        check("1.*", all, "1.0 1.2");
        check("1.+", all, "1.0 1.2 1.2.3");
        check("+", all, all);
        check("*", all, "1");
        check("1.*.3", all, "1.2.3");
        for wrong in ["", "1.", ".1", "a", "1.+.2", "-1", "+1", "1 .2"] {
            check(wrong, all, "-");
        }
        let long = "1.".repeat(MOST) + "1";
        check(&long, all, "-");
        assert_eq!("1.*.0".parse::<Version>(), Err(NoVersion));
        assert_eq!(format!("{}9", u64::MAX).parse::<Version>(), Err(NoVersion));
    }

    #[test]
    fn versions_are_in_order() {
        let mut all: Vec<Version> =
            "2.0 1 1.10 1.9.7 1.9".split(' ').map(|text| text.parse().unwrap()).collect();
        all.sort();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join(" "), "1 1.9 1.9.7 1.10 2.0");
    }
}
