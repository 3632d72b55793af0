//! How is something kept on disk so that it is either read back whole or not at all?
//!
//! Each writing is a new file: written aside, synced, renamed, and the directory synced. Two are
//! kept. A file carries its length and SHA-256, is compressed with zstd, and only its owner may
//! read it, because configurations hold private keys. A file that does not check out is renamed to
//! `.damaged`, where an operator can look at it, and the one before it is used.
//!
//! ```text
//! head   "TPSHELF1" · format (u32) · 0 (u32) · length of the rest (u64) · SHA-256 of the rest (32)
//! rest   zstd
//! ```

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::{Buf as _, BufMut as _};

const MAGIC: &[u8; 8] = b"TPSHELF1";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 56;
/// Good files that are kept; the same number of damaged ones.
const KEPT: usize = 2;
/// Fast; the state of 50,000 routes shrinks to a tenth all the same.
const LEVEL: i32 = 1;
/// How far back what is alike is looked for, as a power of two: the objects of one kind are side by side. The
/// library's own 512 KiB would make a writing take 1.3 MB, most of which stays with the process.
const WINDOW_LOG: u32 = 16;

/// Why something could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep `{path}`")]
pub struct ShelfError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("unreadable")]
    Unreadable(#[from] io::Error),
    #[error("not a file of this program")]
    Foreign,
    #[error("written by another version (format {0})")]
    Format(u32),
    #[error("torn or altered")]
    Checksum,
    #[error("does not hold what it should")]
    Content(#[source] Box<dyn Error + Send + Sync>),
}

/// One thing that is kept under one name, in its last writings.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    name: &'static str,
    /// Of the newest file; 0: none.
    newest: u64,
}

impl Shelf {
    /// Opens the shelf `name` in `directory`, which is made when absent.
    pub fn open(directory: &Path, name: &'static str) -> Result<Self, ShelfError> {
        let failed = |source| ShelfError { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mut shelf = Self { directory: directory.to_owned(), name, newest: 0 };
        let numbers = shelf.numbers("").map_err(failed)?;
        shelf.newest = numbers.last().copied().unwrap_or_default();
        Ok(shelf)
    }

    /// Keeps what `fill` writes. When an error comes back, what was kept before still is.
    pub fn write(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), ShelfError> {
        let number = self.newest + 1;
        let (aside, path) = (self.path(number, ".tmp"), self.path(number, ""));
        let failed = |source| ShelfError { path: path.clone(), source };
        write_aside(&aside, fill).map_err(failed)?;
        fs::rename(&aside, &path).map_err(failed)?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.newest = number;
        self.keep_last("");
        Ok(())
    }

    /// What `parse` makes of the newest file that checks out; `None`: there is none.
    pub fn read<T, E>(&self, parse: impl Fn(&mut dyn Read) -> Result<T, E>) -> Option<T>
    where
        E: Error + Send + Sync + 'static,
    {
        let numbers = self.numbers("").unwrap_or_default();
        numbers.into_iter().rev().find_map(|number| {
            let path = self.path(number, "");
            let bytes = fs::read(&path).map_err(Damage::from);
            match bytes.and_then(|bytes| check(&bytes, &parse)) {
                Ok(content) => Some(content),
                Err(damage) => {
                    self.set_aside(number, &damage);
                    None
                }
            }
        })
    }

    fn set_aside(&self, number: u64, damage: &Damage) {
        let (path, aside) = (self.path(number, ""), self.path(number, ".damaged"));
        let reason = damage as &dyn Error;
        tracing::error!(path = %path.display(), reason, "file is set aside, the one before is used");
        if let Err(error) = fs::rename(&path, &aside) {
            tracing::warn!(path = %path.display(), %error, "cannot rename the damaged file");
        }
        self.keep_last(".damaged");
    }

    fn keep_last(&self, ending: &str) {
        let numbers = self.numbers(ending).unwrap_or_default();
        for number in numbers.iter().rev().skip(KEPT) {
            // A file that stays costs room and is tried again at the next writing.
            let _ = fs::remove_file(self.path(*number, ending));
        }
    }

    /// The numbers of this shelf's files with that ending, in their order.
    fn numbers(&self, ending: &str) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix(self.name)?.strip_prefix('.'))
                .and_then(|rest| rest.strip_suffix(ending)?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{number:012}{ending}", self.name))
    }
}

fn write_aside(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut summed = Summed {
        to: BufWriter::with_capacity(1 << 18, &file),
        sum: Context::new(&SHA256),
        length: 0,
    };
    summed.to.write_all(&[0; HEAD_BYTES])?;
    let mut compressed = zstd::Encoder::new(summed, LEVEL)?;
    compressed.window_log(WINDOW_LOG)?;
    fill(&mut compressed)?;
    let Summed { mut to, sum, length } = compressed.finish()?;
    to.flush()?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.put_u32_le(FORMAT);
    head.put_u32_le(0);
    head.put_u64_le(length);
    head.extend_from_slice(sum.finish().as_ref());
    file.write_all_at(&head, 0)?;
    file.sync_all()
}

fn check<T, E>(file: &[u8], parse: impl Fn(&mut dyn Read) -> Result<T, E>) -> Result<T, Damage>
where
    E: Error + Send + Sync + 'static,
{
    let (mut head, rest) = file.split_at_checked(HEAD_BYTES).ok_or(Damage::Checksum)?;
    if !head.starts_with(MAGIC) {
        return Err(Damage::Foreign);
    }
    head.advance(MAGIC.len());
    let (format, _, length) = (head.get_u32_le(), head.get_u32_le(), head.get_u64_le());
    if format != FORMAT {
        return Err(Damage::Format(format));
    }
    if length != rest.len() as u64 || digest(&SHA256, rest).as_ref() != head {
        return Err(Damage::Checksum);
    }
    let mut plain = zstd::Decoder::with_buffer(rest)?;
    parse(&mut plain).map_err(|error| Damage::Content(Box::new(error)))
}

/// Passes bytes on and sums them up.
struct Summed<W> {
    to: W,
    sum: Context,
    length: u64,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or(bytes));
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps: a word is kept; `!tear`, `!turn`, `!empty` and `!alien` damage the newest file,
    /// `!tmp` leaves what a stopped writing leaves. Then the shelf is opened and read.
    #[track_caller]
    fn check(steps: &str, read: Option<&str>, files: &str) {
        let directory = tempfile::tempdir().expect("a directory");
        for step in steps.split_whitespace() {
            let mut shelf = Shelf::open(directory.path(), "state").expect("a shelf");
            let newest = shelf.path(shelf.newest, "");
            match step {
                "!tear" => edit(&newest, |bytes| bytes.truncate(bytes.len() - 1)),
                "!turn" => edit(&newest, |bytes| *bytes.last_mut().expect("bytes") ^= 1),
                "!empty" => edit(&newest, Vec::clear),
                "!alien" => edit(&newest, |bytes| bytes.splice(..1, *b"x").for_each(drop)),
                "!tmp" => fs::write(shelf.path(shelf.newest + 1, ".tmp"), "half").expect("a file"),
                word => shelf.write(|to| to.write_all(word.as_bytes())).expect("room"),
            }
        }
        let shelf = Shelf::open(directory.path(), "state").expect("a shelf");
        let found = shelf.read(|from| io::read_to_string(from));
        assert_eq!(found.as_deref(), read);
        let list = fs::read_dir(directory.path()).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = list.map(|e| name(e).into_string().expect("a name")).collect();
        names.sort();
        assert_eq!(names.join(" ").replace("state.00000000000", ""), files);
    }

    fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).expect("a file");
        change(&mut bytes);
        fs::write(path, bytes).expect("a file");
    }

    #[test]
    fn the_last_writing_is_read_and_two_are_kept() {
        check("", None, "");
        check("a", Some("a"), "1");
        check("a b c", Some("c"), "2 3");
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_the_one_before_is_used() {
        for damage in ["!tear", "!turn", "!empty", "!alien"] {
            check(&format!("a b {damage}"), Some("a"), "1 2.damaged");
        }
    }

    #[test]
    fn nothing_is_read_when_everything_is_damaged() {
        check("a !turn", None, "1.damaged");
    }

    #[test]
    fn a_writing_that_was_stopped_does_not_count_and_the_next_takes_its_place() {
        check("a !tmp", Some("a"), "1 2.tmp");
        check("a !tmp b", Some("b"), "1 2");
    }

    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let mut shelf = Shelf::open(directory.path(), "state").expect("a shelf");
        shelf.write(|to| to.write_all(b"secret")).expect("room");
        let mode = fs::metadata(shelf.path(1, "")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
