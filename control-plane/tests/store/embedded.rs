//! The suite on the embedded engine, and what only it can show.

use std::path::PathBuf;
use std::sync::Arc;

use control_plane::store::{Embedded, Store};

use crate::suite::{Fixture, commit, contents, put};

struct File {
    folder: tempfile::TempDir,
    store: Option<Arc<Embedded>>,
}

impl File {
    fn new() -> Self {
        let mut file = Self { folder: tempfile::tempdir().unwrap(), store: None };
        file.open();
        file
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&mut self) {
        self.store = Some(Arc::new(Embedded::open(&self.path("resources.redb")).unwrap()));
    }

    /// Everybody else has let go of the store by now.
    fn close(&mut self) {
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "the test still holds the store");
    }
}

#[async_trait::async_trait]
impl Fixture for File {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().unwrap()
    }

    async fn restart(&mut self) {
        self.close();
        self.open();
    }

    async fn cut(&mut self) {}

    async fn backup(&mut self) {
        let to = self.path("backup.redb");
        self.store.as_ref().unwrap().backup(to).await.unwrap();
    }

    async fn restore(&mut self) {
        self.close();
        std::fs::copy(self.path("backup.redb"), self.path("resources.redb")).unwrap();
        self.open();
    }
}

crate::suite!(Some(File::new));

/// A store is closed, copied by `copy`, worked with, closed, and the copy put back by `copy`.
#[track_caller]
fn check_copied_by_hand(copy: fn(&std::path::Path, &std::path::Path), new_epoch: bool) {
    crate::suite::check(File::new, async |mut file: File| {
        commit(&*file.store(), vec![put("Tier/a", "1")]).await;
        let epoch = file.store().epoch().await.unwrap();
        file.close();
        copy(&file.path("resources.redb"), &file.path("copy"));
        file.open();
        commit(&*file.store(), vec![put("Tier/a", "2")]).await;
        file.close();
        copy(&file.path("copy"), &file.path("resources.redb"));
        file.open();
        assert_eq!(contents(&*file.store()).await, "Tier/a=1");
        assert_eq!(file.store().epoch().await.unwrap() != epoch, new_epoch);
    });
}

#[test]
fn a_copy_written_over_the_file_is_recognised() {
    let overwrite = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::copy(from, to).unwrap();
    };
    check_copied_by_hand(overwrite, true);
}

#[test]
fn a_copy_moved_into_the_place_of_the_file_is_recognised() {
    let replace = |from: &std::path::Path, to: &std::path::Path| {
        let aside = to.with_extension("aside");
        std::fs::copy(from, &aside).unwrap();
        std::fs::rename(aside, to).unwrap();
    };
    check_copied_by_hand(replace, true);
}

#[test]
fn a_copy_of_the_whole_directory_is_recognised() {
    crate::suite::check(File::new, async |mut file: File| {
        commit(&*file.store(), vec![put("Tier/a", "1")]).await;
        let epoch = file.store().epoch().await.unwrap();
        file.close();
        let elsewhere = tempfile::tempdir().unwrap();
        for name in ["resources.redb", "resources.instance"] {
            std::fs::copy(file.path(name), elsewhere.path().join(name)).unwrap();
        }
        let copy = Embedded::open(&elsewhere.path().join("resources.redb")).unwrap();
        assert_ne!(copy.epoch().await.unwrap(), epoch);
        file.open();
        assert_eq!(file.store().epoch().await.unwrap(), epoch);
    });
}

#[test]
fn a_second_process_is_refused_the_file() {
    crate::suite::check(File::new, async |file: File| {
        let refused = Embedded::open(&file.path("resources.redb")).unwrap_err();
        assert!(format!("{refused:?}").contains("in use by another process"), "{refused:?}");
    });
}
