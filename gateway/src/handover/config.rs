//! Where does a gateway wait for the one that will follow it, and does it follow one itself?

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The `[upgrade]` section.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The Unix socket where a running gateway is asked; empty: `upgrade.sock` in the data
    /// directory; `off`: none, and nobody can take over.
    pub socket: String,
    /// Take over from the gateway that runs there, if one does.
    pub take_over: bool,
    /// How long the running gateway waits for the new one to serve.
    #[serde(with = "chassis::config::duration")]
    pub patience: Duration,
}

impl Config {
    /// The socket, if there is to be one.
    pub fn socket(&self, data: &Path) -> Option<PathBuf> {
        match self.socket.as_str() {
            "off" => None,
            "" => Some(data.join("upgrade.sock")),
            path => Some(PathBuf::from(path)),
        }
    }
}
