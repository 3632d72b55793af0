//! Why does the system not come up?

use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error("{}: cannot be made", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("{}: cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{}: cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("another `turnpike up` is using {}", .0.display())]
    InUse(PathBuf),
    #[error("{}: not TOML", .0.display())]
    Config(PathBuf, #[source] toml::de::Error),
    #[error("a port offset of {0} leads to ports above 65535")]
    Offset(u16),
    #[error("the development certificates could not be made")]
    Pki(#[from] chassis::pki::Error),
    #[error("{program} is not beside this program ({})", path.display())]
    NoProgram { program: &'static str, path: PathBuf },
    #[error("{program} could not be started")]
    Start { program: &'static str, source: io::Error },
    #[error("{program} ended before it was ready ({how}); the end of {}:\n{lines}", log.display())]
    Ended { program: &'static str, how: String, log: PathBuf, lines: String },
    #[error("{program} was not ready within {after:?}; see {}", log.display())]
    NotReady { program: &'static str, after: Duration, log: PathBuf },
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("this program does not know where it is")]
    OwnPath(#[source] io::Error),
    #[error("the sample that is compiled in cannot be used: {0}")]
    Sample(String),
}
