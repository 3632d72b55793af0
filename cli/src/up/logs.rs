//! What did a program say, and how much of it is kept?
//!
//! One file per program, and one older one beside it; both are bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A log is set aside at this size.
const LARGEST: u64 = 32 << 20;
/// So much of the end is looked at for the last lines.
const TAIL: u64 = 16 << 10;

/// Opens a log for appending.
pub(super) fn open(log: &Path) -> io::Result<File> {
    bound(log)?;
    OpenOptions::new().create(true).append(true).open(log)
}

/// Sets a log that has grown too large aside. Its writer appends, and goes on at the new end.
pub(super) fn bound(log: &Path) -> io::Result<()> {
    match fs::metadata(log) {
        Ok(found) if found.len() > LARGEST => {
            fs::copy(log, older(log))?;
            OpenOptions::new().write(true).open(log)?.set_len(0)
        }
        _ => Ok(()),
    }
}

/// The last lines of a log, indented.
pub(super) fn last_lines(log: &Path, count: usize) -> String {
    let text = tail(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(count);
    lines.iter().skip(skipped).flat_map(|line| ["    ", line, "\n"]).collect()
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn older(log: &Path) -> PathBuf {
    log.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_last_ones() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        assert_eq!(last_lines(&log, 2), "");
        fs::write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(last_lines(&log, 2), "    two\n    three\n");
    }

    #[test]
    fn a_large_log_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        open(&log).unwrap().set_len(LARGEST + 1).unwrap();
        bound(&log).unwrap();
        assert_eq!(fs::metadata(&log).unwrap().len(), 0);
        assert_eq!(fs::metadata(folder.path().join("a.log.1")).unwrap().len(), LARGEST + 1);
    }
}
