//! How do the keys of a gateway survive its restart?
//!
//! As PKCS#8 in files that only their owner may read, beside the rest of what it keeps. They leave the
//! machine in no other way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{SigningError, SigningKey};
use serde::{Deserialize, Serialize};

use super::ring::{Held, Ring, Stage};
use super::signer::Signer;
use crate::snapshot::{Shelf, ShelfError};

/// Why kept bytes are no keys.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("no list of keys")]
    Json(#[from] serde_json::Error),
    #[error("no algorithm")]
    Algorithm(#[from] jose::UnknownAlgorithm),
    #[error("no base64url")]
    Base64(#[from] base64::DecodeError),
    #[error("no key")]
    Key(#[from] SigningError),
}

#[derive(Serialize, Deserialize)]
struct Record {
    algorithm: String,
    /// base64url.
    pkcs8: String,
    stage: Stage,
    since: i64,
    told: Option<i64>,
}

/// Writes the keys down.
pub(super) fn write(shelf: &mut Shelf, ring: &Ring) -> Result<(), ShelfError> {
    shelf.write(|to| {
        let mut records = Vec::with_capacity(ring.0.len());
        for held in &ring.0 {
            let key = held.signer.key();
            let pkcs8 = key.to_pkcs8().map_err(io::Error::other)?;
            records.push(Record {
                algorithm: key.algorithm().name().to_owned(),
                pkcs8: URL_SAFE_NO_PAD.encode(&*pkcs8),
                stage: held.stage,
                since: held.since,
                told: held.told,
            });
        }
        Ok(serde_json::to_writer(to, &records)?)
    })
}

/// The keys that were written down last; none, if none can be read.
pub(super) fn read(shelf: &Shelf) -> Ring {
    let read = shelf.read(|from| {
        let records: Vec<Record> = serde_json::from_reader(from)?;
        let held = records.into_iter().map(|record| {
            let der = URL_SAFE_NO_PAD.decode(record.pkcs8)?;
            let key = SigningKey::from_pkcs8(record.algorithm.parse()?, &der)?;
            let Record { stage, since, told, .. } = record;
            Ok::<_, NoKeys>(Held { signer: Arc::new(Signer::new(key)), stage, since, told })
        });
        held.collect::<Result<Vec<_>, NoKeys>>()
    });
    Ring(read.unwrap_or_default())
}

/// The public keys of all gateways, as JWK texts by their thumbprints.
pub(super) type Fleet = BTreeMap<String, String>;

/// Writes down which keys all gateways have.
pub(super) fn write_fleet(shelf: &mut Shelf, fleet: &Fleet) -> Result<(), ShelfError> {
    shelf.write(|to| Ok(serde_json::to_writer(to, fleet)?))
}

/// The keys of all gateways as written down last.
pub(super) fn read_fleet(shelf: &Shelf) -> Fleet {
    let read = shelf.read(|from| Ok::<Fleet, NoKeys>(serde_json::from_reader(from)?));
    read.unwrap_or_default()
}
