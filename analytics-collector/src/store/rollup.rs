//! What is left of calls that are only counted any more?
//!
//! Rows of the same table, each of which stands for many calls: those of one part of time that are
//! equal in what is kept ([`KEPT`]) and whose times are in the same buckets. Sums, counts and
//! quantiles of what is kept come out as they were; the largest time is off by a bucket at most.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use detect::span::MINUTE_US;
use prost::Message as _;

use super::error::StoreError;
use super::rows;
use super::sketches::COUNTED;
use super::sql::Refused;
use super::sql::dialect::GROWTH;
use super::table::{batch_of, completed};
use crate::event::Row;
use crate::question::{Amount, Dimension, Measure, Question};

/// The dimensions that counts keep.
pub const KEPT: [Dimension; 18] = [
    Dimension::Api,
    Dimension::ApiVersion,
    Dimension::ApiContext,
    Dimension::ApiType,
    Dimension::ApiOwner,
    Dimension::Tenant,
    Dimension::Operation,
    Dimension::Method,
    Dimension::Application,
    Dimension::ApplicationOwner,
    Dimension::ConsumerKey,
    Dimension::KeyType,
    Dimension::Country,
    Dimension::Status,
    Dimension::FaultCode,
    Dimension::FaultType,
    Dimension::FaultSubtype,
    Dimension::FromCache,
];

/// Groups in memory at most; beyond them rows are written though more calls of theirs may come.
const MOST_GROUPS: usize = 65_536;
/// About as many rows are handed on at a time.
const BATCH_ROWS: usize = 8192;
/// Bytes in front of the row in the key of a group: the time, by which groups are sorted, and the
/// buckets.
const KEY_HEAD: usize = 16;
/// How many amounts a row has. The first two are told apart by bucket.
const AMOUNTS: usize = 8;

/// Whether counts by so many microseconds answer a question, but for the different values of what
/// sketches are kept of.
pub fn check(question: &Question, grain_us: i64) -> Result<(), Refused> {
    if question.interval_us.is_some_and(|interval| interval % grain_us != 0) {
        return Err(Refused::TooFine { minutes: grain_us / MINUTE_US });
    }
    let conditions = question.conditions.iter().map(|condition| condition.of);
    let distinct = question.measures.iter().filter_map(|measure| match measure {
        Measure::Distinct(of) => (!COUNTED.contains(of)).then_some(*of),
        _ => None,
    });
    let mut asked = question.by.iter().copied().chain(conditions).chain(distinct);
    if let Some(of) = asked.find(|of| !KEPT.contains(of)) {
        return Err(Refused::NotKept(of));
    }
    let not_kept = question.measures.iter().find_map(|measure| match measure {
        Measure::Max(of) | Measure::Quantile(of, _) => {
            (!matches!(of, Amount::Total | Amount::Backend)).then_some(*of)
        }
        _ => None,
    });
    not_kept.map_or(Ok(()), |of| Err(Refused::AmountNotKept(of)))
}

/// Gathers calls.
#[derive(Debug)]
pub struct Rollup {
    grain_us: i64,
    groups: HashMap<Vec<u8>, Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    calls: u64,
    amounts: [u128; AMOUNTS],
}

impl Rollup {
    /// Calls of so many microseconds are counted together.
    pub fn new(grain_us: i64) -> Self {
        Self { grain_us, groups: HashMap::new() }
    }

    /// Counts calls.
    pub fn add(&mut self, calls: Vec<Row>) -> Result<(), StoreError> {
        for row in calls {
            let amounts = amounts(&row);
            let [total, backend, ..] = amounts;
            let calls = row.calls();
            let kept = Row {
                at_us: row.at_us.div_euclid(self.grain_us) * self.grain_us,
                weight: 0,
                user: String::new(),
                address_id: 0,
                ..with(row, [0; AMOUNTS])
            };
            let mut key = kept.at_us.to_be_bytes().to_vec();
            key.extend([bucket(total), bucket(backend)].map(i32::to_be_bytes).concat());
            kept.encode(&mut key).map_err(|error| ArrowError::ExternalError(error.into()))?;
            let sums = self.groups.entry(key).or_default();
            sums.calls = sums.calls.saturating_add(calls);
            for (sum, amount) in sums.amounts.iter_mut().zip(amounts) {
                *sum = sum.saturating_add(u128::from(amount) * u128::from(calls));
            }
        }
        Ok(())
    }

    /// Whether what is gathered has to be taken now.
    pub fn is_full(&self) -> bool {
        self.groups.len() >= MOST_GROUPS
    }

    /// Hands on what was gathered, by time, in batches.
    pub fn take(
        &mut self,
        mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut groups: Vec<_> = self.groups.drain().collect();
        groups.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut rows = Vec::new();
        for (key, sums) in groups {
            let kept = Row::decode(key.get(KEY_HEAD..).unwrap_or_default())
                .map_err(|error| ArrowError::ExternalError(error.into()))?;
            spread(&kept, &sums, &mut rows);
            if rows.len() >= BATCH_ROWS {
                each(&batch_of(&rows)?)?;
                rows.clear();
            }
        }
        if rows.is_empty() { Ok(()) } else { each(&batch_of(&rows)?) }
    }
}

/// Few rows that add up to the sums: every amount is the mean, rounded down for some calls and up
/// for the others.
fn spread(kept: &Row, sums: &Sums, rows: &mut Vec<Row>) {
    let calls = u128::from(sums.calls.max(1));
    let most = u128::from(u32::MAX);
    let mut ends: Vec<u128> = sums.amounts.iter().map(|sum| sum % calls).collect();
    ends.push(calls);
    ends.sort_unstable();
    let mut from = 0;
    for end in ends {
        while from < end {
            let weight = (end - from).min(most);
            let each = |sum: u128| {
                let amount = sum / calls + u128::from(from < sum % calls);
                u64::try_from(amount).unwrap_or(u64::MAX)
            };
            let row = with(kept.clone(), sums.amounts.map(each));
            rows.push(Row { weight: u32::try_from(weight).unwrap_or(u32::MAX), ..row });
            from += weight;
        }
    }
}

fn amounts(row: &Row) -> [u64; AMOUNTS] {
    [
        row.total_us,
        row.backend_us,
        row.security_us,
        row.throttling_us,
        row.request_mediation_us,
        row.response_mediation_us,
        row.request_bytes,
        row.response_bytes,
    ]
}

fn with(row: Row, amounts: [u64; AMOUNTS]) -> Row {
    let [total, backend, security, throttling, request, answer, received, sent] = amounts;
    Row {
        total_us: total,
        backend_us: backend,
        security_us: security,
        throttling_us: throttling,
        request_mediation_us: request,
        response_mediation_us: answer,
        request_bytes: received,
        response_bytes: sent,
        ..row
    }
}

/// The same buckets as those of quantiles.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a logarithm")]
fn bucket(amount: u64) -> i32 {
    if amount == 0 { -1 } else { ((amount as f64).ln() / GROWTH.ln()).ceil() as i32 }
}

/// What is kept of the rows of a batch, their amounts and weights, and who made them.
pub fn rows_of(batch: &RecordBatch) -> Result<Vec<Row>, StoreError> {
    let batch = &completed(batch)?;
    let mut rows = rows::rows(batch, &[KEPT.as_slice(), &[Dimension::User]].concat())?;
    rows::set_code(batch, "weight", &mut rows, |row| &mut row.weight)?;
    rows::set_amount(batch, "address_id", &mut rows, |row| &mut row.address_id)?;
    for (name, amount_mut) in AMOUNT_COLUMNS {
        rows::set_amount(batch, name, &mut rows, amount_mut)?;
    }
    Ok(rows)
}

/// The columns of the amounts. The first two are told apart by bucket.
pub fn amount_names() -> impl Iterator<Item = &'static str> {
    AMOUNT_COLUMNS.iter().map(|(name, _)| *name)
}

type AmountOf = fn(&mut Row) -> &mut u64;

const AMOUNT_COLUMNS: [(&str, AmountOf); AMOUNTS] = [
    ("total_us", |row| &mut row.total_us),
    ("backend_us", |row| &mut row.backend_us),
    ("security_us", |row| &mut row.security_us),
    ("throttling_us", |row| &mut row.throttling_us),
    ("request_mediation_us", |row| &mut row.request_mediation_us),
    ("response_mediation_us", |row| &mut row.response_mediation_us),
    ("request_bytes", |row| &mut row.request_bytes),
    ("response_bytes", |row| &mut row.response_bytes),
];
