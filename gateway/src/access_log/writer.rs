//! Who writes the lines, so that no worker waits for a disk?

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chassis::Host;
use prometheus_client::metrics::counter::Counter;
use spool::Call;
use tokio::sync::mpsc;

use super::config::Config;
use super::line;

/// A buffer is handed over when it has grown to this.
const BATCH_BYTES: usize = 64 << 10;
/// Buffers that may wait for the thread, of all workers together: 16 MiB.
const LANE: usize = 256;

/// The way from the workers to the file; one per gateway.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(Option<Lane>);

#[derive(Clone, Debug)]
struct Lane {
    batches: mpsc::Sender<Batch>,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Batch {
    lines: Vec<u8>,
    count: u64,
}

/// The lines of one worker.
#[derive(Debug)]
pub struct Lines {
    lane: Option<Lane>,
    batch: RefCell<Batch>,
}

impl AccessLog {
    /// Opens the log where one is configured.
    pub fn start(config: &Config, host: &Host) -> io::Result<Self> {
        if config.file.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let mut out = Out::open(&config.file)?;
        let (batches, mut taken) = mpsc::channel::<Batch>(LANE);
        let lane = Lane { batches, dropped: Counter::default() };
        let (dropped, failed) = (lane.dropped.clone(), lane.dropped.clone());
        host.metrics.register(|registry| {
            let help =
                "Lines of the access log that were dropped: the disk did not keep up or failed";
            registry.register("access_log_lines_dropped", help, dropped);
        });
        host.tasks.thread("access-log", move || {
            let mut failing = false;
            while let Some(batch) = taken.blocking_recv() {
                let written = out.write(&batch.lines);
                if let Err(error) = &written {
                    failed.inc_by(batch.count);
                    if !failing {
                        tracing::error!(%error, "the access log cannot be written");
                    }
                }
                failing = written.is_err();
            }
        })?;
        Ok(Self(Some(lane)))
    }

    /// The buffer of one worker.
    pub fn lines(&self) -> Lines {
        Lines { lane: self.0.clone(), batch: RefCell::default() }
    }
}

impl Lines {
    /// Whether anybody wants lines.
    pub const fn are_on(&self) -> bool {
        self.lane.is_some()
    }

    /// Writes the line of a call. Never waits and never fails.
    pub fn record(&self, call: &Call<'_>) {
        let Some(lane) = &self.lane else { return };
        let mut batch = self.batch.borrow_mut();
        line::write(call, &mut batch.lines);
        batch.count += 1;
        if batch.lines.len() >= BATCH_BYTES {
            lane.hand_over(std::mem::take(&mut *batch));
        }
    }

    /// Hands over what is there; to be called every tick.
    pub fn flush(&self) {
        let Some(lane) = &self.lane else { return };
        let mut batch = self.batch.borrow_mut();
        if batch.count > 0 {
            lane.hand_over(std::mem::take(&mut *batch));
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Lane {
    fn hand_over(&self, batch: Batch) {
        let count = batch.count;
        if self.batches.try_send(batch).is_err() {
            self.dropped.inc_by(count);
        }
    }
}

enum Out {
    Stdout(io::Stdout),
    File { path: PathBuf, file: File },
}

impl Out {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("stdout") {
            return Ok(Self::Stdout(io::stdout()));
        }
        Ok(Self::File { path: path.to_owned(), file: open(path)? })
    }

    /// Writes whole lines. A file that was moved away, as log rotation does, is made anew.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File { path, file } => {
                let there = fs::metadata(&*path).map(|there| (there.dev(), there.ino())).ok();
                let ours = file.metadata()?;
                if there != Some((ours.dev(), ours.ino())) {
                    *file = open(path)?;
                }
                file.write_all(lines)
            }
        }
    }
}

/// Lines name users: they are their owner's and group's alone.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(folder: &Path) -> Host {
        Host::development("gateway", folder).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path());
        let file = folder.path().join("access.log");
        let log = AccessLog::start(&Config { file: file.clone() }, &host).unwrap();
        let lines = log.lines();
        let mut seen = Vec::new();
        for moved in ["1", "2"] {
            lines.record(&Call { path: "/x", ..Call::default() });
            lines.flush();
            while fs::read_to_string(&file).map_or(0, |text| text.lines().count()) == 0 {
                host.clock.sleep(std::time::Duration::from_millis(5)).await;
            }
            let to = folder.path().join(moved);
            fs::rename(&file, &to).unwrap();
            seen.push(fs::read_to_string(&to).unwrap().lines().count());
        }
        assert_eq!(seen, [1, 1]);
        drop((log, lines));
        host.tasks.finished().await;
    }

    #[test]
    fn lines_that_nobody_takes_are_dropped_and_counted() {
        let (batches, _taken) = mpsc::channel(1);
        let lane = Lane { batches, dropped: Counter::default() };
        let lines = AccessLog(Some(lane.clone())).lines();
        for _ in 0..3 {
            lines.record(&Call::default());
            lines.flush();
        }
        assert_eq!(lane.dropped.get(), 2);
    }
}
