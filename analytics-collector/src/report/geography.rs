//! From where was it called, and by how many different clients?

use std::sync::Arc;

use super::ask::{Bounds, ReportError, ask_all, numbers, texts};
use super::filter::{Filter, Interval};
use crate::question::{Dimension, Group, Measure};
use crate::store::Reader;

/// What can be told apart beyond the country.
pub const DETAILS: [Dimension; 3] = [Dimension::Subdivision, Dimension::City, Dimension::Asn];

/// Calls from one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeographyRow {
    /// Two letters; `ZZ`: not a public address; empty: unknown.
    pub country: String,
    /// State, province or canton, if asked for.
    pub subdivision: String,
    /// City, if asked for.
    pub city: String,
    /// Number of the autonomous system, if asked for.
    pub asn: u32,
    /// Name of the Api.
    pub api: String,
    /// How many calls.
    pub calls: u64,
    /// Different client addresses among them.
    pub addresses: u64,
}

/// Places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Most calls first.
    pub rows: Vec<GeographyRow>,
    /// Calls of places that are not shown.
    pub hidden_calls: u64,
}

/// Counts calls by place; `detail` is some of [`DETAILS`].
pub async fn geography(
    reader: &Arc<Reader>,
    filter: &Filter,
    detail: &[Dimension],
    bounds: &Bounds,
) -> Result<Places, ReportError> {
    let by = [&[Dimension::Country, Dimension::Api], detail].concat();
    let measures = [Measure::Calls, Measure::Distinct(Dimension::ClientIp)];
    let question = filter.question(Interval(None), &by, &measures);
    let answer = ask_all(reader, question, bounds).await?;
    let rows = answer.groups.iter().map(|group| row(group, detail)).collect();
    Ok(Places { rows, hidden_calls: answer.hidden_calls })
}

fn row(group: &Group, detail: &[Dimension]) -> GeographyRow {
    let [country, api, first, second, third] = texts(group);
    let [calls, addresses] = numbers(&group.measures);
    let mut row = GeographyRow { country, api, calls, addresses, ..GeographyRow::default() };
    for (of, value) in detail.iter().zip([first, second, third]) {
        match of {
            Dimension::Subdivision => row.subdivision = value,
            Dimension::City => row.city = value,
            _ => row.asn = value.parse().unwrap_or(0),
        }
    }
    row
}
