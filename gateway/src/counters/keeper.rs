//! Who writes counters down, and what does a start find?
//!
//! A start reads every file that is there and begins one of its own with what still counts. Then each
//! second what has changed goes behind it. A file that has become long is begun anew.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use throttle::{Meter, Past, Subject};
use tokio::sync::{mpsc, oneshot};

use super::figures::Figures;
use super::journal::Journal;
use super::log::{Batch, Damage, Log, Reader, files};
use super::predecessor::Predecessor;

/// Between two writings.
const PAUSE: Duration = Duration::from_secs(1);
/// The same while another gateway takes over, or is taken over from.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// More counters than this are not kept.
const MOST: usize = 2_000_000;
/// A file is begun anew when it is this much, and this many times, longer than when it was begun.
const GROWN_BYTES: u64 = 16 << 20;
const GROWN_TIMES: u64 = 4;

/// Why counters cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep counters in `{path}`")]
pub struct CountersError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The counters of this gateway, which somebody writes down.
#[derive(Clone, Debug)]
pub struct Counters {
    journal: Arc<Journal>,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    /// Write now, and often from now on; the answer says that it is on the disk.
    Write(oneshot::Sender<()>),
    /// The last one.
    End(oneshot::Sender<()>),
}

/// Writes.
struct Keeper {
    directory: PathBuf,
    journal: Arc<Journal>,
    noted: mpsc::UnboundedReceiver<Arc<Meter>>,
    log: Log,
    begun_bytes: u64,
    predecessors: Vec<Predecessor>,
    /// What was written last: a call that was just counting may have come too late for it.
    latest: HashMap<Subject, (Arc<Meter>, Past)>,
    figures: Figures,
    host: Host,
}

impl Counters {
    /// Reads what is in `directory`, begins a file of its own there, and writes from now on.
    pub async fn start(directory: PathBuf, host: &Host) -> Result<Self, CountersError> {
        let figures = host.metrics.register(Figures::new);
        let now_us = u64::try_from(host.clock.unix_us()).unwrap_or(0);
        let (counting, of, with) = (figures.clone(), directory.clone(), host.clone());
        let opened = host.tasks.blocking(move || Keeper::open(of, counting, with, now_us)).await;
        let opened = opened.unwrap_or_else(|error| Err(io::Error::other(error)));
        let keeper = opened.map_err(|source| CountersError { path: directory, source })?;
        let (orders, taken) = mpsc::channel(1);
        let counters = Self { journal: Arc::clone(&keeper.journal), orders };
        host.tasks.spawn("counters", keeper.run(taken));
        Ok(counters)
    }

    /// What workers are given.
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Returns when what was counted until now is on the disk. Another gateway is about to read it.
    pub async fn write(&self) {
        self.order(Order::Write).await;
    }

    /// Writes what the last calls have used; nothing is written after that.
    pub async fn finish(self) {
        self.order(Order::End).await;
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(order(done)).await.is_ok() {
            // Nobody answers where the disk has failed, and that is in the log.
            let _ = wait.await;
        }
    }
}

impl Keeper {
    fn open(directory: PathBuf, figures: Figures, host: Host, now_us: u64) -> io::Result<Self> {
        let found = files(&directory)?;
        let newest = found.last().map_or(0, |(number, _)| *number);
        let (mut all, mut left, mut predecessors) = (HashMap::new(), Vec::new(), Vec::new());
        for (_, path) in found {
            match read(&path, &mut all, now_us, &figures)? {
                Some(predecessor) => predecessors.push(predecessor),
                None => left.push(path),
            }
        }
        if all.len() > MOST {
            tracing::error!(counters = all.len(), most = MOST, "not all counters are kept");
        }
        let (journal, noted) = Journal::new(!predecessors.is_empty());
        let log = Log::begin(&directory, newest + 1, |log| {
            let mut batch = Batch::default();
            for (subject, past) in all.into_iter().take(MOST) {
                let mut bytes = Vec::new();
                past.write(&mut bytes);
                batch.put(subject, &bytes);
                journal.remember(subject, bytes.into());
                if batch.is_full() {
                    log.write(&std::mem::take(&mut batch))?;
                }
            }
            if batch.is_empty() { Ok(()) } else { log.write(&batch) }
        })?;
        // What they hold is in the new one.
        left.iter().try_for_each(|path| removed(path))?;
        let restored = journal.waiting();
        figures.restored.set(i64::try_from(restored).unwrap_or(i64::MAX));
        if restored > 0 {
            tracing::info!(counters = restored, "counters of quotas go on where they were");
        }
        let begun_bytes = log.bytes();
        let (journal, latest) = (Arc::new(journal), HashMap::new());
        Ok(Self {
            directory,
            journal,
            noted,
            log,
            begun_bytes,
            predecessors,
            latest,
            figures,
            host,
        })
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let (clock, tasks) = (self.host.clock.clone(), self.host.tasks.clone());
        let mut handed_over = false;
        loop {
            let hurries = handed_over || !self.predecessors.is_empty();
            let pause = if hurries { SHORT_PAUSE } else { PAUSE };
            let order = tokio::select! {
                order = orders.recv() => order,
                () = clock.sleep(pause) => None,
            };
            handed_over |= matches!(order, Some(Order::Write(_)));
            let work = move || {
                self.write();
                if !handed_over {
                    self.begin_anew();
                }
                self
            };
            // No answer comes back only when the thread panicked or the runtime is gone.
            let Ok(same) = tasks.blocking(work).await else { return };
            self = same;
            match order {
                // Who asked may have gone.
                Some(Order::Write(done)) => {
                    let _ = done.send(());
                }
                Some(Order::End(done)) => {
                    let _ = done.send(());
                    return;
                }
                None if orders.is_closed() => return,
                None => {}
            }
        }
    }

    /// Writes what has changed.
    fn write(&mut self) {
        let mut batch = Batch::default();
        self.follow(&mut batch);
        let mut latest = std::mem::take(&mut self.latest);
        let mut next = HashMap::new();
        let mut written = 0;
        let mut put = |subject: Subject, meter: Arc<Meter>, before: Option<Past>| {
            let past = meter.look();
            if before.as_ref() == Some(&past) {
                return;
            }
            let mut bytes = Vec::new();
            past.write(&mut bytes);
            batch.put(subject, &bytes);
            written += 1;
            next.insert(subject, (meter, past));
        };
        while let Ok(meter) = self.noted.try_recv() {
            if let Some(subject) = meter.kept_as() {
                latest.remove(&subject);
                put(subject, meter, None);
            }
        }
        for (subject, (meter, past)) in latest {
            put(subject, meter, Some(past));
        }
        self.latest = next;
        if batch.is_empty() {
            return;
        }
        match self.log.write(&batch).and_then(|()| self.log.sync()) {
            Ok(()) => {
                self.figures.written.inc_by(written);
            }
            Err(error) => {
                self.figures.failures.inc();
                let error = &error as &dyn Error;
                tracing::error!(error, "counters are not on disk, a restart would forget them");
                // To be written whatever they say then.
                self.latest.drain().for_each(|(_, (meter, _))| self.journal.note(&meter));
            }
        }
    }

    /// Takes over what gateways count that still run.
    fn follow(&mut self, batch: &mut Batch) {
        if self.predecessors.is_empty() {
            return;
        }
        let (journal, figures) = (&self.journal, &self.figures);
        self.predecessors.retain_mut(|before| match before.follow(journal, batch) {
            Ok(false) => true,
            Ok(true) => {
                let _ = fs::remove_file(&before.path);
                false
            }
            Err(damage) => {
                set_aside(&before.path, &damage, figures);
                false
            }
        });
        if self.predecessors.is_empty() {
            self.journal.follows_no_more();
        }
    }

    /// Begins the file anew if it has become long.
    fn begin_anew(&mut self) {
        let most = self.begun_bytes.saturating_mul(GROWN_TIMES).saturating_add(GROWN_BYTES);
        if self.log.bytes() < most || !self.predecessors.is_empty() {
            return;
        }
        if let Err(error) = self.shorten() {
            self.figures.failures.inc();
            let error = &error as &dyn Error;
            tracing::warn!(error, "the file of counters stays long");
            self.begun_bytes = self.log.bytes();
        }
    }

    fn shorten(&mut self) -> io::Result<()> {
        let now_us = u64::try_from(self.host.clock.unix_us()).unwrap_or(0);
        let number = files(&self.directory)?.last().map_or(0, |(number, _)| *number);
        let mut all = HashMap::new();
        let mut reader = Reader::open(self.log.path()).map_err(io::Error::other)?;
        reader
            .read_on(|subject, bytes| enter(&mut all, subject, bytes, now_us))
            .map_err(io::Error::other)?;
        let log = Log::begin(&self.directory, number + 1, |log| {
            let mut batch = Batch::default();
            for (subject, past) in all {
                let mut bytes = Vec::new();
                past.write(&mut bytes);
                batch.put(subject, &bytes);
                if batch.is_full() {
                    log.write(&std::mem::take(&mut batch))?;
                }
            }
            if batch.is_empty() { Ok(()) } else { log.write(&batch) }
        })?;
        let before = std::mem::replace(&mut self.log, log);
        self.begun_bytes = self.log.bytes();
        fs::remove_file(before.path())
    }
}

/// Reads a file into `all`; what comes back is one that somebody still writes.
fn read(
    path: &Path,
    all: &mut HashMap<Subject, Past>,
    now_us: u64,
    figures: &Figures,
) -> io::Result<Option<Predecessor>> {
    let mut seen = HashMap::new();
    let reader = Reader::open(path).and_then(|mut reader| {
        let abandoned = reader.is_abandoned();
        let result = reader.read_on(|subject, bytes| enter(&mut seen, subject, bytes, now_us));
        result.map(|()| (!abandoned).then_some(reader))
    });
    for (subject, past) in &seen {
        // Of two that had it, the one that was asked last knows more.
        if all.get(subject).is_none_or(|known| known.latest_us() <= past.latest_us()) {
            all.insert(*subject, past.clone());
        }
    }
    match reader {
        Ok(reader) => Ok(reader.map(|reader| Predecessor { path: path.to_owned(), reader, seen })),
        Err(Damage::Unreadable(error)) => Err(error),
        Err(damage) => {
            set_aside(path, &damage, figures);
            Ok(None)
        }
    }
}

/// The latest word about a counter counts, as long as it counts at all.
fn enter(all: &mut HashMap<Subject, Past>, subject: Subject, bytes: &[u8], now_us: u64) {
    match Past::read(bytes).filter(|past| past.ends_us() > now_us) {
        Some(past) => drop(all.insert(subject, past)),
        None => drop(all.remove(&subject)),
    }
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn set_aside(path: &Path, damage: &Damage, figures: &Figures) {
    figures.damaged.inc();
    let (aside, reason) = (path.with_extension("damaged"), damage as &dyn Error);
    tracing::error!(
        path = %path.display(), reason,
        "file of counters is set aside: what it says behind the damage is forgotten"
    );
    if let Err(error) = fs::rename(path, aside) {
        tracing::warn!(path = %path.display(), %error, "cannot rename the damaged file");
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
