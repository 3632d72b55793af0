//! How do rows get from memory to segments, and how do old ones go away?
//!
//! A flush freezes the rows in memory together with the log files that hold them, writes them as
//! a segment and says so in the manifest; only then do the log files go. A stop between any two
//! steps leaves the rows in exactly one place that counts.

use super::error::StoreError;
use super::manifest::Manifest;
use super::merge;
use super::open::{Catalog, Store, lock, logs, segments};
use super::probe::Step;
use super::segment::{self, Aside, Segment};
use super::wal;

/// Rows in memory are flushed when there are so many.
pub const FLUSH_ROWS: usize = 65_536;
/// Rows in memory are flushed when their frames have so many bytes.
pub const FLUSH_BYTES: usize = 64 << 20;

/// Whether the rows in memory should go to a segment now.
pub fn is_flush_due(store: &Store, now_us: i64) -> bool {
    let (rows, bytes, since_us) = store.in_force.active();
    let old = now_us.saturating_sub(since_us) >= store.settings.flush_after_us;
    rows >= store.settings.flush_rows
        || bytes >= FLUSH_BYTES
        || (rows > 0 && old)
        || lock(&store.catalog).frozen.is_some()
}

/// Moves the rows in memory to a segment. Says how many there were. After an error the same rows
/// are tried again by the next flush.
pub fn flush(store: &Store) -> Result<usize, StoreError> {
    let mut catalog = lock(&store.catalog);
    freeze(store, &mut catalog)?;
    let Some((wal_from, marks)) = catalog.frozen.clone() else { return Ok(0) };
    let folder = segments(&store.settings.folder);
    let rows = store.in_force.frozen();

    let number = take_number(&mut catalog);
    let mut next = catalog.manifest.clone();
    next.wal_from = wal_from;
    next.set_marks(&marks);
    let written = segment::write(&folder, number, &rows.batches)?;
    let named = written.map(|aside| name(store, aside, [Step::SegmentWritten, Step::SegmentNamed]));
    let segment = named.transpose()?;
    if let Some(segment) = &segment {
        next.segments.push(segment.entry.clone());
    }
    commit(store, &mut catalog, next, Step::ManifestNamed)?;
    catalog.frozen = None;
    store.in_force.flushed(segment);

    let removed = wal::remove_before(&logs(&store.settings.folder), wal_from);
    if let Err(error) = removed {
        // They no longer count; the next flush or start removes them.
        tracing::warn!(%error, "cannot remove log files that are in a segment now");
    }
    pass(store, Step::WalRemoved)?;
    Ok(rows.rows)
}

/// Makes one segment of several small ones, if there are enough. Says how many were merged.
pub fn merge_once(store: &Store, now_us: i64) -> Result<usize, StoreError> {
    let (numbers, number) = {
        let mut catalog = lock(&store.catalog);
        let Some(numbers) = merge::choose(&catalog.manifest.segments, now_us) else { return Ok(0) };
        (numbers, take_number(&mut catalog))
    };
    let folder = segments(&store.settings.folder);
    let parts = store.in_force.segments(&numbers);
    let aside = segment::merge(&folder, number, &parts)?;

    let mut catalog = lock(&store.catalog);
    let held = |number: &u64| catalog.manifest.segments.iter().any(|entry| entry.number == *number);
    if parts.len() < numbers.len() || !numbers.iter().all(held) {
        // Retention was faster; the file has no name and the next start removes it.
        return Ok(0);
    }
    let merged = name(store, aside, [Step::MergeWritten, Step::MergeNamed])?;
    let mut next = catalog.manifest.clone();
    next.segments.retain(|entry| !numbers.contains(&entry.number));
    next.segments.push(merged.entry.clone());
    commit(store, &mut catalog, next, Step::MergeInForce)?;
    store.in_force.replace(&numbers, Some(merged));
    Ok(numbers.len())
}

/// Forgets segments whose last call is older than the retention. Says how many rows went.
pub fn forget(store: &Store, now_us: i64) -> Result<u64, StoreError> {
    let before_us = now_us.saturating_sub(store.settings.retention_us);
    lock(&store.log).marks.prune(now_us);
    let mut catalog = lock(&store.catalog);
    let mut next = catalog.manifest.clone();
    let gone: Vec<_> = next.segments.extract_if(.., |entry| entry.last_us < before_us).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    commit(store, &mut catalog, next, Step::Forgotten)?;
    let numbers: Vec<u64> = gone.iter().map(|entry| entry.number).collect();
    store.in_force.replace(&numbers, None);
    Ok(gone.iter().map(|entry| entry.rows).sum())
}

/// Sets aside what is in memory, unless an earlier flush has not ended yet.
fn freeze(store: &Store, catalog: &mut Catalog) -> Result<(), StoreError> {
    if catalog.frozen.is_some() {
        return Ok(());
    }
    let mut log = lock(&store.log);
    let (rows, _, _) = store.in_force.active();
    if rows == 0 {
        return Ok(());
    }
    let wal_from = log.wal.rotate()?;
    let marks = log.marks.clone();
    store.in_force.freeze();
    catalog.frozen = Some((wal_from, marks));
    drop(log);
    pass(store, Step::WalRotated)
}

/// A number is never used twice by one process, also not after an error: nobody knows then whether
/// the manifest on disk names it.
fn take_number(catalog: &mut Catalog) -> u64 {
    let number = catalog.manifest.next_segment;
    catalog.manifest.next_segment += 1;
    number
}

fn name(
    store: &Store,
    aside: Aside,
    [written, named]: [Step; 2],
) -> Result<std::sync::Arc<Segment>, StoreError> {
    let folder = segments(&store.settings.folder);
    pass(store, written)?;
    let entry = aside.name(&folder)?;
    pass(store, named)?;
    Ok(Segment::new(&folder, entry))
}

fn commit(
    store: &Store,
    catalog: &mut Catalog,
    next: Manifest,
    step: Step,
) -> Result<(), StoreError> {
    next.write(&store.settings.folder)?;
    catalog.manifest = next;
    pass(store, step)
}

fn pass(store: &Store, step: Step) -> Result<(), StoreError> {
    store.probe.pass(step).map_err(StoreError::io("go on in", &store.settings.folder))
}
