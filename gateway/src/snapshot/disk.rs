//! How does the configuration in force survive a restart?
//!
//! Each state that was accepted is written whole to a `Shelf`. Writing is not on the way of a
//! change: the control plane is answered after the swap, and the file follows within a second, at
//! most one at a time, the newest state wins. A gateway that is killed in that second starts from
//! the state before and gets the difference from the control plane; one that stops in order writes
//! the last state on its way out. What is read is used only when a control plane of ours has vouched
//! for it and its hash is the one that was vouched for.
//!
//! ```text
//! "TPSTATE2" · epoch · revision · hash (32) · number of labels · each label's name and value
//! scheme · signature · when it was signed · number of certificates · each certificate
//! number of objects · each object's key and bytes
//! ```
//!
//! Numbers are little-endian and of 64 bits; texts and bytes have their length before them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::pki::{Identity, Signature};
use plan::{ResourceKey, StateHash, Statement};
use rustls_pki_types::CertificateDer;

use super::keep::Keeping;
use super::shelf::{Shelf, ShelfError};
use super::state::State;
use super::vouched::{Unvouched, Vouched};

/// No key and no object is longer; more is damage and is not allocated.
const LONGEST: usize = 64 << 20;
/// No gateway has more labels, and no chain more certificates.
const MOST: u64 = 10_000;
/// Before it nothing was signed; then a file began with the length of the epoch.
const BEGINNING: u64 = u64::from_le_bytes(*b"TPSTATE2");
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
    /// It is of a version that did not sign.
    #[error(
        "it was kept by a version before states were signed; the gateway gets a signed one as soon \
         as a control plane answers"
    )]
    Early,
    /// A number is beyond all measure.
    #[error("{0} of what there are a few")]
    Many(u64),
    /// It stands on nobody's word.
    #[error(
        "nobody vouches for it; where the authority of the control plane has changed, put the one \
         before into ca.pem as well, rename the file back and start again"
    )]
    Unvouched(#[from] Unvouched),
}

/// Opens the place of the states in `directory`.
pub fn shelf(directory: &Path) -> Result<Shelf, ShelfError> {
    Shelf::open(directory, "configuration")
}

/// Keeps `state`, where somebody has vouched for it: another one would not be served.
pub fn write(shelf: &mut Shelf, state: &State) -> Result<(), ShelfError> {
    let objects = state.plan.objects();
    let Some(vouched) = &state.vouched else { return Ok(()) };
    shelf.write(|to| {
        put_number(to, BEGINNING)?;
        put_bytes(to, state.epoch.as_bytes())?;
        put_number(to, state.revision)?;
        to.write_all(&state.hash())?;
        put_vouched(to, vouched)?;
        put_number(to, objects.len() as u64)?;
        objects.iter().try_for_each(|object| {
            put_bytes(to, object.key().as_str().as_bytes())?;
            put_bytes(to, object.bytes())
        })
    })
}

/// The newest state that was kept whole and that a control plane has vouched for, compiled as what
/// follows `first`, in which nothing is configured.
pub fn read(shelf: &Shelf, first: &State, identity: &Identity) -> Option<State> {
    shelf.read(|from| {
        if take_number(from)? != BEGINNING {
            return Err(NoState::Early);
        }
        let epoch = take_text(from)?;
        let revision = take_number(from)?;
        let mut hash = [0; 32];
        from.read_exact(&mut hash)?;
        let labels = take_labels(from)?;
        let signature = Some(take_signature(from)?);
        let said = StateHash::from_bytes(&hash).ok_or(NoState::Hash)?;
        let statement = Statement { epoch: &epoch, revision, hash: said, labels: &labels };
        let vouched = Vouched::by(signature, &statement, identity)?;
        let count = take_number(from)?;
        let mut objects = Vec::new();
        for _ in 0..count {
            let key = take_text(from)?;
            objects.push((ResourceKey::from_wire(&key), Bytes::from(take_bytes(from)?)));
        }
        let state = first.replaced(epoch, revision, &objects);
        let vouched = Some(Arc::new(vouched));
        if state.hash() == hash { Ok(State { vouched, ..state }) } else { Err(NoState::Hash) }
    })
}

/// Keeps each state that is put in force.
pub const fn keeping(shelf: Shelf) -> Keeping<State> {
    Keeping { shelf, write, pause: PAUSE, name: "configuration" }
}

fn put_vouched(to: &mut dyn Write, vouched: &Vouched) -> io::Result<()> {
    let Vouched { labels, signature } = vouched;
    put_number(to, labels.len() as u64)?;
    for (name, value) in labels {
        put_bytes(to, name.as_bytes())?;
        put_bytes(to, value.as_bytes())?;
    }
    put_number(to, signature.scheme.into())?;
    put_bytes(to, &signature.bytes)?;
    to.write_all(&signature.signed_at.to_le_bytes())?;
    put_number(to, signature.chain.len() as u64)?;
    signature.chain.iter().try_for_each(|certificate| put_bytes(to, certificate))
}

fn take_labels(from: &mut dyn Read) -> Result<BTreeMap<String, String>, NoState> {
    (0..take_count(from)?).map(|_| Ok((take_text(from)?, take_text(from)?))).collect()
}

fn take_signature(from: &mut dyn Read) -> Result<Signature, NoState> {
    let scheme = take_number(from)?;
    let scheme = u16::try_from(scheme).map_err(|_| NoState::Many(scheme))?;
    let bytes = take_bytes(from)?;
    let signed_at = i64::from_le_bytes(take_number(from)?.to_le_bytes());
    let count = take_count(from)?;
    let chain: Result<_, NoState> =
        (0..count).map(|_| Ok(CertificateDer::from(take_bytes(from)?))).collect();
    Ok(Signature { scheme, bytes, chain: chain?, signed_at })
}

fn take_count(from: &mut dyn Read) -> Result<u64, NoState> {
    let count = take_number(from)?;
    if count > MOST { Err(NoState::Many(count)) } else { Ok(count) }
}

fn take_text(from: &mut dyn Read) -> Result<String, NoState> {
    Ok(String::from_utf8(take_bytes(from)?)?)
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
