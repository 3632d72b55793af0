//! How does a gateway serve a directory of resource files, without a control plane?
//!
//! The files are read and admitted as the control plane would do it. The directory is looked at
//! twice a second; what has changed and then rested for one look is read and put in force at once
//! or, with a single mistake in it, not at all: the last good state goes on, and every problem is
//! logged.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chassis::Host;
use plan::Problem;
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
    seen: Sight,
}

impl Directory {
    /// The state that the files of `path` describe.
    pub fn open(path: &Path) -> Result<(Self, State), DirectoryError> {
        let seen = look(path)?;
        let state = read(path, &State::empty())?;
        Ok((Self { path: path.to_owned(), seen }, state))
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
            let (path, state) = (self.path.clone(), Arc::clone(&states.borrow()));
            let (seen, before) = (self.seen.clone(), resting.take());
            let looked = host.tasks.blocking(move || reload(&path, &seen, before, &state)).await;
            match looked {
                Ok(Look::Same) => {}
                Ok(Look::Changing(sight)) => resting = Some(sight),
                Ok(Look::Changed(sight, result)) => {
                    self.seen = sight;
                    put(result, &publisher, &states, &figures, &host);
                }
                Err(_) => return,
            }
        }
    }
}

/// What a look at the directory shows.
enum Look {
    Same,
    /// Something is new, and may not be finished.
    Changing(Sight),
    /// Something is new and rested since the last look.
    Changed(Sight, Result<State, DirectoryError>),
}

fn reload(path: &Path, seen: &Sight, before: Option<Sight>, state: &State) -> Look {
    match look(path) {
        Ok(now) if now == *seen => Look::Same,
        Ok(now) if Some(&now) == before.as_ref() => Look::Changed(now, read(path, state)),
        Ok(now) => Look::Changing(now),
        // Said once: an unreadable directory looks like an empty one from then on.
        Err(_) if seen.is_empty() => Look::Same,
        Err(error) => Look::Changed(Sight::new(), Err(error)),
    }
}

fn put(
    result: Result<State, DirectoryError>,
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
            states.send_replace(Arc::new(state));
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

/// Reads and admits what is in the directory; what is the same keeps its compiled form.
fn read(path: &Path, before: &State) -> Result<State, DirectoryError> {
    let refused = |problems| DirectoryError::Refused(Problems(problems));
    let resources = plan::files::read_folder_or_file(path).map_err(refused)?;
    let admitted = plan::admit(&plan::Objects::default(), &resources, &[]).map_err(refused)?;
    let all: Vec<_> = admitted
        .objects
        .iter()
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    Ok(before.replaced("static".to_owned(), before.revision + 1, &all))
}

fn look(path: &Path) -> Result<Sight, DirectoryError> {
    let mut sight = Sight::new();
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
            sight.insert(path, (metadata.modified().ok(), metadata.len()));
        }
        if sight.len() + folders.len() > MOST_FILES {
            let source = io::Error::other("too many files");
            return Err(DirectoryError::Unreadable { path: folder, source });
        }
    }
    Ok(sight)
}
