//! Which client stands for an application, as far as this machine knows?
//!
//! A consumer secret is shown once by the key manager. `turnpike keys generate` keeps it here, in a
//! file that only its owner can read, so that `turnpike token --app A` can use it. An entry belongs
//! to one installation, which is told by its certificate authority: two installations on the same
//! ports do not mix.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chassis::config::Secret;
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The oldest entries leave when there are more.
const MOST_ENTRIES: usize = 1_000;

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
        help = "Folder for the secrets of generated keys [default: $XDG_CONFIG_HOME/turnpike]"
    )]
    folder: Option<PathBuf>,
    #[arg(long = "xdg-config-home", env = "XDG_CONFIG_HOME", global = true, hide = true)]
    xdg_config: Option<PathBuf>,
    #[arg(long = "user-home", env = "HOME", global = true, hide = true)]
    user: Option<PathBuf>,
}

/// A client that stands for an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) application: String,
    /// `production` or `sandbox`.
    pub(crate) key_type: String,
    pub(crate) key_manager: String,
    pub(crate) consumer_key: String,
    pub(crate) consumer_secret: Secret,
}

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientsError {
    #[error("no folder for keys: set TURNPIKE_HOME")]
    NoFolder,
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: is not the list of keys that it should be", file.display())]
    Syntax { file: PathBuf, source: serde_json::Error },
    #[error("{}: cannot be written", file.display())]
    Write { file: PathBuf, source: io::Error },
}

/// The clients that this user holds for one installation.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    file: PathBuf,
    installation: String,
}

impl Home {
    fn folder(&self) -> Result<PathBuf, ClientsError> {
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        set(&self.folder)
            .or_else(|| set(&self.xdg_config).map(|base| base.join("turnpike")))
            .or_else(|| set(&self.user).map(|home| home.join(".config/turnpike")))
            .ok_or(ClientsError::NoFolder)
    }

    /// `authority`: the certificate authority of the installation, as its file has it.
    pub(crate) fn clients(&self, authority: &[u8]) -> Result<Clients, ClientsError> {
        // Half of the digest is more than enough to tell installations apart.
        let start = Sha256::digest(authority)
            .iter()
            .take(16)
            .fold(0, |sum: u128, byte| sum << 8 | u128::from(*byte));
        let installation = format!("{start:032x}");
        Ok(Clients { file: self.folder()?.join("keys.json"), installation })
    }
}

impl Clients {
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The newest client of an application; `key_type` and `key_manager` narrow the choice.
    pub(crate) fn find(
        &self,
        application: &str,
        key_type: &str,
        key_manager: &str,
    ) -> Result<Option<Client>, ClientsError> {
        let mine = |entry: &&Value| {
            text(entry, "installation") == self.installation
                && text(entry, "application") == application
                && text(entry, "type") == key_type
                && text(entry, "keyManager") == key_manager
        };
        Ok(self.read()?.iter().find(mine).map(client))
    }

    /// Keeps a client; it is found before the ones that are there already.
    pub(crate) fn keep(&self, client: &Client) -> Result<(), ClientsError> {
        let mut entries = self.read()?;
        entries.insert(
            0,
            json!({
                "installation": self.installation,
                "application": client.application,
                "type": client.key_type,
                "keyManager": client.key_manager,
                "consumerKey": client.consumer_key,
                "consumerSecret": client.consumer_secret.expose(),
            }),
        );
        entries.truncate(MOST_ENTRIES);
        self.write(&entries)
            .map_err(|source| ClientsError::Write { file: self.file.clone(), source })
    }

    fn read(&self) -> Result<Vec<Value>, ClientsError> {
        let file = || self.file.clone();
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| ClientsError::Syntax { file: file(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(ClientsError::Read { file: file(), source }),
        }
    }

    /// Written aside and renamed: a reader sees the old list or the new one.
    fn write(&self, entries: &[Value]) -> io::Result<()> {
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

fn client(entry: &Value) -> Client {
    Client {
        application: text(entry, "application").to_owned(),
        key_type: text(entry, "type").to_owned(),
        key_manager: text(entry, "keyManager").to_owned(),
        consumer_key: text(entry, "consumerKey").to_owned(),
        consumer_secret: Secret::new(text(entry, "consumerSecret")),
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn clients(folder: &Path, authority: &[u8]) -> Clients {
        let home = Home { folder: Some(folder.join("home")), xdg_config: None, user: None };
        home.clients(authority).unwrap()
    }

    fn client_of(application: &str, key: &str) -> Client {
        Client {
            application: application.to_owned(),
            key_type: "production".to_owned(),
            key_manager: "resident".to_owned(),
            consumer_key: key.to_owned(),
            consumer_secret: Secret::new("hush"),
        }
    }

    #[track_caller]
    fn check(clients: &Clients, application: &str, key: Option<&str>) {
        let found = clients.find(application, "production", "resident").unwrap();
        assert_eq!(found, key.map(|key| client_of(application, key)));
    }

    #[test]
    fn the_newest_key_of_an_application_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let clients = clients(folder.path(), b"authority");
        check(&clients, "shop", None);
        for (application, key) in [("shop", "a"), ("shop", "b"), ("till", "c")] {
            clients.keep(&client_of(application, key)).unwrap();
        }
        check(&clients, "shop", Some("b"));
        assert_eq!(clients.find("shop", "sandbox", "resident").unwrap(), None);
    }

    #[test]
    fn keys_of_another_installation_are_not_found() {
        let folder = tempfile::tempdir().unwrap();
        clients(folder.path(), b"one").keep(&client_of("shop", "a")).unwrap();
        check(&clients(folder.path(), b"other"), "shop", None);
    }

    #[test]
    fn only_the_owner_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let clients = clients(folder.path(), b"authority");
        clients.keep(&client_of("shop", "a")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(clients.file()), 0o600);
        assert_eq!(mode(clients.file().parent().unwrap()), 0o700);
        assert!(!format!("{:?}", client_of("shop", "a")).contains("hush"));
    }
}
