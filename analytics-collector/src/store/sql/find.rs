//! How is a search for calls written?
//!
//! Once for the places of calls, over few columns, and once for the calls at these places.

use super::condition;
use super::dialect::Dialect;
use super::refused::Refused;
use crate::question::{Place, Search, Window};
use crate::store::arguments::Arguments;
use crate::store::table;

/// A search as SQL over `events`.
#[derive(Clone, Debug)]
pub struct Finding {
    condition: String,
    /// The parameters of both queries.
    pub arguments: Arguments,
    /// The time in which a call of the page can be.
    pub window: Window,
}

impl Finding {
    /// Writes a search.
    pub fn new(search: &Search, dialect: Dialect) -> Result<Self, Refused> {
        let mut arguments = Arguments::of(dialect);
        let mut parts = vec![condition::all(&search.conditions, &mut arguments)?];
        if let Some(id) = &search.request_id {
            parts.push(format!("request_id = {}", arguments.bytes(id)));
        }
        if let Some(slower) = search.slower_than_us {
            parts.push(format!("total_us >= {}", arguments.amount(slower)));
        }
        let mut window = search.window;
        if let Some(Place { at_us, request_id }) = search.after {
            window.until_us = window.until_us.min(at_us.saturating_add(1));
            let (at, id) = (arguments.number(at_us), arguments.bytes(&request_id));
            parts.push(format!("(at_us < {at} OR (at_us = {at} AND request_id > {id}))"));
        }
        Ok(Self { condition: parts.join(" AND "), arguments, window })
    }

    /// The first places.
    pub fn places(&self, most: usize) -> String {
        let id = self.arguments.dialect().shown("request_id");
        format!("SELECT at_us, {id} {} LIMIT {most}", self.from(""))
    }

    /// The calls that began at these times; our own numbers, written as text so that the engine
    /// reads only where they are.
    pub fn calls(&self, times: &[i64], most: usize) -> String {
        let columns = table::shown(self.arguments.dialect()).collect::<Vec<_>>().join(", ");
        let times = times.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let at = format!(" AND at_us IN ({times})");
        format!("SELECT {columns} {} LIMIT {most}", self.from(&at))
    }

    fn from(&self, also: &str) -> String {
        let condition = &self.condition;
        format!("FROM events WHERE {condition}{also} ORDER BY at_us DESC, request_id")
    }
}
