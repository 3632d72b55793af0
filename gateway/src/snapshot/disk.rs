//! How does the configuration in force survive a restart?
//!
//! Each state that was accepted is written whole to a `Shelf`. Writing is not on the way of a
//! change: the control plane is answered after the swap, and the file follows within a second, at
//! most one at a time, the newest state wins. A gateway that is killed in that second starts from
//! the state before and gets the difference from the control plane; one that stops in order writes
//! the last state on its way out. What is read is used only when its hash is the one written.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use plan::ResourceKey;

use super::keep::Keeping;
use super::shelf::{Shelf, ShelfError};
use super::state::State;

/// No key and no object is longer; more is damage and is not allocated.
const LONGEST: usize = 64 << 20;
/// Between two writings, at least.
const PAUSE: Duration = Duration::from_millis(200);

/// Why kept bytes are no state.
#[derive(Debug, thiserror::Error)]
pub enum NoState {
    /// They end too early, or the disk fails.
    #[error("cannot be read")]
    Read(#[from] io::Error),
    /// A word is not text.
    #[error("a name is not text")]
    Text(#[from] std::string::FromUtf8Error),
    /// A length is beyond all measure.
    #[error("an entry of {0} bytes")]
    Length(u64),
    /// The objects are not those that were written.
    #[error("the objects do not lead to the hash")]
    Hash,
}

/// Opens the place of the states in `directory`.
pub fn shelf(directory: &Path) -> Result<Shelf, ShelfError> {
    Shelf::open(directory, "configuration")
}

/// Keeps `state`.
pub fn write(shelf: &mut Shelf, state: &State) -> Result<(), ShelfError> {
    let objects = state.plan.objects();
    shelf.write(|to| {
        put_bytes(to, state.epoch.as_bytes())?;
        put_number(to, state.revision)?;
        to.write_all(&state.hash())?;
        put_number(to, objects.len() as u64)?;
        objects.iter().try_for_each(|object| {
            put_bytes(to, object.key().as_str().as_bytes())?;
            put_bytes(to, object.bytes())
        })
    })
}

/// The newest state that was kept whole, compiled as what follows `first`, in which nothing is configured.
pub fn read(shelf: &Shelf, first: &State) -> Option<State> {
    shelf.read(|from| {
        let epoch = String::from_utf8(take_bytes(from)?)?;
        let revision = take_number(from)?;
        let mut hash = [0; 32];
        from.read_exact(&mut hash)?;
        let count = take_number(from)?;
        let mut objects = Vec::new();
        for _ in 0..count {
            let key = String::from_utf8(take_bytes(from)?)?;
            objects.push((ResourceKey::from_wire(&key), Bytes::from(take_bytes(from)?)));
        }
        let state = first.replaced(epoch, revision, &objects);
        if state.hash() == hash { Ok(state) } else { Err(NoState::Hash) }
    })
}

/// Keeps each state that is put in force.
pub const fn keeping(shelf: Shelf) -> Keeping<State> {
    Keeping { shelf, write, pause: PAUSE, name: "configuration" }
}

fn put_number(to: &mut dyn Write, number: u64) -> io::Result<()> {
    to.write_all(&number.to_le_bytes())
}

fn put_bytes(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    put_number(to, bytes.len() as u64)?;
    to.write_all(bytes)
}

fn take_number(from: &mut dyn Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn take_bytes(from: &mut dyn Read) -> Result<Vec<u8>, NoState> {
    let length = take_number(from)?;
    let size = usize::try_from(length).ok().filter(|size| *size <= LONGEST);
    let mut bytes = vec![0; size.ok_or(NoState::Length(length))?];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
