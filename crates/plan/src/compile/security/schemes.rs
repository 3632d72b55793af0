//! Which kinds of credential does a caller have to show together?
//!
//! An expression comes to a list of sets, each of which is enough; what a call shows is compared with
//! them and nothing is parsed again.

use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use crate::problem::shown;

/// The most sets that an expression may come to.
const MOST_SETS: usize = 16;
/// The longest expression, in bytes.
const MOST_BYTES: usize = 512;

/// Kinds of credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchemeSet(u8);

impl SchemeSet {
    /// None.
    pub const NONE: Self = Self(0);

    /// This one alone.
    pub const fn of(scheme: Scheme) -> Self {
        Self(1 << (scheme as u8))
    }

    /// Those that are so.
    pub fn of_those(all: impl IntoIterator<Item = (bool, Scheme)>) -> Self {
        all.into_iter().filter(|(so, _)| *so).map(|(_, scheme)| Self::of(scheme)).collect()
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `scheme` is among them.
    pub const fn has(self, scheme: Scheme) -> bool {
        self.0 & Self::of(scheme).0 != 0
    }

    /// Whether all of `others` are among them.
    pub const fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Those of all of them.
impl FromIterator<SchemeSet> for SchemeSet {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The names in expressions.
const NAMES: [(&str, Scheme); 4] = [
    ("oauth2", Scheme::Oauth2),
    ("api_key", Scheme::ApiKey),
    ("basic", Scheme::Basic),
    ("mutual_tls", Scheme::MutualTls),
];

/// The sets that an expression comes to, in the order in which they are written.
pub(super) fn parse_expression(text: &str) -> Result<Vec<SchemeSet>, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("an expression has at most {MOST_BYTES} bytes"));
    }
    let mut words = Words(text);
    let sets = any_of(&mut words)?;
    match words.next()? {
        Word::End => Ok(sets),
        word => Err(format!("{word} is not expected there")),
    }
}

/// `all or all or …`
fn any_of(words: &mut Words<'_>) -> Result<Vec<SchemeSet>, String> {
    let mut sets = all_of(words)?;
    while words.takes(Word::Or)? {
        sets.extend(all_of(words)?);
        bounded(&sets)?;
    }
    Ok(minimal(sets))
}

/// `one and one and …`
fn all_of(words: &mut Words<'_>) -> Result<Vec<SchemeSet>, String> {
    let mut sets = one(words)?;
    while words.takes(Word::And)? {
        let others = one(words)?;
        let pairs = sets.iter().flat_map(|set| others.iter().map(|other| set.with(*other)));
        sets = pairs.collect();
        bounded(&sets)?;
    }
    Ok(minimal(sets))
}

fn one(words: &mut Words<'_>) -> Result<Vec<SchemeSet>, String> {
    match words.next()? {
        Word::Scheme(scheme) => Ok(vec![SchemeSet::of(scheme)]),
        Word::Open => {
            let sets = any_of(words)?;
            if words.takes(Word::Close)? { Ok(sets) } else { Err("a bracket stays open".into()) }
        }
        word => Err(format!("a scheme is expected, found {word}")),
    }
}

/// Brackets multiply, so each step is bounded and not the end alone.
fn bounded(sets: &[SchemeSet]) -> Result<(), String> {
    if sets.len() > MOST_SETS {
        return Err(format!("there are more than {MOST_SETS} ways to fulfil it"));
    }
    Ok(())
}

/// Without what asks for no less than another set, and without repetitions.
fn minimal(sets: Vec<SchemeSet>) -> Vec<SchemeSet> {
    let mut least: Vec<SchemeSet> = Vec::with_capacity(sets.len());
    for set in sets {
        if least.iter().any(|known| set.has_all(*known)) {
            continue;
        }
        least.retain(|known| !known.has_all(set));
        least.push(set);
    }
    least
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Scheme(Scheme),
    And,
    Or,
    Open,
    Close,
    End,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "`{}`", scheme.as_str_name()),
            Self::And => f.write_str("`and`"),
            Self::Or => f.write_str("`or`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// What is left of an expression.
struct Words<'t>(&'t str);

impl Words<'_> {
    fn next(&mut self) -> Result<Word, String> {
        let text = self.0.trim_ascii_start();
        let (word, rest) = match text.as_bytes().first() {
            None => (Word::End, text),
            Some(b'(') => (Word::Open, text.get(1..).unwrap_or_default()),
            Some(b')') => (Word::Close, text.get(1..).unwrap_or_default()),
            Some(_) => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
                let (name, rest) = text.split_at(end);
                let known = NAMES.iter().find(|(known, _)| *known == name);
                let word = match (name, known) {
                    (_, Some((_, scheme))) => Word::Scheme(*scheme),
                    ("and", None) => Word::And,
                    ("or", None) => Word::Or,
                    ("", None) => return Err(format!("`{}` cannot be read", shown(text))),
                    _ => return Err(format!("`{}` is no scheme", shown(name))),
                };
                (word, rest)
            }
        };
        self.0 = rest;
        Ok(word)
    }

    /// Takes this word, if it comes next.
    fn takes(&mut self, wanted: Word) -> Result<bool, String> {
        let before = self.0;
        let found = self.next()? == wanted;
        if !found {
            self.0 = before;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` are the sets, each with its schemes, or what is wrong.
    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let said = match parse_expression(expression) {
            Err(reason) => reason,
            Ok(sets) => {
                let names = |set: &SchemeSet| {
                    let held = NAMES.iter().filter(|(_, scheme)| set.has(*scheme));
                    held.map(|(name, _)| *name).collect::<Vec<_>>().join("+")
                };
                sets.iter().map(names).collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(said, expected, "{expression}");
    }

    #[test]
    fn and_binds_closer_than_or() {
        check("oauth2", "oauth2");
        check("oauth2 or api_key", "oauth2 api_key");
        check("oauth2 and mutual_tls", "oauth2+mutual_tls");
        check("basic or oauth2 and mutual_tls", "basic oauth2+mutual_tls");
        check("mutual_tls and (oauth2 or api_key)", "oauth2+mutual_tls api_key+mutual_tls");
        check("((basic))and(oauth2)", "oauth2+basic");
    }

    #[test]
    fn what_asks_for_no_less_is_left_out() {
        check("oauth2 or oauth2", "oauth2");
        check("oauth2 or (oauth2 and basic)", "oauth2");
        check("(oauth2 and basic) or oauth2", "oauth2");
        check("(oauth2 or basic) and (oauth2 or basic)", "oauth2 basic");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        check("", "a scheme is expected, found the end");
        check("oauth2 and", "a scheme is expected, found the end");
        check("oauth2 basic", "`basic` is not expected there");
        check("(oauth2", "a bracket stays open");
        check("oauth2)", "`)` is not expected there");
        check("none", "`none` is no scheme");
        check("oauth2 & basic", "`& basic` cannot be read");
        check(&"(".repeat(600), "an expression has at most 512 bytes");
    }
}
