//! How are calls themselves found, newest first?
//!
//! The rows in memory are looked at first and then segments, those with the newest calls before
//! the others; it ends as soon as no segment that is left can have a call of the page. At first
//! only the places of calls are read, then the whole calls at these places.

use std::sync::Arc;

use duckdb::Connection;

use super::in_force::View;
use super::manifest::SegmentEntry;
use super::query::{Engine, QueryError, run};
use super::read_back;
use super::segment::Segment;
use super::sql::{Dialect, Finding};
use crate::event::Row;
use crate::question::{Found, Place, Search, Window};

impl Engine {
    /// Finds a page of calls. Pages that follow one another neither repeat nor leave out a call
    /// that has a request identifier.
    pub async fn search(self: &Arc<Self>, search: &Search) -> Result<Found, QueryError> {
        let finding = Finding::new(search, Dialect::DuckDb)?;
        let (window, most) = (finding.window, search.most);
        self.work(window, move |connection, view| page(connection, view, &finding, most)).await
    }
}

fn page(
    connection: &Connection,
    mut view: View,
    finding: &Finding,
    most: usize,
) -> duckdb::Result<Found> {
    // Of calls that were only counted nothing is left to be found.
    view.segments.retain(|segment| segment.entry.grain_us == 0);
    let (places, read) = places(connection, &view, finding, most.saturating_add(1))?;
    let more = places.len() > most;
    let wanted = places.get(..most.min(places.len())).unwrap_or_default();
    let (Some(newest), Some(oldest)) = (wanted.first(), wanted.last()) else {
        return Ok(Found { rows: Vec::new(), next: None });
    };
    let window = Window { since_us: oldest.0, until_us: newest.0.saturating_add(1) };
    let mut times: Vec<i64> = wanted.iter().map(|(at_us, _)| *at_us).collect();
    times.dedup();
    let sql = finding.calls(&times, wanted.len());
    let has_one = |SegmentEntry { first_us, last_us, .. }: &SegmentEntry| {
        times.iter().any(|at_us| (*first_us..=*last_us).contains(at_us))
    };
    let segments = read.into_iter().filter(|segment| has_one(&segment.entry)).collect();
    let view = View { segments, newest: view.newest };
    let read = |found: &duckdb::Row<'_>| read_back::row(found);
    let rows = run(connection, view, window, &sql, &finding.arguments, read)?;
    let next = rows.last().filter(|_| more).map(place);
    Ok(Found { rows, next })
}

/// When a call began, and which it was.
type At = (i64, Vec<u8>);

/// The places of the first calls, in order, and the segments that were looked at.
fn places(
    connection: &Connection,
    view: &View,
    finding: &Finding,
    most: usize,
) -> duckdb::Result<(Vec<At>, Vec<Arc<Segment>>)> {
    let sql = finding.places(most);
    let look = |view: View| {
        let read = |row: &duckdb::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        run(connection, view, finding.window, &sql, &finding.arguments, read)
    };
    let mut places: Vec<At> = look(View { segments: Vec::new(), newest: view.newest.clone() })?;
    let mut segments = view.segments.clone();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.entry.last_us));
    let (mut looked_at, mut together) = (0, 1);
    while let Some(next) = segments.get(looked_at) {
        let last = places.get(most.saturating_sub(1));
        if last.is_some_and(|(at_us, _)| *at_us > next.entry.last_us) {
            break;
        }
        let until = segments.len().min(looked_at + together);
        let some = segments.get(looked_at..until).unwrap_or_default().to_vec();
        places.extend(look(View { segments: some, newest: Vec::new() })?);
        places.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        places.truncate(most);
        // A rare call may be far back: then many files at a time are quicker.
        (looked_at, together) = (until, together.saturating_mul(4));
    }
    segments.truncate(looked_at);
    Ok((places, segments))
}

/// Where a call stands in the order of calls.
pub(super) fn place(row: &Row) -> Place {
    let request_id = <[u8; 16]>::try_from(row.request_id.as_slice()).unwrap_or_default();
    Place { at_us: row.at_us, request_id }
}
