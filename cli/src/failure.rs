//! Why did a command not do what it was asked for, and what is its exit code?
//!
//! 2: what was asked for makes no sense (bad usage). 1: it was refused, or could not be done.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use turnpike_proto::config::v1::Problem;

use crate::addresses::AddressesError;
use crate::backend::BackendError;
use crate::detect::SeriesError;
use crate::explain::ExplainError;
use crate::export::ExportError;
use crate::kept::KeptError;
use crate::login::LoginError;
use crate::output::{Report, note};
use crate::replay::ReplayError;
use crate::rpc::{CallError, ConnectionError, UnknownKind};
use crate::tokens::TokenError;
use crate::up::UpError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    #[error("`{name}` is not how one {kind} is named; write {form}")]
    Name { kind: String, name: String, form: &'static str },
    #[error("there is no resource in these files")]
    NothingToApply,
    #[error("{} problem{}; nothing was stored", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Problems(Vec<Problem>),
    #[error("{} problem{}; the other resources were taken", .problems.len(), if .problems.len() == 1 { "" } else { "s" })]
    Partly { report: Box<Report>, problems: Vec<Problem> },
    #[error("the format of {} cannot be told; write one of openapi, graphql, wsdl, asyncapi, proto, apictl and kong before it", .0.display())]
    Format(PathBuf),
    #[error(
        "`{given}` is no format{hint}; formats are openapi, graphql, wsdl, asyncapi, proto, apictl and kong"
    )]
    NoFormat { given: String, hint: String },
    #[error("{}: it holds more than {most} files, or files nested deeper than {depth} folders", path.display())]
    Folder { path: PathBuf, most: usize, depth: usize },
    #[error("{key} does not exist")]
    Missing { key: String },
    #[error("revision {revision} is stored, but not every gateway has applied it within {span:?}")]
    NotApplied { report: Box<Report>, revision: u64, span: Duration },
    #[error("something differs")]
    Differs { report: Box<Report> },
    #[error("{} would be removed; look at it with --dry-run, or say --yes", resources(*.0))]
    Unconfirmed(usize),
    #[error("nothing was stored")]
    Declined,
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("the change was taken back: {reason}")]
    TakenBack { report: Box<Report>, reason: String },
    #[error("the rollout {name} has not ended; see `turnpike rollouts show {name}`")]
    NotThrough { report: Box<Report>, name: String },
    #[error("the audit log is not whole: line {sequence}: {why}")]
    AuditBroken { sequence: u64, why: String },
    #[error("the key was made and could not be kept")]
    NotKept { report: Box<Report>, source: KeptError },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Addresses(#[from] AddressesError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Token(Box<TokenError>),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    Up(#[from] UpError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("{}: cannot be read", file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("{}: cannot be written", file.display())]
    NotWritten { file: PathBuf, source: io::Error },
    #[error(transparent)]
    Files(#[from] plan::files::FilesError),
    #[error(transparent)]
    Series(#[from] SeriesError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error("logs cannot be written")]
    Logs(#[source] chassis::telemetry::Error),
    #[error("the program cannot be run")]
    RunChild(#[source] io::Error),
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

impl Failure {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Kind(_)
            | Self::Name { .. }
            | Self::NothingToApply
            | Self::Format(_)
            | Self::NoFormat { .. }
            | Self::Explain(ExplainError::Url(..))
            | Self::Up(UpError::Offset(_)) => 2,
            _ => 1,
        }
    }

    /// Whether nobody was there to ask.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Call(error) => error.is_unreachable(),
            Self::Connection(ConnectionError::NoCertificate { .. }) => true,
            _ => false,
        }
    }

    /// Whether the reader of the answer has gone, which is its right.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What was found out or done all the same.
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::NotApplied { report, .. }
            | Self::TakenBack { report, .. }
            | Self::NotThrough { report, .. }
            | Self::NotKept { report, .. }
            | Self::Partly { report, .. }
            | Self::Differs { report } => Some(report),
            _ => None,
        }
    }

    /// Tells the person at the terminal.
    pub(crate) fn tell(&self) {
        let problems = match self {
            Self::Problems(problems) | Self::Partly { problems, .. } => problems.clone(),
            Self::Call(error) => error.problems(),
            _ => Vec::new(),
        };
        for problem in &problems {
            note(plan::describe(problem));
        }
        // What differs was told by the report.
        if matches!(self, Self::Differs { .. }) {
            return;
        }
        // The message of such a call is its problems once more.
        if problems.is_empty() || matches!(self, Self::Problems(_) | Self::Partly { .. }) {
            note(format_args!("turnpike: {}", with_causes(self)));
        }
    }
}

fn resources(count: usize) -> String {
    format!("{count} resource{}", if count == 1 { "" } else { "s" })
}

/// The error and what caused it, each said once.
fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !said.contains(&next) {
            said = format!("{said}: {next}");
        }
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_to_tell() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_closed_pipe());
        assert!(!Failure::NothingToApply.is_closed_pipe());
    }
}
