//! How is a scalar field read from its JSON form?

use std::time::Duration;

use prost_reflect::{EnumDescriptor, Kind, Value};

use super::tree::Tree;
use crate::problem::{did_you_mean, nearest, shown};

/// Why a value is not what its field asks for.
pub(crate) struct Wrong {
    pub(crate) reason: String,
    pub(crate) suggestion: String,
}

impl Wrong {
    pub(crate) fn expected(what: &str, found: &Tree) -> Self {
        Self {
            reason: format!("{what} is expected, found {}", found.described()),
            suggestion: String::new(),
        }
    }

    fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: suggestion.into(), ..self }
    }
}

/// A field that is neither a message nor a list nor a map.
pub(crate) fn read(kind: &Kind, tree: Tree) -> Result<Value, Wrong> {
    match kind {
        Kind::String => text(tree),
        Kind::Bool => match tree {
            Tree::Bool(value) => Ok(Value::Bool(value)),
            other => {
                Err(Wrong::expected("true or false", &other).suggest("write it without quotes"))
            }
        },
        Kind::Enum(descriptor) => named(descriptor, &tree),
        Kind::Uint32 | Kind::Fixed32 => {
            whole(&tree, 0, i128::from(u32::MAX)).and_then(|number| number_of(number, Value::U32))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            whole(&tree, 0, i128::from(u64::MAX)).and_then(|number| number_of(number, Value::U64))
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            whole(&tree, i128::from(i32::MIN), i128::from(i32::MAX))
                .and_then(|number| number_of(number, Value::I32))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            whole(&tree, i128::from(i64::MIN), i128::from(i64::MAX))
                .and_then(|number| number_of(number, Value::I64))
        }
        Kind::Double => match &tree {
            Tree::Number(number) => Ok(Value::F64(number.as_f64().unwrap_or_default())),
            other => Err(Wrong::expected("a number", other)),
        },
        Kind::Float | Kind::Bytes | Kind::Message(_) => {
            Err(Wrong::expected("a field that can be written in a file", &tree))
        }
    }
}

fn text(tree: Tree) -> Result<Value, Wrong> {
    match tree {
        Tree::Text(text) => Ok(Value::String(text)),
        // YAML reads `1.0` as a number and `yes` elsewhere as a truth value; what was written is
        // lost by then (1.10 is 1.1), so it is not guessed.
        Tree::Number(_) | Tree::Bool(_) => {
            Err(Wrong::expected("a text", &tree).suggest("put it in quotes"))
        }
        other => Err(Wrong::expected("a text", &other)),
    }
}

fn named(descriptor: &EnumDescriptor, tree: &Tree) -> Result<Value, Wrong> {
    let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
    let choices = format!("one of {}", names.join(", "));
    let found = tree.as_text().ok_or_else(|| Wrong::expected(&choices, tree))?;
    if let Some(value) = descriptor.get_value_by_name(found) {
        return Ok(Value::EnumNumber(value.number()));
    }
    let near = nearest(found, names.iter().map(String::as_str));
    Err(Wrong {
        reason: format!("`{}` is not known here; {choices} is expected", shown(found)),
        suggestion: did_you_mean(near),
    })
}

/// A whole number, also as text as proto3 JSON allows for 64 bits.
fn whole(tree: &Tree, least: i128, most: i128) -> Result<i128, Wrong> {
    let expected = || Wrong::expected(&format!("a whole number from {least} to {most}"), tree);
    let number = match tree {
        Tree::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => whole,
            // 1e3 is a whole number written in another way.
            #[expect(clippy::cast_possible_truncation, reason = "only exact whole numbers")]
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => float as i128,
            _ => return Err(expected()),
        },
        Tree::Text(text) => text.parse().map_err(|_| expected())?,
        _ => return Err(expected()),
    };
    (least..=most).contains(&number).then_some(number).ok_or_else(expected)
}

fn number_of<N: TryFrom<i128>>(number: i128, value: fn(N) -> Value) -> Result<Value, Wrong> {
    // `whole` has checked the range.
    N::try_from(number).map(value).map_err(|_| Wrong {
        reason: format!("{number} is out of range"),
        suggestion: String::new(),
    })
}

/// A text, a number or a truth value, whichever it is. A number is kept as a double, so a whole one
/// that has no double of its own is refused.
pub(crate) fn any(tree: Tree) -> Result<prost_types::Value, Wrong> {
    const EXACT: u64 = 1 << 53;
    let kind = match tree {
        Tree::Text(text) => prost_types::value::Kind::StringValue(text),
        Tree::Bool(value) => prost_types::value::Kind::BoolValue(value),
        Tree::Number(number) => {
            let whole = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            if whole.is_some_and(|whole| whole > EXACT) {
                return Err(Wrong::expected("a number up to 2^53", &Tree::Number(number)));
            }
            prost_types::value::Kind::NumberValue(number.as_f64().unwrap_or_default())
        }
        other => return Err(Wrong::expected("a text, a number or a truth value", &other)),
    };
    Ok(prost_types::Value { kind: Some(kind) })
}

/// proto3 JSON: seconds with a `s`, for example `30s` or `0.5s`.
pub(crate) fn duration(tree: &Tree) -> Result<prost_types::Duration, Wrong> {
    let expected = || Wrong::expected("a duration in seconds like `30s` or `0.5s`", tree);
    let text = match tree {
        Tree::Text(text) => text,
        Tree::Number(number) => return Err(expected().suggest(format!("write `{number}s`"))),
        _ => return Err(expected()),
    };
    let seconds = text.strip_suffix('s').filter(|number| is_decimal(number));
    if let Some(parsed) = seconds.and_then(decimal) {
        return Ok(parsed);
    }
    let suggestion = other_unit(text)
        .map(|duration| format!("write `{}s`", duration.as_secs_f64()))
        .unwrap_or_default();
    Err(expected().suggest(suggestion))
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction) && fraction.len() <= 9
}

fn decimal(text: &str) -> Option<prost_types::Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let nanos = if whole.starts_with('-') { -nanos } else { nanos };
    // The range that google.protobuf.Duration promises.
    (seconds.abs() <= 315_576_000_000).then_some(prost_types::Duration { seconds, nanos })
}

/// `5m`, `1h`, `500ms`, `30d`: what people write elsewhere.
fn other_unit(text: &str) -> Option<Duration> {
    let units =
        [("ms", 0.001), ("m", 60.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0), ("", 1.0)];
    units.into_iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    })
}
