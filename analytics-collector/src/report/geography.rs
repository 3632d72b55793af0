//! From where was it called, and by how many different clients?

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::{Filter, LIMIT, ReportError, bounded};
use crate::store::distinct::{RANK_BITS, REGISTER_BITS, Sketch};
use crate::store::{Arguments, Reader};

/// Calls from one country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeographyRow {
    /// Two letters; `ZZ`: not a public address; empty: unknown.
    pub country: String,
    /// Name of the Api.
    pub api: String,
    /// How many calls.
    pub calls: u64,
    /// Different client addresses among them.
    pub addresses: u64,
}

/// Registers of one rank.
struct Rank {
    country: String,
    api: String,
    /// Leading zeros and one; 0: no address.
    height: u32,
    registers: u32,
    calls: u64,
}

/// Counts calls by country; most first.
pub async fn geography(
    reader: &Arc<Reader>,
    filter: &Filter,
) -> Result<Vec<GeographyRow>, ReportError> {
    let mut arguments = Arguments::default();
    let condition = filter.condition("true", &mut arguments);
    // Every row of the answer has at least one of the ranks, so this many are enough to notice
    // that there are too many.
    let limit = LIMIT * (RANK_BITS as usize + 2);
    let mask = (1_u64 << REGISTER_BITS) - 1;
    // Events without an address are a register of their own, with rank 0.
    let sql = format!(
        "SELECT country, api, rank::UINTEGER, count(*)::UINTEGER, sum(n)::UBIGINT
        FROM (
            SELECT country, api, count(*) AS n,
                CASE WHEN address_id = 0 THEN -1 ELSE (address_id & {mask})::INTEGER END AS register,
                max(CASE WHEN address_id = 0 THEN 0
                    WHEN (address_id >> {REGISTER_BITS}) = 0 THEN {RANK_BITS} + 1
                    ELSE {RANK_BITS} - floor(log2((address_id >> {REGISTER_BITS})::DOUBLE))::INTEGER
                END) AS rank
            FROM events {condition}
            GROUP BY country, api, register)
        GROUP BY country, api, rank
        LIMIT {limit}"
    );
    let ranks = reader.ask(filter.window, sql, arguments, |row| {
        Ok(Rank {
            country: row.get(0)?,
            api: row.get(1)?,
            height: row.get(2)?,
            registers: row.get(3)?,
            calls: row.get(4)?,
        })
    });
    bounded(fold(ranks.await?))
}

fn fold(ranks: Vec<Rank>) -> Vec<GeographyRow> {
    let mut places: HashMap<(String, String), (u64, Sketch)> = HashMap::new();
    for Rank { country, api, height, registers, calls } in ranks {
        let (sum, sketch) = places.entry((country, api)).or_default();
        *sum += calls;
        sketch.add(height, registers);
    }
    let mut rows: Vec<GeographyRow> = places
        .into_iter()
        .map(|((country, api), (calls, sketch))| {
            // More addresses than calls cannot be: few values are estimated with a small error.
            GeographyRow { country, api, calls, addresses: sketch.estimate().min(calls) }
        })
        .collect();
    rows.sort_unstable_by(|a, b| {
        b.calls.cmp(&a.calls).then_with(|| (&a.country, &a.api).cmp(&(&b.country, &b.api)))
    });
    rows
}
