//! How does what a caller says reach the query engine?
//!
//! As parameters, `$1`, `$2` … in order, and never as text of a query.

use duckdb::types::Value;

/// Parameters of a query.
#[derive(Clone, Debug, Default)]
pub struct Arguments(Vec<Value>);

impl Arguments {
    /// Adds a number and says its place.
    pub fn number(&mut self, number: i64) -> String {
        self.push(Value::BigInt(number))
    }

    /// Adds a number that is not negative and says its place.
    pub fn amount(&mut self, number: u64) -> String {
        self.push(Value::UBigInt(number))
    }

    /// Adds a text and says its place.
    pub fn text(&mut self, text: &str) -> String {
        self.push(Value::Text(text.to_owned()))
    }

    /// Adds yes or no and says its place.
    pub fn flag(&mut self, yes: bool) -> String {
        self.push(Value::Boolean(yes))
    }

    /// Adds bytes and says their place.
    pub fn bytes(&mut self, bytes: &[u8]) -> String {
        self.push(Value::Blob(bytes.to_vec()))
    }

    /// All of them, in order.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    fn push(&mut self, value: Value) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }
}
