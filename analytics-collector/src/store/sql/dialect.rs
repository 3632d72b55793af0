//! Which words does DuckDB have for what SQL leaves open?
//!
//! Everything that another engine would say differently stands here.

use crate::store::distinct::{RANK_BITS, REGISTER_BITS};

/// Largest relative error of a bucket.
const ERROR: f64 = 0.005;
/// How much wider a bucket of amounts is than the one before.
pub const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// A number of 64 bits that differs where values differ.
pub fn digest(value: &str) -> String {
    format!("hash({value})")
}

/// A number of 64 bits that differs where texts differ and is the same for every version of the
/// engine: the first of SHA-256.
pub fn lasting_digest(text: &str) -> String {
    format!("('0x' || substr(sha256({text}), 1, 16))::UBIGINT")
}

/// What is left of a whole without its parts; never less than nothing.
pub fn remainder(whole: &str, parts: &[&str]) -> String {
    // Parts of a damaged call may add up to more than their type holds.
    let parts: Vec<String> = parts.iter().map(|part| format!("{part}::HUGEINT")).collect();
    format!("greatest({whole}::HUGEINT - ({}), 0)::UBIGINT", parts.join(" + "))
}

/// The start of the part of time that a call is in; `length` is the place of a parameter.
pub fn start(length: &str) -> String {
    format!("(at_us - ((at_us % {length}::BIGINT) + {length}::BIGINT) % {length}::BIGINT)")
}

/// A sum of products; at the largest number of 64 bits where it would pass it.
pub fn sum(amount: &str, weight: &str) -> String {
    format!("least(sum({amount}::HUGEINT * {weight}), 18446744073709551615::HUGEINT)::DOUBLE")
}

/// The sum of products over the sum of weights, of those for which it holds.
pub fn mean(amount: &str, weight: &str, counted: &str) -> String {
    format!(
        "coalesce(sum(CASE WHEN {counted} THEN {amount}::HUGEINT * {weight} ELSE 0 END)::DOUBLE
            / nullif(sum(CASE WHEN {counted} THEN {weight} ELSE 0 END), 0)::DOUBLE, 0)"
    )
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

/// The register of a digest in a sketch of different values.
pub fn register(digest: &str) -> String {
    format!("({digest} & {})", (1_u64 << REGISTER_BITS) - 1)
}

/// The rank of a digest in its register: leading zeros of the rest, and one.
pub fn rank(digest: &str) -> String {
    format!(
        "CASE WHEN ({digest} >> {REGISTER_BITS}) = 0 THEN {RANK_BITS} + 1
            ELSE {RANK_BITS} - floor(log2(({digest} >> {REGISTER_BITS})::DOUBLE))::INTEGER END"
    )
}

/// Pairs of numbers as one text, `1:2 3:4`.
pub fn pairs(first: &str, second: &str) -> String {
    format!("string_agg({first}::VARCHAR || ':' || {second}::VARCHAR, ' ')")
}

/// Whether a text begins so.
pub fn starts_with(text: &str, start: &str) -> String {
    format!("starts_with({text}::VARCHAR, {start})")
}

/// Whether a text contains another one, whatever the case of letters.
pub fn contains(text: &str, part: &str) -> String {
    format!("contains(lower({text}::VARCHAR), lower({part}))")
}
