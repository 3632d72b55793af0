//! Which client stands for an application, as far as this machine knows?
//!
//! A consumer secret is shown once by the key manager. `turnpike keys generate` keeps it here, so that
//! `turnpike token --app A` can use it.

use std::path::Path;

use chassis::config::Secret;
use serde_json::{Value, json};

use crate::kept::{Home, Kept, KeptError, text};

/// The oldest entries leave when there are more.
const MOST_ENTRIES: usize = 1_000;

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

/// The clients that this user holds for one installation.
#[derive(Clone, Debug)]
pub(crate) struct Clients(Kept);

impl Home {
    /// `authority`: the certificate authority of the installation, as its file has it.
    pub(crate) fn clients(&self, authority: &[u8]) -> Result<Clients, KeptError> {
        Ok(Clients(self.kept("keys.json", authority)?))
    }
}

impl Clients {
    pub(crate) fn file(&self) -> &Path {
        &self.0.file
    }

    /// The newest client of an application; `key_type` and `key_manager` narrow the choice.
    pub(crate) fn find(
        &self,
        application: &str,
        key_type: &str,
        key_manager: &str,
    ) -> Result<Option<Client>, KeptError> {
        let mine = |entry: &&Value| {
            self.0.is_here(entry)
                && text(entry, "application") == application
                && text(entry, "type") == key_type
                && text(entry, "keyManager") == key_manager
        };
        Ok(self.0.read()?.iter().find(mine).map(client))
    }

    /// Keeps a client; it is found before the ones that are there already.
    pub(crate) fn keep(&self, client: &Client) -> Result<(), KeptError> {
        let mut entries = self.0.read()?;
        entries.insert(
            0,
            json!({
                "installation": self.0.installation,
                "application": client.application,
                "type": client.key_type,
                "keyManager": client.key_manager,
                "consumerKey": client.consumer_key,
                "consumerSecret": client.consumer_secret.expose(),
            }),
        );
        entries.truncate(MOST_ENTRIES);
        self.0.write(&entries)
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

#[cfg(test)]
mod tests {
    use std::fs;
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
