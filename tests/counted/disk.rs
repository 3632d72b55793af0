//! A small disk of a test's own, which can be filled by somebody else.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const BLOCK: [u8; 4096] = [b'x'; 4096];

/// A file system in memory; it is gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    place: TempDir,
}

impl Disk {
    /// One of so many KiB; nothing, with a word about it, where file systems cannot be mounted.
    pub(crate) fn of_kib(kib: u32) -> Option<Self> {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).arg(place.path());
        if mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Some(Self { place });
        }
        eprintln!("left out: a small disk cannot be made (root and mount are needed)");
        None
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Somebody else takes all room but so many KiB.
    pub(crate) fn fill(&self, but_kib: u64) {
        let mut file = File::create(self.filler()).expect("a file");
        let full = loop {
            if let Err(error) = file.write_all(&BLOCK) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        let length = file.metadata().expect("a length").len();
        file.set_len(length.saturating_sub(but_kib << 10)).expect("a shorter file");
    }

    /// They give it back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.filler()).expect("a file to remove");
    }

    fn filler(&self) -> PathBuf {
        self.place.path().join("of-somebody-else")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still has a file open there goes on.
        let unmounted = Command::new("umount").arg("-l").arg(self.place.path()).status();
        drop(unmounted);
    }
}
