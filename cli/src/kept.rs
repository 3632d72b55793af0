//! Where do secrets stay that this user was given?
//!
//! In files of their own folder which only they can read. An entry belongs to one installation, which is
//! told by its certificate authority: two installations on the same ports do not mix.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Where this user's files are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Home {
    #[arg(
        long = "home",
        value_name = "DIR",
        env = "TURNPIKE_HOME",
        global = true,
        hide_env = true,
        help = "Folder for the secrets of generated keys and for sign-ins [default: $XDG_CONFIG_HOME/turnpike]"
    )]
    pub(crate) folder: Option<PathBuf>,
    #[arg(long = "xdg-config-home", env = "XDG_CONFIG_HOME", global = true, hide = true)]
    pub(crate) xdg_config: Option<PathBuf>,
    #[arg(long = "user-home", env = "HOME", global = true, hide = true)]
    pub(crate) user: Option<PathBuf>,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    #[error("no folder for keys: set TURNPIKE_HOME")]
    NoFolder,
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: is not the list that it should be", file.display())]
    Syntax { file: PathBuf, source: serde_json::Error },
    #[error("{}: cannot be written", file.display())]
    Write { file: PathBuf, source: io::Error },
}

/// A file of entries, and the installation whose entries are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) file: PathBuf,
    pub(crate) installation: String,
}

impl Home {
    fn folder(&self) -> Result<PathBuf, KeptError> {
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        set(&self.folder)
            .or_else(|| set(&self.xdg_config).map(|base| base.join("turnpike")))
            .or_else(|| set(&self.user).map(|home| home.join(".config/turnpike")))
            .ok_or(KeptError::NoFolder)
    }

    /// The file of this name. `authority`: the certificate authority of the installation, as its file
    /// has it.
    pub(crate) fn kept(&self, name: &str, authority: &[u8]) -> Result<Kept, KeptError> {
        // Half of the digest is more than enough to tell installations apart.
        let start = Sha256::digest(authority)
            .iter()
            .take(16)
            .fold(0, |sum: u128, byte| sum << 8 | u128::from(*byte));
        let installation = format!("{start:032x}");
        Ok(Kept { file: self.folder()?.join(name), installation })
    }
}

impl Kept {
    /// Whether an entry is one of this installation.
    pub(crate) fn is_here(&self, entry: &Value) -> bool {
        text(entry, "installation") == self.installation
    }

    /// Every entry, of whatever installation; none where there is no file.
    pub(crate) fn read(&self) -> Result<Vec<Value>, KeptError> {
        let file = || self.file.clone();
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| KeptError::Syntax { file: file(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(KeptError::Read { file: file(), source }),
        }
    }

    /// Replaces all entries.
    pub(crate) fn write(&self, entries: &[Value]) -> Result<(), KeptError> {
        self.replace(entries).map_err(|source| KeptError::Write { file: self.file.clone(), source })
    }

    /// Written aside and renamed: a reader sees the old list or the new one.
    fn replace(&self, entries: &[Value]) -> io::Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let aside = self.file.with_extension(format!("json.{}", std::process::id()));
        // Left over by a process that was killed; its mode may be another one.
        let _ = fs::remove_file(&aside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(&serde_json::to_vec_pretty(entries)?)?;
        file.sync_all()?;
        fs::rename(&aside, &self.file)
    }
}

/// A text of an entry; empty where there is none.
pub(crate) fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}
