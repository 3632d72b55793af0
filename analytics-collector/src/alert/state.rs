//! Is what was learnt known after a restart?
//!
//! It is written now and then, and at a stop, into one file that is replaced as a whole. What happened since
//! the last time is not learnt again; a file that is damaged or too large is left out, and everything is
//! learnt anew.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use detect::{Rules, Watch};

/// The largest file that is written or read.
const MOST: u64 = 256 << 20;

/// Where it stands.
#[derive(Clone, Debug)]
pub struct Kept(PathBuf);

impl Kept {
    /// In this file.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// A watch that knows what was kept.
    pub fn resume(&self, rules: Rules) -> Watch {
        match self.read() {
            Ok(Some(state)) => Watch::resume(rules, state),
            Ok(None) => Watch::new(rules),
            Err(error) => {
                let (file, error) = (self.0.display(), &error as &dyn std::error::Error);
                tracing::warn!(%file, error, "what the alerts had learnt cannot be read; they learn anew");
                Watch::new(rules)
            }
        }
    }

    /// Keeps what a watch knows. Blocks.
    pub fn save(&self, watch: &Watch) {
        if let Err(error) = self.write(watch) {
            let (file, error) = (self.0.display(), &error as &dyn std::error::Error);
            tracing::warn!(%file, error, "what the alerts have learnt cannot be kept");
        }
    }

    fn read(&self) -> io::Result<Option<detect::State>> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(io::Error::other(format!("it is larger than {MOST} bytes")));
        }
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    fn write(&self, watch: &Watch) -> io::Result<()> {
        let aside = self.0.with_extension("tmp");
        let mut bounded = Bounded { inner: BufWriter::new(File::create(&aside)?), room: MOST };
        serde_json::to_writer(&mut bounded, &watch.state())?;
        bounded.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&aside, &self.0)?;
        File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Writes no more than there is room for.
struct Bounded<W> {
    inner: W,
    room: u64,
}

impl<W: io::Write> io::Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other(format!("it is larger than {MOST} bytes")));
        };
        self.room = room;
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
