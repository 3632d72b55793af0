//! How does a gateway serve a directory of resource files, without a control plane?
//!
//! The files are read and admitted as the control plane would do it. The directory is looked at
//! twice a second; what has changed and then rested for one look is read and put in force at once
//! or, with a single mistake in it, not at all: the last good state goes on, and every problem is
//! logged.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chassis::Host;
use chassis::task::Tasks;
use plan::files::Files;
use plan::{Objects, Problem, ResourceKey};
use tokio::sync::watch;

use super::figures::Figures;
use super::publish::Publisher;
use super::state::State;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Files and folders that are looked at; a directory with more is hardly one of resource files.
const MOST_FILES: usize = 200_000;

/// Why a directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be looked through.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The directory, or what is in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It, or a file that one in it names, cannot be read.
    #[error("cannot read the resource files")]
    Files(#[from] plan::files::FilesError),
    /// What is in it cannot be served.
    #[error("{0}")]
    Refused(Problems),
}

/// Everything that is wrong with a directory.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem(s) in the resource files", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}", plan::describe(problem)))
    }
}

/// Every file of a directory with what tells that it has changed.
type Sight = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// A directory that is served.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Of this gateway: they select what it serves.
    labels: BTreeMap<String, String>,
    /// Files outside of it that its files name.
    named: Vec<PathBuf>,
    seen: Sight,
}

impl Directory {
    /// The state that the files of `path` describe, as what follows `first`, in which nothing is
    /// configured.
    pub fn open(
        path: &Path,
        labels: BTreeMap<String, String>,
        first: &State,
    ) -> Result<(Self, State), DirectoryError> {
        let seen = look(path, &[])?;
        let mut directory = Self { path: path.to_owned(), labels, named: Vec::new(), seen };
        let state = directory.read(first)?;
        Ok((directory, state))
    }

    /// Puts each good change in force until the process is asked to stop.
    pub async fn follow(
        mut self,
        publisher: Arc<Publisher>,
        states: watch::Sender<Arc<State>>,
        figures: Figures,
        host: Host,
    ) {
        let mut resting: Option<Sight> = None;
        loop {
            tokio::select! {
                () = host.shutdown.wait() => return,
                () = host.clock.sleep(LOOK_EVERY) => {}
            }
            let (state, before) = (Arc::clone(&states.borrow()), resting.take());
            let looked = host.tasks.blocking(move || {
                let look = self.reload(before.as_ref(), &state);
                (self, look)
            });
            // No answer comes back only when the runtime is gone.
            let Ok((same, look)) = looked.await else { return };
            self = same;
            match look {
                Look::Same => {}
                Look::Changing(sight) => resting = Some(sight),
                Look::Changed(result) => put(result, &publisher, &states, &figures, &host),
            }
        }
    }

    fn reload(&mut self, before: Option<&Sight>, state: &State) -> Look {
        match look(&self.path, &self.named) {
            Ok(now) if now == self.seen => Look::Same,
            Ok(now) if Some(&now) == before => {
                self.seen = now;
                Look::Changed(self.read(state).map(Box::new))
            }
            Ok(now) => Look::Changing(now),
            // Said once: an unreadable directory looks like an empty one from then on.
            Err(_) if self.seen.is_empty() => Look::Same,
            Err(error) => {
                self.seen = Sight::new();
                Look::Changed(Err(error))
            }
        }
    }

    /// Reads and admits what is in the directory; what is the same keeps its compiled form.
    fn read(&mut self, before: &State) -> Result<State, DirectoryError> {
        let refused = |problems| DirectoryError::Refused(Problems(problems));
        let Files { resources, problems, read } = plan::files::read(&self.path)?;
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        let admitted = plan::admit(&Objects::new(), &resources, &[]).map_err(refused)?;
        let all: Vec<_> = plan::slice(&admitted.objects, &self.labels)
            .iter()
            .map(|object| (object.key().clone(), object.bytes().clone()))
            .collect();
        self.named = read.into_iter().filter(|file| !file.starts_with(&self.path)).collect();
        self.seen.extend(look_at(&self.named));
        // What was read in files is many times as large as what is kept of it, and is freed now.
        Ok(Tasks::apart(|| {
            let own = |(key, bytes): &(ResourceKey, Bytes)| {
                let key = key.as_str().parse().unwrap_or_else(|_| key.clone());
                (key, Bytes::copy_from_slice(bytes))
            };
            let all: Vec<_> = all.iter().map(own).collect();
            before.replaced("static".to_owned(), before.revision + 1, &all)
        }))
    }
}

/// What a look at the directory shows.
enum Look {
    Same,
    /// Something is new, and may not be finished.
    Changing(Sight),
    /// Something is new and rested since the last look.
    Changed(Result<Box<State>, DirectoryError>),
}

fn put(
    result: Result<Box<State>, DirectoryError>,
    publisher: &Publisher,
    states: &watch::Sender<Arc<State>>,
    figures: &Figures,
    host: &Host,
) {
    match result {
        Ok(state) => {
            publisher.put_plan(state.plan.clone());
            figures.in_force(&state);
            figures.confirmed(host.clock.unix_seconds());
            let objects = state.plan.objects().len();
            tracing::info!(revision = state.revision, objects, "in force");
            states.send_replace(Arc::from(state));
        }
        Err(DirectoryError::Refused(Problems(problems))) => {
            for problem in &problems {
                tracing::error!(problem = plan::describe(problem), "resource files refused");
            }
            tracing::warn!(problems = problems.len(), "the last good configuration goes on");
        }
        Err(error) => {
            let error = &error as &dyn Error;
            tracing::error!(error, "the last good configuration goes on");
        }
    }
}

fn look_at(files: &[PathBuf]) -> impl Iterator<Item = (PathBuf, (Option<SystemTime>, u64))> {
    files.iter().filter_map(|path| Some((path.clone(), mark(&fs::metadata(path).ok()?))))
}

fn mark(metadata: &Metadata) -> (Option<SystemTime>, u64) {
    (metadata.modified().ok(), metadata.len())
}

fn look(path: &Path, named: &[PathBuf]) -> Result<Sight, DirectoryError> {
    let mut sight: Sight = look_at(named).collect();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |source| DirectoryError::Unreadable { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // A file that is gone again is seen at the next look.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            sight.insert(path, mark(&metadata));
        }
        if sight.len() + folders.len() > MOST_FILES {
            let source = io::Error::other("too many files");
            return Err(DirectoryError::Unreadable { path: folder, source });
        }
    }
    Ok(sight)
}
