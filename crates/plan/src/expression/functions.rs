//! Which functions may an expression call, and what do ours do?
//!
//! Those of the language that cost no more than their arguments are long, and a test for addresses.
//! What a regular expression or a network is made of is known when the expression is published.

use std::any::Any;
use std::net::IpAddr;

use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::kind::Kind;
use super::wanted::Wrong;
use crate::problem::{did_you_mean, nearest, shown};

/// The largest compiled form of one regular expression, in bytes.
const MAX_COMPILED_BYTES: usize = 256 * 1024;

/// `text.matches(pattern)`.
pub(super) const MATCHES: &str = "matches";
/// `inNetwork(address, network)`.
pub(super) const IN_NETWORK: &str = "inNetwork";

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `f(a, b)`.
    Global,
    /// `a.f(b)`.
    Member,
    /// Either.
    Both,
}

/// Name, style, how many operands it has (the one before the dot included), what it makes.
const KNOWN: [(&str, Style, std::ops::RangeInclusive<usize>, Kind); 26] = [
    ("contains", Style::Member, 2..=2, Kind::Bool),
    ("startsWith", Style::Member, 2..=2, Kind::Bool),
    ("endsWith", Style::Member, 2..=2, Kind::Bool),
    (MATCHES, Style::Both, 2..=2, Kind::Bool),
    (IN_NETWORK, Style::Global, 2..=2, Kind::Bool),
    ("size", Style::Both, 1..=1, Kind::Number),
    ("int", Style::Global, 1..=1, Kind::Number),
    ("uint", Style::Global, 1..=1, Kind::Number),
    ("double", Style::Global, 1..=1, Kind::Number),
    ("string", Style::Global, 1..=1, Kind::Text),
    ("bool", Style::Global, 1..=1, Kind::Bool),
    ("timestamp", Style::Global, 1..=1, Kind::Time),
    ("duration", Style::Global, 1..=1, Kind::Duration),
    ("type", Style::Global, 1..=1, Kind::Type),
    ("dyn", Style::Global, 1..=1, Kind::Any),
    ("getFullYear", Style::Member, 1..=2, Kind::Number),
    ("getMonth", Style::Member, 1..=2, Kind::Number),
    ("getDate", Style::Member, 1..=2, Kind::Number),
    ("getDayOfMonth", Style::Member, 1..=2, Kind::Number),
    ("getDayOfWeek", Style::Member, 1..=2, Kind::Number),
    ("getDayOfYear", Style::Member, 1..=2, Kind::Number),
    ("getHours", Style::Member, 1..=2, Kind::Number),
    ("getMinutes", Style::Member, 1..=2, Kind::Number),
    ("getSeconds", Style::Member, 1..=2, Kind::Number),
    ("getMilliseconds", Style::Member, 1..=2, Kind::Number),
    ("has", Style::Global, 1..=1, Kind::Bool),
];
/// The names of types, as `type` gives them.
pub(super) const TYPES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
];

/// What a call of `name` makes, or why nobody calls it so. `operands` has the one before the dot, if
/// there is one, first.
pub(super) fn of_function(name: &str, is_member: bool, operands: usize) -> Result<Kind, Wrong> {
    let Some((_, style, range, kind)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
        let near = nearest(name, KNOWN.iter().map(|(known, ..)| *known));
        return Err((format!("there is no function `{}`", shown(name)), did_you_mean(near)));
    };
    // What is left of a macro is one that was called in no way that it knows.
    let fits = name != "has"
        && match style {
            Style::Global => !is_member,
            Style::Member => is_member,
            Style::Both => true,
        };
    if !fits || !range.contains(&operands) {
        let form = match (style, range.start()) {
            (Style::Member, 2) => format!("`a.{name}(b)`"),
            (Style::Member, _) => format!("`a.{name}()`"),
            (_, 2) => format!("`{name}(a, b)`"),
            _ => format!("`{name}(a)`"),
        };
        return Err((format!("`{name}` is not called like that"), format!("write {form}")));
    }
    Ok(*kind)
}

static PATTERN: Type = Type::new_unspecified_type("pattern");
static NETWORK: Type = Type::new_unspecified_type("network");

/// A regular expression, as a value that only [`MATCHES`] takes.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

/// A network, as a value that only [`IN_NETWORK`] takes.
#[derive(Clone, Debug)]
pub(super) struct Network(IpNet);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).nest_limit(50);
        builder.build().map(Self).map_err(|error| {
            let said = error.to_string();
            // A syntax error is drawn on several lines; the last one says what is wrong.
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            (format!("the regular expression does not compile: {last}"), String::new())
        })
    }
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let alone = || text.parse::<IpAddr>().ok().map(|one| IpNet::from(one.to_canonical()));
        let network = text.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(alone);
        network.map(Self).ok_or_else(|| {
            let reason = format!("`{}` is no network and no address", shown(text));
            (reason, "write for example `192.0.2.0/24` or `2001:db8::/32`".to_owned())
        })
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

impl Val for Network {
    fn get_type(&self) -> &Type {
        &NETWORK
    }

    fn cel_type() -> &'static Type {
        &NETWORK
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Network {}

/// The functions of the language, and ours.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib().with_optional_support(false);
    // No name is there twice. Were one refused, whatever calls it would be refused, too.
    let (pattern, network) = (|| PATTERN.to_owned(), NETWORK.to_owned());
    let _ = env.add_overload(MATCHES, "matches", vec![STRING_TYPE, pattern()], matches);
    let _ = env.add_member_overload(MATCHES, "matches_of", STRING_TYPE, vec![pattern()], matches);
    let _ = env.add_overload(IN_NETWORK, "in_network", vec![STRING_TYPE, network], in_network);
    env
}

#[expect(clippy::needless_pass_by_value, reason = "the engine calls it so")]
fn matches<'b, 'v>(operands: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = two(MATCHES, &operands)?;
    let text = text.downcast_ref::<CelString<'_>>().map(CelString::inner);
    let pattern = pattern.downcast_ref::<Pattern>();
    let (text, pattern) = text.zip(pattern).ok_or_else(|| wrong(MATCHES))?;
    Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text))))
}

#[expect(clippy::needless_pass_by_value, reason = "the engine calls it so")]
fn in_network<'b, 'v>(operands: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [address, network] = two(IN_NETWORK, &operands)?;
    let address = address.downcast_ref::<CelString<'_>>().map(CelString::inner);
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    let network = network.downcast_ref::<Network>();
    let (address, network) = address.zip(network).ok_or_else(|| wrong(IN_NETWORK))?;
    Ok(CowVal::owned(CelBool::from(network.0.contains(&address.to_canonical()))))
}

fn two<'o, 'v>(
    name: &str,
    operands: &'o [CowVal<'_, 'v>],
) -> Result<[&'o (dyn Val + 'v); 2], ExecutionError> {
    match operands {
        [one, two] => Ok([one.as_ref(), two.as_ref()]),
        _ => Err(wrong(name)),
    }
}

fn wrong(name: &str) -> ExecutionError {
    ExecutionError::function_error(name, "an operand is not what it takes")
}
