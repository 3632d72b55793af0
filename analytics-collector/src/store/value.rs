//! What goes into a query, and what comes out of one?

/// A value, whichever engine it goes to or comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A number that is not negative.
    Amount(u64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}
