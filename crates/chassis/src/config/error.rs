//! What is wrong with the configuration, and where?

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read at all.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What stands in it is refused; every problem is listed.
    #[error("{}", list(.0))]
    Refused(Vec<Problem>),
}

/// One thing that is wrong, with the place where it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `gateway.toml:12`, `TURNPIKE_RPC_LISTEN` or `--resources`.
    pub place: String,
    /// The key, as `rpc.listen`; empty where no key is to blame.
    pub key: String,
    /// What is wrong, and what to write instead where that is known.
    pub reason: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default { line: usize },
    File { path: Arc<str>, line: usize },
    Variable(Arc<str>),
    Argument(Arc<str>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.place, self.reason),
            key => write!(f, "{}: `{key}`: {}", self.place, self.reason),
        }
    }
}

impl Origin {
    pub(super) const fn line(&self) -> usize {
        match self {
            Self::Default { line } | Self::File { line, .. } => *line,
            Self::Variable(_) | Self::Argument(_) => 0,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { line } => write!(f, "default.toml:{line}"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) | Self::Argument(name) => f.write_str(name),
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
