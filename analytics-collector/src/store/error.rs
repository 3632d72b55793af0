//! What can go wrong in the store?

use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk said no.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody else has the folder.
    #[error("{0} is in use by another collector")]
    InUse(PathBuf),
    /// The list of segments is gone or damaged while segments are there.
    #[error(
        "{path} is {state}, though there are segments beside it; restore it from a backup, or move the folder away to start empty"
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        state: &'static str,
    },
    /// The list was written by a newer version.
    #[error("{path} has format {found}; this version reads up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Rows could not be laid out as columns.
    #[error("cannot lay out rows as columns")]
    Columns(#[from] ArrowError),
    /// A Parquet file could not be written or read.
    #[error("cannot write or read a segment")]
    Parquet(#[from] ParquetError),
    /// The manifest could not be written as text.
    #[error("cannot write the manifest as JSON")]
    Json(#[from] serde_json::Error),
}

impl StoreError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether there was no room on the disk.
    pub fn is_full_disk(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether the same call may work later: the disk was full or broken for the moment.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Parquet(_))
    }
}

/// An error and everything behind it, in one line for the log.
pub fn chain(error: &StoreError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        line.push_str(": ");
        line.push_str(&source.to_string());
        cause = source.source();
    }
    line
}
