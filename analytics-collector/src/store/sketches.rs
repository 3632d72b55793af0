//! How many different users and clients had an API long ago, when nobody knows any more who they were?
//!
//! Beside a segment of counts lies a file with the registers of a sketch ([`super::distinct`]) for every part
//! of time and value of [`KEYS`]. Registers of several parts of time, of several levels and of calls that
//! are still there make one sketch together: of each the largest. A value cannot be read out of them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::distinct::{rank, register};
use super::error::StoreError;
use super::rows::{column, rows};
use super::sql::{Refused, columns};
use super::table::{AT, batch_of};
use crate::event::Row;
use crate::question::{Dimension, Measure, Question};

/// Different values of these are known of old calls though the values are not.
pub const COUNTED: [Dimension; 2] = [Dimension::User, Dimension::ClientIp];

/// By these they can be told apart.
pub const KEYS: [Dimension; 7] = [
    Dimension::Api,
    Dimension::ApiVersion,
    Dimension::ApiContext,
    Dimension::ApiType,
    Dimension::ApiOwner,
    Dimension::Tenant,
    Dimension::Country,
];

/// The column that says of which dimension a register is.
pub const OF: &str = "of";
/// The column of its number.
pub const REGISTER: &str = "register";
/// The column of its largest rank.
pub const HEIGHT: &str = "height";

/// Registers in memory at most; beyond them they are written though higher ones may come.
const MOST: usize = 1 << 20;
/// About as many rows are handed on at a time.
const BATCH_ROWS: usize = 8192;
/// Bytes in front of the row in a key: the time, by which keys are sorted.
const KEY_HEAD: usize = 8;

/// The schema of the file.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let number = |name: &str| Field::new(name, DataType::UInt32, false);
    let keys = KEYS.iter().map(|key| text(columns::of(*key).name));
    let fields = std::iter::once(Field::new(AT, DataType::Int64, false)).chain(keys).chain([
        text(OF),
        number(REGISTER),
        number(HEIGHT),
    ]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Whether a question of old calls needs sketches. They are refused where they do not tell apart what
/// it asks for, or are not `kept` of all of the time.
pub fn check(question: &Question, kept: bool) -> Result<bool, Refused> {
    let asked = question.measures.iter().find_map(|measure| match measure {
        Measure::Distinct(of) => COUNTED.contains(of).then_some(*of),
        _ => None,
    });
    let Some(asked) = asked else { return Ok(false) };
    let conditions = question.conditions.iter().map(|condition| condition.of);
    let mut by = question.by.iter().copied().chain(conditions);
    match by.find(|of| !KEYS.contains(of)) {
        Some(by) => Err(Refused::NotCountedBy { of: asked, by }),
        None if kept => Ok(true),
        None => Err(Refused::NotKept(asked)),
    }
}

/// A number for a text that is the same in every version of everything.
pub fn digest(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Gathers registers.
#[derive(Debug)]
pub struct Sketches {
    grain_us: i64,
    /// The ranks by the place of the dimension in [`COUNTED`] and the register.
    heights: HashMap<Vec<u8>, HashMap<(usize, u32), u32>>,
    registers: usize,
}

impl Sketches {
    /// Calls of so many microseconds are counted together.
    pub fn new(grain_us: i64) -> Self {
        Self { grain_us, heights: HashMap::new(), registers: 0 }
    }

    /// Counts whoever made these calls, as far as it is known.
    pub fn see(&mut self, calls: &[Row]) -> Result<(), StoreError> {
        for call in calls {
            let user = (!call.user.is_empty()).then(|| digest(&call.user));
            let client = (call.address_id != 0).then_some(call.address_id);
            let key = self.key(call)?;
            for (of, digest) in [user, client].into_iter().enumerate() {
                if let Some(digest) = digest {
                    self.raise(&key, (of, register(digest)), rank(digest));
                }
            }
        }
        Ok(())
    }

    /// Adds registers of another file.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let of = column::<StringArray>(batch, OF)?;
        let registers = column::<UInt32Array>(batch, REGISTER)?;
        let heights = column::<UInt32Array>(batch, HEIGHT)?;
        for (at, row) in rows(batch, &KEYS)?.iter().enumerate() {
            let key = self.key(row)?;
            if let Some(of) = COUNTED.iter().position(|it| columns::of(*it).name == of.value(at)) {
                self.raise(&key, (of, registers.value(at)), heights.value(at));
            }
        }
        Ok(())
    }

    /// Whether what is gathered has to be taken now.
    pub const fn is_full(&self) -> bool {
        self.registers >= MOST
    }

    /// Hands on what was gathered, by time, in batches.
    pub fn take(
        &mut self,
        mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut keys: Vec<_> = self.heights.drain().collect();
        self.registers = 0;
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut page = Page::default();
        for (key, heights) in keys {
            page.rows.push(
                Row::decode(key.get(KEY_HEAD..).unwrap_or_default())
                    .map_err(|error| ArrowError::ExternalError(error.into()))?,
            );
            let mut heights: Vec<_> = heights.into_iter().collect();
            heights.sort_unstable();
            for ((of, register), height) in heights {
                page.push(of, register, height);
            }
            if page.of.len() >= BATCH_ROWS {
                each(&std::mem::take(&mut page).batch()?)?;
            }
        }
        if page.rows.is_empty() { Ok(()) } else { each(&page.batch()?) }
    }

    fn raise(&mut self, key: &[u8], place: (usize, u32), height: u32) {
        if !self.heights.contains_key(key) {
            self.heights.insert(key.to_vec(), HashMap::new());
        }
        let Some(heights) = self.heights.get_mut(key) else { return };
        let before = heights.len();
        let known = heights.entry(place).or_default();
        *known = height.max(*known);
        self.registers += heights.len() - before;
    }

    /// The part of time and the values of [`KEYS`].
    fn key(&self, row: &Row) -> Result<Vec<u8>, StoreError> {
        let kept = Row {
            at_us: row.at_us.div_euclid(self.grain_us) * self.grain_us,
            api: row.api.clone(),
            api_version: row.api_version.clone(),
            api_context: row.api_context.clone(),
            api_type: row.api_type.clone(),
            api_owner: row.api_owner.clone(),
            tenant: row.tenant.clone(),
            country: row.country.clone(),
            ..Row::default()
        };
        let mut key = kept.at_us.to_be_bytes().to_vec();
        kept.encode(&mut key).map_err(|error| ArrowError::ExternalError(error.into()))?;
        Ok(key)
    }
}

/// Registers on their way into a batch.
#[derive(Default)]
struct Page {
    /// The keys, each once.
    rows: Vec<Row>,
    /// For each register, the place of its key.
    keys: Vec<u32>,
    of: Vec<&'static str>,
    registers: Vec<u32>,
    heights: Vec<u32>,
}

impl Page {
    fn push(&mut self, of: usize, register: u32, height: u32) {
        let last = self.rows.len().saturating_sub(1);
        self.keys.push(u32::try_from(last).unwrap_or(u32::MAX));
        self.of.push(COUNTED.get(of).map_or("", |of| columns::of(*of).name));
        self.registers.push(register);
        self.heights.push(height);
    }

    fn batch(self) -> Result<RecordBatch, StoreError> {
        let (keys, places) = (batch_of(&self.rows)?, UInt32Array::from(self.keys));
        let spread = |name: &str| {
            let column = keys.column_by_name(name);
            let column =
                column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
            take(column, &places, None)
        };
        let mut all: Vec<ArrayRef> = vec![spread(AT)?];
        for key in KEYS {
            all.push(spread(columns::of(key).name)?);
        }
        all.push(Arc::new(StringArray::from_iter_values(self.of)));
        all.push(Arc::new(UInt32Array::from(self.registers)));
        all.push(Arc::new(UInt32Array::from(self.heights)));
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), all)?)
    }
}
