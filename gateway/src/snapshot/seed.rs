//! How does a new gateway start without any control plane?
//!
//! From a file that somebody has put there: everything that a control plane would send to a gateway
//! with these labels, with its signature (`turnpike state export`). What is on the gateway's own disk
//! counts more, unless the file is a later revision of the same epoch.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chassis::pki::Identity;

use super::state::{Refused, State};
use crate::rpc::RpcError;
use crate::rpc::control_plane::{Node, recorded};

/// No state is larger.
const MOST_BYTES: u64 = 1 << 30;

/// Why a file is no configuration to start from.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is larger than any state.
    #[error("it is larger than 1 GiB")]
    Large,
    /// It is not what `turnpike state export` writes.
    #[error("it is no exported state")]
    Broken(#[from] RpcError),
    /// It does not lead where it says, or nobody vouches for it.
    #[error("it cannot be put in force by a gateway with these labels")]
    Refused(#[from] Refused),
}

/// The state of the file at `path`, as what follows `first`, in which nothing is configured.
pub fn read(
    path: &Path,
    first: &State,
    node: &Node,
    identity: &Identity,
) -> Result<State, SeedError> {
    let unreadable = |source| SeedError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(SeedError::Large);
    }
    Ok(first.after(recorded(&bytes)?, node, identity)?)
}

/// The one of the two to start from, and whether it is the file's.
pub fn newer(held: Option<State>, seed: State) -> (State, bool) {
    match held {
        Some(held) if held.epoch != seed.epoch || held.revision >= seed.revision => (held, false),
        _ => (seed, true),
    }
}
