//! Which database is meant?
//!
//! `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`; the password is never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use chassis::config::Secret;
use serde::{Deserialize, Deserializer};
use url::Url;

/// The address of a database.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of the service's own under `service.data`.
    #[default]
    Own,
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A server that speaks the PostgreSQL protocol.
    Postgres(Url),
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    #[error("a database is named by `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`")]
    Scheme,
    #[error("`sqlite://` needs the path of a file; a database in memory would lose clients")]
    Path,
    #[error("the database is no URL")]
    Url(#[source] url::ParseError),
}

impl DatabaseUrl {
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.is_empty() {
            return Ok(Self::Own);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return Err(DatabaseUrlError::Path);
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        Url::parse(text).map(Self::Postgres).map_err(DatabaseUrlError::Url)
    }

    /// The same, with the service's own file put under `data`.
    #[must_use]
    pub fn under(self, data: &Path) -> Self {
        match self {
            Self::Own => Self::Sqlite(data.join("key-manager.db")),
            other => other,
        }
    }

    fn masked(&self) -> String {
        match self {
            Self::Own => String::new(),
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let mut shown = url.clone();
                if shown.password().is_some() {
                    // Fails only for URLs that cannot have a password.
                    let _ = shown.set_password(Some("***"));
                }
                let secret = |(name, _): &(_, _)| *name == "password";
                if url.query_pairs().any(|pair| secret(&pair)) {
                    shown.set_query(Some("***"));
                }
                shown.into()
            }
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.masked())
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read as a secret, so that `--print-config` masks it: it may carry a password.
        let text = Secret::deserialize(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the address as it is printed, or the refusal.
    #[track_caller]
    fn check(text: &str, read: &str) {
        let said = match DatabaseUrl::parse(text) {
            Ok(url) => format!("{url}"),
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(said, read);
    }

    #[test]
    fn a_password_is_never_printed() {
        check("postgres://u:secret@h:5432/d", "postgres://u:***@h:5432/d");
        check("postgres://h/d?user=u&password=secret", "postgres://h/d?***");
        let url = DatabaseUrl::parse("postgres://u:secret@h/d").expect("a url");
        assert!(!format!("{url:?}").contains("secret"));
    }

    #[test]
    fn a_file_is_named_by_its_path() {
        check("sqlite:///var/lib/km.db", "sqlite:///var/lib/km.db");
        check("sqlite://data/km.db", "sqlite://data/km.db");
    }

    #[test]
    fn what_would_lose_clients_or_is_unknown_is_refused() {
        check("sqlite::memory:", "Path");
        check("sqlite://", "Path");
        check("mysql://h/d", "Scheme");
        check("km.db", "Scheme");
    }
}
