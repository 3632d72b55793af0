//! Of which kind is a part of an expression, as far as that can be said before a call comes?

use cel::common::ast::{Expr, LiteralValue, operators};

use super::wanted::Wrong;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Text,
    Number,
    List,
    Map,
    Time,
    Duration,
    Null,
    Bytes,
    Type,
    /// Only a call says.
    Any,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Bool => "a truth value",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Null => "null",
            Self::Bytes => "bytes",
            Self::Type => "a type",
            Self::Any => "anything",
        }
    }

    /// Whether it may be one of these.
    fn may_be(self, all: &[Self]) -> bool {
        self == Self::Any || all.contains(&self)
    }

    /// Whether the two may be the same.
    fn may_equal(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }

    /// Whether it may be a truth value, or why not.
    pub(super) fn decides(self) -> Result<(), Wrong> {
        if self.may_be(&[Self::Bool]) {
            return Ok(());
        }
        let reason = format!("it is {}, and has to be true or false", self.name());
        Err((reason, "compare it with something".to_owned()))
    }
}

impl Kind {
    /// Whether it may be a text, or why not.
    pub(super) fn spells(self) -> Result<(), Wrong> {
        if self.may_be(&[Self::Text]) {
            return Ok(());
        }
        Err((
            format!("it is {}, and has to be a text", self.name()),
            "write `string(…)`".to_owned(),
        ))
    }
}

/// The kind of a literal.
pub(super) const fn of_literal(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Bytes(_) => Kind::Bytes,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
        LiteralValue::Null => Kind::Null,
        LiteralValue::String(_) => Kind::Text,
    }
}

/// The text of a literal.
pub(super) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The kind of what an operator makes of its operands. `None`: it is none.
pub(super) fn of_operator(name: &str, operands: &[Kind]) -> Option<Result<Kind, Wrong>> {
    use Kind::{Any, Bool, Duration, List, Map, Number, Text, Time};
    Some(match (name, operands) {
        (operators::CONDITIONAL, [condition, yes, no]) => {
            condition.decides().map(|()| if yes == no { *yes } else { Any })
        }
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
            left.decides().and_then(|()| right.decides()).map(|()| Bool)
        }
        (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [one]) => {
            one.decides().map(|()| Bool)
        }
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
            if left.may_equal(*right) {
                Ok(Bool)
            } else {
                Err(never("equals", *left, *right))
            }
        }
        (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => {
            let ordered = [Text, Number, Time, Duration, Bool];
            if left.may_equal(*right) && left.may_be(&ordered) && right.may_be(&ordered) {
                Ok(Bool)
            } else {
                Err(never("is less or more than", *left, *right))
            }
        }
        (operators::IN, [left, right]) => {
            if right.may_be(&[List, Map]) {
                Ok(Bool)
            } else {
                let (_, suggestion) = never("", *left, *right);
                let reason = format!("nothing is in {}", right.name());
                let for_text = "write `a.contains(b)` for a part of a text".to_owned();
                Err((reason, if *right == Text { for_text } else { suggestion }))
            }
        }
        (operators::INDEX, [of, _]) => {
            if of.may_be(&[List, Map]) {
                Ok(Any)
            } else {
                Err((format!("{} has no members", of.name()), String::new()))
            }
        }
        (
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO,
            [left, right],
        ) => return Some(of_arithmetic(name, *left, *right)),
        (operators::NEGATE, [one]) if one.may_be(&[Number, Duration]) => Ok(*one),
        (operators::NEGATE, [one]) => {
            Err((format!("{} has no negative", one.name()), String::new()))
        }
        _ => return None,
    })
}

fn of_arithmetic(name: &str, left: Kind, right: Kind) -> Result<Kind, Wrong> {
    use Kind::{Any, Duration, List, Number, Text, Time};
    let (adds, subtracts) = (name == operators::ADD, name == operators::SUBSTRACT);
    match (left, right) {
        (Any, _) | (_, Any) => Ok(Any),
        (Number, Number) => Ok(Number),
        (Text, Text) | (List, List) if adds => Ok(left),
        (Duration, Duration) if adds || subtracts => Ok(Duration),
        (Time, Duration) if adds || subtracts => Ok(Time),
        (Duration, Time) if adds => Ok(Time),
        (Time, Time) if subtracts => Ok(Duration),
        _ => Err(never("goes together with", left, right)),
    }
}

fn never(verb: &str, left: Kind, right: Kind) -> Wrong {
    let reason = format!("{} never {verb} {}", left.name(), right.name());
    (reason, "write both as the same type".to_owned())
}
