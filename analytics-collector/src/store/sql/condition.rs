//! How is it said what must hold of a call?

use std::net::IpAddr;

use super::columns::{self, Column, Kind};
use super::refused::Refused;
use crate::question::{Condition, Dimension, Test};
use crate::store::arguments::Arguments;

/// All conditions together, as SQL.
pub fn all(conditions: &[Condition], arguments: &mut Arguments) -> Result<String, Refused> {
    let said: Result<Vec<String>, Refused> = conditions
        .iter()
        .map(|condition| Ok(format!("({})", one(condition, arguments)?)))
        .collect();
    let said = said?;
    Ok(if said.is_empty() { "true".to_owned() } else { said.join(" AND ") })
}

fn one(condition: &Condition, arguments: &mut Arguments) -> Result<String, Refused> {
    let column = columns::of(condition.of);
    let sql = column.sql();
    match &condition.test {
        Test::OneOf(values) => Ok(among(column, values, arguments)),
        Test::NoneOf(values) => Ok(format!("NOT ({})", among(column, values, arguments))),
        Test::Prefix(start) => {
            let column = textual(condition.of, column, "how it begins")?;
            let start = arguments.text(start);
            Ok(arguments.dialect().starts_with(&column.sql(), &start))
        }
        Test::Contains(part) => {
            let column = textual(condition.of, column, "what it contains")?;
            let part = arguments.text(part);
            Ok(arguments.dialect().contains(&column.sql(), &part))
        }
        Test::Between(first, last) if column.kind == Kind::Number => {
            let most = u32::MAX.into();
            if first > last || *last < 0 || *first > most {
                return Ok("false".to_owned());
            }
            // The engine skips what is outside only where the column stands alone.
            let (first, last) = (code(*first, arguments), code((*last).min(most), arguments));
            Ok(format!("{sql} BETWEEN {first} AND {last}"))
        }
        Test::Between(..) => Err(Refused::Test { of: condition.of, test: "a span of numbers" }),
    }
}

/// Numbers have a text too, addresses do not: how one is written is nothing that the store keeps.
fn textual(of: Dimension, column: Column, test: &'static str) -> Result<Column, Refused> {
    match column.kind {
        Kind::Text | Kind::Number => Ok(column),
        Kind::Flag | Kind::Address => Err(Refused::Test { of, test }),
    }
}

/// A value that the column cannot have is among none.
fn among(column: Column, values: &[String], arguments: &mut Arguments) -> String {
    let mut places = Vec::with_capacity(values.len());
    for value in values {
        match column.kind {
            Kind::Text => places.push(arguments.text(value)),
            Kind::Number => {
                places.extend(value.parse::<u32>().map(|number| code(number, arguments)));
            }
            Kind::Flag => places.extend(value.parse().map(|yes| arguments.flag(yes))),
            Kind::Address => places.extend(bytes(value).map(|bytes| arguments.bytes(&bytes))),
        }
    }
    if places.is_empty() {
        return "false".to_owned();
    }
    format!("{} IN ({})", column.sql(), places.join(", "))
}

/// A value of a column of numbers, which have 32 bits; 0 for what is below.
fn code(number: impl TryInto<u32>, arguments: &mut Arguments) -> String {
    let place = arguments.amount(number.try_into().unwrap_or(0).into());
    arguments.dialect().code(&place)
}

/// The bytes of an address; none of an unknown one.
fn bytes(value: &str) -> Option<Vec<u8>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    Some(match value.parse().ok()? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}
