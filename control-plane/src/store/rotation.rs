//! How does another master key take the place of the one of now?
//!
//! The new one lies beside the old one (`master.key.next`), durably, before anything is wrapped under it.
//! Then the data keys are wrapped anew, in one write that expects the ring as it was read; then the files
//! change places, the old one under its own name. Whatever breaks off in between is finished by doing it
//! once more: which key the ring names says how far it came.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::contract::{Store, StoreError};
use super::keyring::{Keyring, KeyringError, Ring, replacing, ring_of};
use super::seal::{MasterKey, SealError, beside, next_of};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// What the master key is called that opens nothing any more; empty: its file was put away before.
    pub former: String,
    /// Where it lies now.
    pub aside: Option<PathBuf>,
    /// What the one of now is called.
    pub master: String,
}

/// Puts a new master key in the place of that in `path`, or finishes that.
pub async fn rotate(path: &Path, store: &dyn Store) -> Result<Rotated, KeyringError> {
    let next_path = next_of(path);
    loop {
        let Some((ring, stored)) = ring_of(store).await? else {
            // A store that nobody has opened yet has no keys to wrap.
            Keyring::new(path, None)?.settle(store).await?;
            continue;
        };
        let (current, next) = (MasterKey::load(path)?, MasterKey::load(&next_path)?);
        if let Some(next) = next.as_ref().filter(|next| next.id() == ring.master) {
            return finish(path, current.as_ref(), next);
        }
        let sealed_by = ring.master.clone();
        let Some(current) = current else {
            return Err(KeyringError::Missing { path: path.to_owned(), sealed_by });
        };
        if current.id() != ring.master {
            let (path, found) = (path.to_owned(), current.id().to_owned());
            return Err(KeyringError::Foreign { path, sealed_by, found });
        }
        let next = match next {
            Some(next) => next,
            None => MasterKey::load_or_create(&next_path)?,
        };
        let anew: Ring = ring.under(&current, &next)?;
        match store.write_beside(&replacing(Some(stored), &anew)).await {
            // Whether it was made is seen in the ring.
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The data keys are wrapped under `next`: its file takes the place of the other one.
fn finish(
    path: &Path,
    current: Option<&MasterKey>,
    next: &MasterKey,
) -> Result<Rotated, KeyringError> {
    let moved = || -> io::Result<Option<PathBuf>> {
        let aside = current.map(|current| beside(path, current.id()));
        if let Some(aside) = &aside {
            fs::rename(path, aside)?;
        }
        fs::rename(next_of(path), path)?;
        // Names have to survive a power failure, as what is wrapped under the key does.
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())?;
        Ok(aside)
    };
    let aside = moved().map_err(|source| SealError::File { path: path.to_owned(), source })?;
    let former = current.map_or_else(String::new, |current| current.id().to_owned());
    Ok(Rotated { former, aside, master: next.id().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::embedded::Embedded;
    use super::super::record::Record;
    use super::*;

    const KEY: &str = "Secret/pw";

    /// A master key is replaced; `broken_off` puts the files back to where it was killed. Then nothing opens
    /// but what `said` says, and after doing it once more the value opens, and not with the old key.
    #[track_caller]
    fn check(broken_off: impl FnOnce(&Path, &Rotated), said: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("master.key");
            let store = Embedded::open(&folder.path().join("resources.redb")).unwrap();
            let keys = Keyring::new(&path, None).unwrap();
            keys.settle(&store).await.unwrap();
            let resource = bytes::Bytes::from_static(b"correct horse");
            let record = Record { resource, created_at_us: 1, updated_at_us: 2 };
            let value = record.encode(KEY, &keys).unwrap();
            let former = fs::read(&path).unwrap();

            let rotated = rotate(&path, &store).await.unwrap();
            assert!(rotated.former != rotated.master && !next_of(&path).exists(), "{rotated:?}");
            assert_eq!(fs::read(rotated.aside.as_ref().unwrap()).unwrap(), former);
            broken_off(&path, &rotated);
            let opened = async || {
                let keys = Keyring::new(&path, None)?;
                keys.settle(&store).await?;
                Record::decode(KEY, value.clone(), &keys).map_err(|_| KeyringError::Damaged)
            };
            match opened().await {
                Ok(found) => assert!(said == "opens" && found == record),
                Err(error) => assert!(error.to_string().contains(said), "{error}"),
            }
            if said != "opens" {
                let again = rotate(&path, &store).await.unwrap();
                assert_eq!(again.master, rotated.master, "the one that it was broken off with");
            }
            assert_eq!(opened().await.unwrap(), record);
            // A plane that runs goes on; one that starts with the old key does not.
            keys.settle(&store).await.unwrap();
            assert_eq!(Record::decode(KEY, value.clone(), &keys).unwrap(), record);
            fs::write(&path, former).unwrap();
            let refused = opened().await.unwrap_err().to_string();
            assert!(refused.contains("sealed with the master key"), "{refused}");
        });
    }

    #[test]
    fn the_old_master_key_opens_nothing_any_more() {
        check(|_, _| {}, "opens");
    }

    #[test]
    fn what_was_killed_before_the_files_changed_places_is_finished() {
        check(
            |path, rotated| {
                fs::rename(path, next_of(path)).unwrap();
                fs::rename(rotated.aside.as_ref().unwrap(), path).unwrap();
            },
            "rotate-master",
        );
    }

    #[test]
    fn what_was_killed_between_the_two_files_is_finished() {
        check(|path, _| fs::rename(path, next_of(path)).unwrap(), "rotate-master");
    }

    #[test]
    fn a_key_that_was_made_and_wraps_nothing_yet_is_the_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("master.key");
            let store = Embedded::open(&folder.path().join("resources.redb")).unwrap();
            let made = MasterKey::load_or_create(&next_of(&path)).unwrap();
            assert_eq!(rotate(&path, &store).await.unwrap().master, made.id());
            // Without the key of the store none is made in its place.
            fs::remove_file(&path).unwrap();
            let refused = rotate(&path, &store).await.unwrap_err();
            assert!(matches!(refused, KeyringError::Missing { .. }), "{refused}");
        });
    }
}
