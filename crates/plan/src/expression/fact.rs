//! What does an expression learn of a call?

use std::borrow::Cow;
use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
    CelUInt,
};
use cel::common::value::Val;
use chrono::DateTime;
use serde_json::Value;

use super::wanted::Wanted;

/// What is known of a call, looked up when an expression comes to it.
pub trait Facts: Sync {
    /// What it is in this call. `None`: the call has none, or nobody knows; whatever needs it then
    /// fails.
    fn look_up(&self, wanted: &Wanted) -> Option<Fact<'_>>;

    /// Whether the call has it. `None`: nobody knows.
    fn has(&self, wanted: &Wanted) -> Option<bool>;
}

/// Something that is known of a call.
#[derive(Clone, Debug)]
pub enum Fact<'f> {
    /// A text.
    Text(Cow<'f, str>),
    /// A list of texts.
    Texts(Vec<Cow<'f, str>>),
    /// A number.
    Number(i64),
    /// A time, in microseconds since the Unix epoch.
    TimeUs(i64),
    /// Whatever an issuer said.
    Json(&'f Value),
}

type Boxed<'v> = Box<dyn Val + 'v>;

impl<'f> Fact<'f> {
    /// What it costs to look at it: about one for each byte of text, and some for each value.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Text(text) => of_text(text),
            Self::Texts(list) => list.iter().map(|text| of_text(text)).sum(),
            Self::Number(_) | Self::TimeUs(_) => VALUE,
            Self::Json(value) => of_json(value),
        }
    }

    /// The value in an expression; `None`: it has none, as a time after all times.
    pub(super) fn into_value(self) -> Option<Boxed<'f>> {
        Some(match self {
            Self::Text(text) => Box::new(CelString::from(text)),
            Self::Texts(list) => {
                let each = |text| -> Boxed<'f> { Box::new(CelString::from(text)) };
                Box::new(CelList::from(list.into_iter().map(each).collect::<Vec<_>>()))
            }
            Self::Number(number) => Box::new(CelInt::from(number)),
            Self::TimeUs(at) => {
                Box::new(CelTimestamp::from(DateTime::from_timestamp_micros(at)?.fixed_offset()))
            }
            Self::Json(value) => json(value)?,
        })
    }
}

/// What each value costs, however small.
const VALUE: usize = 16;

const fn of_text(text: &str) -> usize {
    VALUE + text.len()
}

fn of_json(value: &Value) -> usize {
    match value {
        Value::String(text) => of_text(text),
        Value::Array(list) => VALUE + list.iter().map(of_json).sum::<usize>(),
        Value::Object(map) => {
            let each = map.iter().map(|(name, value)| of_text(name) + of_json(value));
            VALUE + each.sum::<usize>()
        }
        _ => VALUE,
    }
}

fn json(value: &Value) -> Option<Boxed<'_>> {
    Some(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64()?)),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(list) => {
            let list: Option<Vec<Boxed<'_>>> = list.iter().map(json).collect();
            Box::new(CelList::from(list?))
        }
        Value::Object(map) => {
            let mut members = HashMap::with_capacity(map.len());
            for (name, value) in map {
                members.insert(CelMapKey::from(name.as_str()), json(value)?);
            }
            Box::new(CelMap::from(members))
        }
    })
}
