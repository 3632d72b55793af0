//! Which words do the engines have for what SQL leaves open?
//!
//! Everything that they say differently stands in [`Dialect`]; below it what both understand.

use crate::store::distinct::{RANK_BITS, REGISTER_BITS};
use crate::store::value::Value;

/// Largest relative error of a bucket.
const ERROR: f64 = 0.005;
/// How much wider a bucket of amounts is than the one before.
pub const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB's.
    #[default]
    DuckDb,
    /// ClickHouse's.
    ClickHouse,
}

impl Dialect {
    /// Where a query has its `number`th parameter, from 1.
    pub fn place(self, number: usize, value: &Value) -> String {
        match (self, value) {
            (Self::DuckDb, Value::Number(_)) => format!("${number}::BIGINT"),
            (Self::DuckDb, Value::Amount(_)) => format!("${number}::UBIGINT"),
            (Self::DuckDb, _) => format!("${number}"),
            (Self::ClickHouse, Value::Number(_)) => format!("{{p{number}:Int64}}"),
            (Self::ClickHouse, Value::Amount(_)) => format!("{{p{number}:UInt64}}"),
            (Self::ClickHouse, Value::Real(_)) => format!("{{p{number}:Float64}}"),
            (Self::ClickHouse, Value::Flag(_)) => format!("{{p{number}:Bool}}"),
            (Self::ClickHouse, Value::Text(_)) => format!("{{p{number}:String}}"),
            // A parameter is a text, and bytes need not be one.
            (Self::ClickHouse, Value::Bytes(_)) => format!("unhex({{p{number}:String}})"),
        }
    }

    /// Bytes as an answer has them: where answers are texts, their hexadecimal digits.
    pub fn shown(self, bytes: &str) -> String {
        match self {
            Self::DuckDb => bytes.to_owned(),
            Self::ClickHouse => format!("hex({bytes})"),
        }
    }

    /// A number of 128 bits.
    fn wide(self, number: &str) -> String {
        match self {
            Self::DuckDb => format!("{number}::HUGEINT"),
            Self::ClickHouse => format!("{number}::Int128"),
        }
    }

    /// A number of 64 bits that differs where values differ.
    pub fn digest(self, value: &str) -> String {
        match self {
            Self::DuckDb => format!("hash({value})"),
            Self::ClickHouse => format!("sipHash64({value})"),
        }
    }

    /// What is left of a whole without its parts; never less than nothing.
    pub fn remainder(self, whole: &str, parts: &[&str]) -> String {
        // Parts of a damaged call may add up to more than their type holds.
        let parts: Vec<String> = parts.iter().map(|part| self.wide(part)).collect();
        let left = format!("{} - ({})", self.wide(whole), parts.join(" + "));
        format!("greatest({left}, {})::{}", self.wide("0"), self.amount())
    }

    /// The type of an amount.
    pub const fn amount(self) -> &'static str {
        match self {
            Self::DuckDb => "UBIGINT",
            Self::ClickHouse => "UInt64",
        }
    }

    /// A number of 64 bits that differs where texts differ and is the same for every version of an
    /// engine: the first of SHA-256.
    pub fn lasting_digest(self, text: &str) -> String {
        match self {
            Self::DuckDb => format!("('0x' || substr(sha256({text}), 1, 16))::UBIGINT"),
            Self::ClickHouse => {
                format!("reinterpretAsUInt64(reverse(substring(SHA256({text}), 1, 8)))")
            }
        }
    }

    /// A sum of products; at the largest number of 64 bits where it would pass it.
    pub fn sum(self, amount: &str, weight: &str) -> String {
        let (amount, most) = (self.wide(amount), self.wide("18446744073709551615"));
        format!("least(sum({amount} * {weight}), {most})::DOUBLE")
    }

    /// The sum of products over the sum of weights, of those for which it holds.
    pub fn mean(self, amount: &str, weight: &str, counted: &str) -> String {
        let amount = self.wide(amount);
        format!(
            "coalesce(sum(CASE WHEN {counted} THEN {amount} * {weight} ELSE 0 END)::DOUBLE
                / nullif(sum(CASE WHEN {counted} THEN {weight} ELSE 0 END)::DOUBLE, 0), 0)"
        )
    }

    /// The register of a digest in a sketch of different values.
    pub fn register(self, digest: &str) -> String {
        let mask = (1_u64 << REGISTER_BITS) - 1;
        match self {
            Self::DuckDb => format!("({digest} & {mask})"),
            Self::ClickHouse => format!("bitAnd({digest}, {mask})"),
        }
    }

    /// What a digest has besides its register.
    pub fn rest(self, digest: &str) -> String {
        match self {
            Self::DuckDb => format!("({digest} >> {REGISTER_BITS})"),
            Self::ClickHouse => format!("bitShiftRight({digest}, {REGISTER_BITS})"),
        }
    }

    /// A number of 32 bits, as columns have them, so that these are compared as they lie.
    pub fn code(self, place: &str) -> String {
        match self {
            Self::DuckDb => format!("{place}::UINTEGER"),
            Self::ClickHouse => place.to_owned(),
        }
    }

    /// Pairs of numbers as one text, `1:2 3:4`.
    pub fn pairs(self, first: &str, second: &str) -> String {
        match self {
            Self::DuckDb => {
                format!("string_agg({first}::VARCHAR || ':' || {second}::VARCHAR, ' ')")
            }
            Self::ClickHouse => format!(
                "arrayStringConcat(groupArray(toString({first}) || ':' || toString({second})), ' ')"
            ),
        }
    }

    /// Whether a text begins so.
    pub fn starts_with(self, text: &str, start: &str) -> String {
        match self {
            Self::DuckDb => format!("starts_with({text}::VARCHAR, {start})"),
            Self::ClickHouse => format!("startsWith(toString({text}), {start})"),
        }
    }

    /// Whether a text contains another one, whatever the case of letters.
    pub fn contains(self, text: &str, part: &str) -> String {
        match self {
            Self::DuckDb => format!("contains(lower({text}::VARCHAR), lower({part}))"),
            Self::ClickHouse => {
                format!("position(lowerUTF8(toString({text})), lowerUTF8({part})) > 0")
            }
        }
    }
}

/// The rank of the rest of a digest: its leading zeros, and one. The smallest rest has the largest
/// rank.
pub fn rank(rest: &str) -> String {
    format!(
        "CASE WHEN {rest} = 0 THEN {RANK_BITS} + 1
            ELSE {RANK_BITS} - floor(log2({rest}::DOUBLE))::INTEGER END"
    )
}

/// The start of the part of time that a call is in; `length` is a number or the place of one.
pub fn start(length: &str) -> String {
    format!("(at_us - ((at_us % {length}) + {length}) % {length})")
}

/// The bucket of an amount. Buckets grow by 1 %: bucket `k` holds amounts in `(g^(k-1), g^k]`, −1
/// holds 0. Unlike a digest of the engine's this keeps its promise for every distribution.
pub fn bucket(amount: &str) -> String {
    let scale = GROWTH.ln();
    format!("CASE WHEN {amount} = 0 THEN -1 ELSE ceil(ln({amount}::DOUBLE) / {scale})::INTEGER END")
}

/// The amount that a bucket stands for: off by at most half a percent, and by rounding.
pub fn of_bucket(bucket: &str, largest: &str) -> String {
    let half = 2.0 / (GROWTH + 1.0);
    format!(
        "CASE WHEN {bucket} < 0 THEN 0
            ELSE least(round({half} * pow({GROWTH}, {bucket})), {largest}::DOUBLE) END"
    )
}
