//! How does what a caller says reach the query engine?
//!
//! As parameters, in order, and never as text of a query.

use super::sql::Dialect;
use super::value::Value;

/// Parameters of a query.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    dialect: Dialect,
    values: Vec<Value>,
}

impl Arguments {
    /// None yet, of a query in this dialect.
    pub const fn of(dialect: Dialect) -> Self {
        Self { dialect, values: Vec::new() }
    }

    /// The dialect of the query.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds a number and says its place.
    pub fn number(&mut self, number: i64) -> String {
        self.push(Value::Number(number))
    }

    /// Adds a number that is not negative and says its place.
    pub fn amount(&mut self, number: u64) -> String {
        self.push(Value::Amount(number))
    }

    /// Adds a text and says its place.
    pub fn text(&mut self, text: &str) -> String {
        self.push(Value::Text(text.to_owned()))
    }

    /// Adds yes or no and says its place.
    pub fn flag(&mut self, yes: bool) -> String {
        self.push(Value::Flag(yes))
    }

    /// Adds bytes and says their place.
    pub fn bytes(&mut self, bytes: &[u8]) -> String {
        self.push(Value::Bytes(bytes.to_vec()))
    }

    /// All of them, in order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    fn push(&mut self, value: Value) -> String {
        let place = self.dialect.place(self.values.len() + 1, &value);
        self.values.push(value);
        place
    }
}
