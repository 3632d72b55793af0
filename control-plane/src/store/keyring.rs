//! Under which keys are secrets sealed, and who can open them?
//!
//! Values are sealed under data keys. Data keys lie in the store, wrapped under the master key, which
//! lies in a file and never in the store. So the master key is replaced by wrapping a handful of keys
//! anew; no value is touched. A control plane whose master key is not the one of the store does not
//! work with it at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use bytes::Bytes;
use prost::Message;
use zeroize::Zeroizing;

use super::contract::{Beside, Change, Expected, Range, Store, StoreError};
use super::layout::OBJECTS;
use super::record::is_sealed_directly;
use super::seal::{KEY_LEN, MasterKey, SealError, SealingKey, next_of};

/// Where the wrapped keys lie.
const RING: &str = "keys/ring";
/// The master key of the time before there were data keys.
const DIRECT: &str = "direct";
/// Seals values of secrets.
const SECRETS: &str = "secrets";
/// Ties the lines of the audit log together.
const AUDIT: &str = "audit";
/// How many secrets are looked at at a time.
const PAGE: usize = 100;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Another master key.
    #[error(
        "the secrets of this store are sealed with the master key {sealed_by}, and {} holds {found}: \
         put the right file there, or name it as secrets.former_master_key to replace it",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the store names.
        sealed_by: String,
        /// What the file holds.
        found: String,
    },
    /// No master key, and the store needs one.
    #[error(
        "{} does not exist, and the secrets of this store are sealed with the master key {sealed_by}: \
         copy the file from where the store was made",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the store names.
        sealed_by: String,
    },
    /// A replacement was broken off.
    #[error(
        "the secrets of this store are sealed with the master key in {}, which was to replace {}: \
         finish that with `control-plane rotate-master`",
        next_of(path).display(), path.display()
    )]
    Unfinished {
        /// The file of the one that is replaced.
        path: PathBuf,
    },
    /// What the store holds is no ring, or was changed.
    #[error("the data keys of this store cannot be read")]
    Damaged,
    /// A key file.
    #[error(transparent)]
    File(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The data keys of a store, as they lie there.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Ring {
    /// Of the master key that wraps.
    #[prost(string, tag = "1")]
    pub(super) master: String,
    #[prost(message, repeated, tag = "2")]
    keys: Vec<Wrapped>,
}

#[derive(Clone, PartialEq, Message)]
struct Wrapped {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    purpose: String,
    #[prost(bytes = "bytes", tag = "3")]
    key: Bytes,
}

/// The keys of a store. They are there once [`Keyring::settle`] has read them.
pub struct Keyring {
    path: PathBuf,
    /// The key that is on its way out.
    former: Option<MasterKey>,
    keys: RwLock<Option<Arc<Keys>>>,
}

/// The keys, unwrapped.
struct Keys {
    sealing: Vec<(u32, SealingKey)>,
    /// Of the newest data key.
    newest: u32,
    /// Of all keys.
    numbers: Vec<u32>,
    audit: hmac::Key,
}

impl Keyring {
    /// Keys that the file `master` wraps; `former` did until now, where it is replaced. The files are
    /// looked at here, so that what is no key is told at once.
    pub fn new(master: &Path, former: Option<&Path>) -> Result<Self, KeyringError> {
        MasterKey::load(master)?;
        let former = match former {
            Some(path) => {
                let sealed_by = "that is to be replaced".to_owned();
                let missing = || KeyringError::Missing { path: path.to_owned(), sealed_by };
                Some(MasterKey::load(path)?.ok_or_else(missing)?)
            }
            None => None,
        };
        Ok(Self { path: master.to_owned(), former, keys: RwLock::default() })
    }

    /// Reads the keys of `store`; makes them where there are none yet, and wraps them anew where they
    /// are wrapped under the former master key. True: that was done now.
    pub async fn settle(&self, store: &dyn Store) -> Result<bool, KeyringError> {
        loop {
            let Some((ring, bytes)) = ring_of(store).await? else {
                self.make(store).await?;
                continue;
            };
            let master = match self.master(&ring) {
                // Somebody has replaced the master key meanwhile; the keys under it are the same.
                Err(error) if self.holds(&ring) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the next start needs another master key");
                    return Ok(false);
                }
                found => found?,
            };
            if let Some(master) = master.filter(|master| master.id() == ring.master) {
                self.take(Keys::unwrapped(&ring, &master)?);
                return Ok(false);
            }
            match self.wrap_anew(store, &ring, bytes).await {
                Ok(()) => return Ok(true),
                // Somebody else has done it.
                Err(KeyringError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The master key; none: the ring is wrapped under the former one.
    fn master(&self, ring: &Ring) -> Result<Option<MasterKey>, KeyringError> {
        let (path, sealed_by) = (self.path.clone(), ring.master.clone());
        let master = MasterKey::load(&self.path)?;
        if master.as_ref().is_some_and(|master| master.id() == ring.master) {
            return Ok(master);
        }
        if master.is_some() && self.former.as_ref().is_some_and(|former| former.id() == ring.master)
        {
            return Ok(None);
        }
        if MasterKey::load(&next_of(&path))?.is_some_and(|next| next.id() == ring.master) {
            return Err(KeyringError::Unfinished { path });
        }
        Err(match master {
            None => KeyringError::Missing { path, sealed_by },
            Some(master) => {
                KeyringError::Foreign { path, sealed_by, found: master.id().to_owned() }
            }
        })
    }

    /// Whether the keys of `ring` were opened already, under whatever master key.
    fn holds(&self, ring: &Ring) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.as_ref().is_some_and(|keys| keys.numbers == ring.numbers())
    }

    async fn make(&self, store: &dyn Store) -> Result<(), KeyringError> {
        let master = MasterKey::load_or_create(&self.path)?;
        // What lies there from before data keys tells which master key the store has.
        let first = self.former.as_ref().unwrap_or(&master);
        self.check_direct(store, first).await?;
        let random = || Zeroizing::new(chassis::random::bytes::<KEY_LEN>());
        let keys = [(0, DIRECT, Zeroizing::new(first.bytes().to_vec()))];
        let made = [(1, SECRETS, random()), (2, AUDIT, random())];
        let made = made.map(|(number, purpose, key)| (number, purpose, key.to_vec().into()));
        let keys = keys.into_iter().chain(made);
        let wrapped: Result<Vec<Wrapped>, SealError> =
            keys.map(|(number, purpose, key)| wrap(&master, number, purpose, &key)).collect();
        let ring = Ring { master: master.id().to_owned(), keys: wrapped? };
        let made = store.write_beside(&replacing(None, &ring)).await;
        match made {
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// That the values that were sealed directly open with `master`.
    async fn check_direct(
        &self,
        store: &dyn Store,
        master: &MasterKey,
    ) -> Result<(), KeyringError> {
        let (below, to) = (format!("{OBJECTS}Secret/"), format!("{OBJECTS}Secret0"));
        let mut from = below;
        loop {
            let range = Range { from, to: to.clone(), most: PAGE, newest_first: false };
            let page = store.scan(&range).await?;
            let Some(last) = page.last() else { return Ok(()) };
            from = format!("{}\0", last.key);
            for entry in &page {
                let name = entry.key.strip_prefix(OBJECTS).unwrap_or_default();
                if is_sealed_directly(&entry.value)
                    .is_some_and(|sealed| master.sealing().open(name, &sealed).is_err())
                {
                    let (path, sealed_by) =
                        (self.path.clone(), "of another control plane".to_owned());
                    let found = master.id().to_owned();
                    return Err(KeyringError::Foreign { path, sealed_by, found });
                }
            }
        }
    }

    async fn wrap_anew(
        &self,
        store: &dyn Store,
        ring: &Ring,
        stored: Bytes,
    ) -> Result<(), KeyringError> {
        let former = self.former.as_ref().ok_or(KeyringError::Damaged)?;
        let master = MasterKey::load(&self.path)?.ok_or(KeyringError::Damaged)?;
        let anew = ring.under(former, &master)?;
        let keys = Keys::unwrapped(&anew, &master)?;
        store.write_beside(&replacing(Some(stored), &anew)).await?;
        self.take(keys);
        tracing::info!(former = former.id(), master = master.id(), "master key replaced");
        Ok(())
    }

    fn take(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }

    fn keys(&self, name: &str) -> Result<Arc<Keys>, SealError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        keys.ok_or_else(|| SealError::Closed { name: name.to_owned() })
    }

    /// Seals a value; the number of the key comes with it.
    pub fn seal(&self, name: &str, text: &[u8]) -> Result<(u32, Vec<u8>), SealError> {
        let keys = self.keys(name)?;
        let key = keys.of(keys.newest, name)?;
        Ok((keys.newest, key.seal(name, text)?))
    }

    /// Opens a value that the key of this number has sealed; 0: the master key of old. It is overwritten
    /// when it goes.
    pub fn open(
        &self,
        number: u32,
        name: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.keys(name)?.of(number, name)?.open(name, sealed)
    }

    /// The key that ties the lines of the audit log together.
    pub fn audit_key(&self) -> Result<hmac::Key, SealError> {
        Ok(self.keys("the audit log")?.audit.clone())
    }

    /// Keys of their own, in no store.
    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        let random = || chassis::random::bytes::<KEY_LEN>();
        let key = |number| (number, SealingKey::of(&random()).unwrap());
        let audit = hmac::Key::new(hmac::HMAC_SHA256, &random());
        let keys = Keys { sealing: vec![key(0), key(1)], newest: 1, numbers: vec![0, 1, 2], audit };
        let keys = RwLock::new(Some(Arc::new(keys)));
        Self { path: PathBuf::new(), former: None, keys }
    }
}

impl Keys {
    fn unwrapped(ring: &Ring, master: &MasterKey) -> Result<Self, KeyringError> {
        let (mut sealing, mut newest, mut audit) = (Vec::new(), 0, None);
        for one in &ring.keys {
            let key = unwrap(master, one)?;
            if one.purpose == AUDIT {
                audit = Some(hmac::Key::new(hmac::HMAC_SHA256, &key));
                continue;
            }
            newest = newest.max(one.number);
            sealing.push((one.number, SealingKey::of(&key).ok_or(KeyringError::Damaged)?));
        }
        let audit = audit.ok_or(KeyringError::Damaged)?;
        Ok(Self { sealing, newest, numbers: ring.numbers(), audit })
    }

    fn of(&self, number: u32, name: &str) -> Result<&SealingKey, SealError> {
        let found = self.sealing.iter().find(|(known, _)| *known == number);
        found.map(|(_, key)| key).ok_or_else(|| SealError::Closed { name: name.to_owned() })
    }
}

impl Ring {
    fn numbers(&self) -> Vec<u32> {
        self.keys.iter().map(|one| one.number).collect()
    }

    /// The same keys, wrapped under `master` instead of `former`.
    pub(super) fn under(
        &self,
        former: &MasterKey,
        master: &MasterKey,
    ) -> Result<Self, KeyringError> {
        let keys: Result<Vec<Wrapped>, KeyringError> = self
            .keys
            .iter()
            .map(|one| {
                let key = unwrap(former, one)?;
                Ok(wrap(master, one.number, &one.purpose, &key)?)
            })
            .collect();
        Ok(Self { master: master.id().to_owned(), keys: keys? })
    }
}

/// The ring of a store, and its bytes; none: it has none yet.
pub(super) async fn ring_of(store: &dyn Store) -> Result<Option<(Ring, Bytes)>, KeyringError> {
    let Some(entry) = store.get(RING).await? else { return Ok(None) };
    let ring = Ring::decode(entry.value.clone()).map_err(|_| KeyringError::Damaged)?;
    Ok(Some((ring, entry.value)))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The number and the purpose are authenticated: keys cannot be exchanged for each other.
fn place(number: u32, purpose: &str) -> String {
    format!("data key {number} {purpose}")
}

fn wrap(master: &MasterKey, number: u32, purpose: &str, key: &[u8]) -> Result<Wrapped, SealError> {
    let wrapped = master.sealing().seal(&place(number, purpose), key)?;
    Ok(Wrapped { number, purpose: purpose.to_owned(), key: wrapped.into() })
}

fn unwrap(master: &MasterKey, one: &Wrapped) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let key = master.sealing().open(&place(one.number, &one.purpose), &one.key);
    key.map_err(|_| KeyringError::Damaged)
}

pub(super) fn replacing(stored: Option<Bytes>, ring: &Ring) -> Beside {
    let key = RING.to_owned();
    let value = ring.encode_to_vec().into();
    Beside {
        expected: vec![Expected { key: key.clone(), value: stored }],
        changes: vec![Change::Put { key, value }],
    }
}

#[cfg(test)]
mod tests {
    use super::super::embedded::Embedded;
    use super::super::record::{Record, sealed_directly};
    use super::*;

    /// A store whose secret was sealed directly under one master key is opened with the same one, or
    /// with another one.
    #[track_caller]
    fn check(same: bool, said: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let master = MasterKey::load_or_create(&path).unwrap();
        let value = sealed_directly("Secret/pw", b"correct horse", &master);
        if !same {
            std::fs::remove_file(&path).unwrap();
            MasterKey::load_or_create(&path).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async {
            let store = Embedded::open(&folder.path().join("resources.redb")).unwrap();
            let (key, expected) = ("objects/Secret/pw".to_owned(), Vec::new());
            let changes = vec![Change::Put { key, value: value.clone() }];
            store.write_beside(&Beside { expected, changes }).await.unwrap();
            let keys = Keyring::new(&path, None).unwrap();
            match keys.settle(&store).await {
                Ok(_) => {
                    let record = Record::decode("Secret/pw", value, &keys).unwrap();
                    String::from_utf8(record.resource.to_vec()).unwrap()
                }
                Err(error) => error.to_string(),
            }
        });
        assert!(found.contains(said), "{found}");
    }

    #[test]
    fn what_was_sealed_before_there_were_data_keys_opens() {
        check(true, "correct horse");
        check(false, "of another control plane");
    }
}
