//! How do rows get from memory to segments, and how do old ones go away?
//!
//! A flush freezes the rows in memory together with the log files that hold them, writes them as
//! a segment and says so in the manifest; only then do the log files go. A stop between any two
//! steps leaves the rows in exactly one place that counts.

use std::sync::Arc;

use super::error::StoreError;
use super::manifest::Manifest;
use super::merge;
use super::open::{Catalog, Frozen, Store, logs, segments};
use super::probe::Step;
use super::segment::{self, Aside, Segment};
use super::wal;
use crate::guard::lock;

/// Rows in memory are flushed when there are so many.
pub const FLUSH_ROWS: usize = 65_536;
/// Rows in memory are flushed when their frames have so many bytes.
pub const FLUSH_BYTES: usize = 64 << 20;

/// Whether there are so many rows in memory that they should go to a segment. Never waits for a
/// flush that is under way.
pub fn has_enough(store: &Store) -> bool {
    let (rows, bytes, _) = store.in_force.active();
    rows >= store.settings.flush_rows || bytes >= FLUSH_BYTES
}

/// Whether the rows in memory should go to a segment now: they are many, or old, or an earlier
/// flush has failed. While a segment waits to be handed on, age does not count: one large segment
/// is handed on sooner than many small ones.
pub fn is_flush_due(store: &Store, now_us: i64) -> bool {
    let (rows, _, since_us) = store.in_force.active();
    let waits = store.settings.hand_on.is_some() && store.in_force.oldest().is_some();
    let old = !waits && now_us.saturating_sub(since_us) >= store.settings.flush_after_us;
    has_enough(store) || (rows > 0 && old) || lock(&store.catalog).frozen.is_some()
}

/// Moves the rows in memory to a segment. Says how many there were. After an error the same rows
/// are tried again by the next flush.
pub fn flush(store: &Store) -> Result<usize, StoreError> {
    let mut catalog = lock(&store.catalog);
    freeze(store, &mut catalog)?;
    let number = take_number(&mut catalog);
    let Catalog { manifest, frozen: Some(frozen) } = &mut *catalog else { return Ok(0) };
    let rows = store.in_force.frozen();
    let segment = if let Some(segment) = &frozen.segment {
        Arc::clone(segment)
    } else {
        let aside = segment::write(&segments(&store.settings.folder), number, &rows.batches)?;
        let steps = [Step::SegmentWritten, Step::SegmentNamed];
        Arc::clone(frozen.segment.insert(name(store, aside, steps)?))
    };
    let wal_from = frozen.wal_from;
    let mut next = manifest.clone();
    next.wal_from = wal_from;
    next.set_marks(&frozen.marks);
    next.segments.push(segment.entry.clone());
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
    let choose = |manifest: &Manifest| merge::choose(&manifest.segments, now_us);
    replace(store, choose).map(|(segments, _)| segments)
}

/// Counts the calls of segments that are too old to be kept as they are, and keeps the counts
/// instead. Says how many rows were rolled up.
pub fn roll_up_once(store: &Store, now_us: i64) -> Result<u64, StoreError> {
    let levels = &store.settings.levels;
    let choose = |manifest: &Manifest| levels.choose(&manifest.segments, now_us);
    replace(store, choose).map(|(_, rows)| rows)
}

/// Replaces chosen segments by one, in which calls are counted by what was chosen. Says how many
/// segments and rows were replaced.
fn replace(
    store: &Store,
    choose: impl FnOnce(&Manifest) -> Option<(Vec<u64>, i64)>,
) -> Result<(usize, u64), StoreError> {
    if store.hands_on() {
        // What waits stays as it is: its parts have names by which they may be known elsewhere.
        return Ok((0, 0));
    }
    let (numbers, grain_us, number) = {
        let mut catalog = lock(&store.catalog);
        let Some((numbers, grain_us)) = choose(&catalog.manifest) else { return Ok((0, 0)) };
        (numbers, grain_us, take_number(&mut catalog))
    };
    let folder = segments(&store.settings.folder);
    let parts = store.in_force.segments(&numbers);
    let aside = segment::merge(&folder, number, &parts, grain_us)?;

    let mut catalog = lock(&store.catalog);
    let named = numbers.iter().all(|number| catalog.manifest.names(*number));
    if parts.len() < numbers.len() || !named {
        // Retention was faster.
        return Ok((0, 0));
    }
    let merged = name(store, aside, [Step::MergeWritten, Step::MergeNamed])?;
    let mut next = catalog.manifest.clone();
    next.segments.retain(|entry| !numbers.contains(&entry.number));
    next.segments.push(merged.entry.clone());
    if let Err(error) = commit(store, &mut catalog, next, Step::MergeInForce) {
        let on_disk = Manifest::read(&store.settings.folder);
        // After an error the new manifest may be on disk all the same, and then it needs the file.
        if on_disk.is_ok_and(|manifest| manifest.is_some_and(|manifest| !manifest.names(number))) {
            merged.condemn();
        }
        return Err(error);
    }
    store.in_force.replace(&numbers, Some(merged));
    Ok((numbers.len(), parts.iter().map(|part| part.entry.rows).sum()))
}

/// Forgets segments whose calls are all older than calls or counts are kept. Says how many rows
/// went. What waits to be handed on is not forgotten.
pub fn forget(store: &Store, now_us: i64) -> Result<u64, StoreError> {
    let levels = &store.settings.levels;
    lock(&store.log).marks.prune(now_us);
    if store.hands_on() {
        return Ok(0);
    }
    let mut catalog = lock(&store.catalog);
    let mut next = catalog.manifest.clone();
    let gone: Vec<_> =
        next.segments.extract_if(.., |entry| levels.is_over(entry, now_us)).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    commit(store, &mut catalog, next, Step::Forgotten)?;
    let numbers: Vec<u64> = gone.iter().map(|entry| entry.number).collect();
    store.in_force.replace(&numbers, None);
    Ok(gone.iter().map(|entry| entry.rows).sum())
}

/// Gives up a segment that another engine has now.
pub fn hand_on(store: &Store, number: u64) -> Result<(), StoreError> {
    let mut catalog = lock(&store.catalog);
    let mut next = catalog.manifest.clone();
    next.segments.retain(|entry| entry.number != number);
    commit(store, &mut catalog, next, Step::HandedOn)?;
    store.in_force.replace(&[number], None);
    Ok(())
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
    catalog.frozen = Some(Frozen { wal_from, marks, segment: None });
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
) -> Result<Arc<Segment>, StoreError> {
    let folder = segments(&store.settings.folder);
    pass(store, written)?;
    let segment = Segment::new(&folder, aside.name(&folder)?);
    // No manifest names it yet.
    pass(store, named).inspect_err(|_| segment.condemn())?;
    Ok(segment)
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
