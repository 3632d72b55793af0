//! How is a real ClickHouse had for a test?
//!
//! `chdb` of `PyPI`, which is the engine as a library, behind `front.py`, which speaks ClickHouse's HTTP.
//! Where it is not installed the tests that need it say so and are left out.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Whom a server lets in.
pub(crate) const USER: &str = "turnpike";
/// By which password.
pub(crate) const PASSWORD: &str = "it's \"secret\" & 1%";

/// A server; it ends with its owner.
#[derive(Debug)]
pub(crate) struct ClickHouse {
    folder: TempDir,
    guarded: bool,
    packages: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl ClickHouse {
    /// Nothing where there is none to be had.
    pub(crate) fn start() -> Option<Self> {
        Self::start_as(false)
    }

    /// One that speaks TLS and asks for [`USER`] and [`PASSWORD`].
    pub(crate) fn guarded() -> Option<Self> {
        Self::start_as(true)
    }

    fn start_as(guarded: bool) -> Option<Self> {
        let packages = packages()?;
        let folder = tempfile::tempdir().unwrap();
        if guarded {
            chassis::pki::development(&folder.path().join("pki"), &["clickhouse"]).unwrap();
        }
        let mut server = Self { folder, guarded, packages, port: 0, child: None };
        server.run();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.guarded { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The file with the authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("pki/ca.pem")
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again with the same data at the same port; nothing is planned for it.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.trouble());
        self.run();
    }

    /// It is killed at the next INSERT: `before` it, or `after` it and before its answer.
    pub(crate) fn kill_at_insert(&self, moment: &str) {
        self.kill_at_write(moment, 0);
    }

    /// It is killed when something is written or changed once more after so many times.
    pub(crate) fn kill_at_write(&self, moment: &str, after: u32) {
        std::fs::write(self.trouble(), format!("{moment} {after}")).unwrap();
    }

    fn trouble(&self) -> PathBuf {
        self.folder.path().join("data.trouble")
    }

    /// What the program is told of certificate and user.
    fn guard(&self) -> Vec<PathBuf> {
        if !self.guarded {
            return Vec::new();
        }
        let files = ["clickhouse.pem", "clickhouse.key"];
        let files = files.map(|name| self.folder.path().join("pki").join(name));
        files.into_iter().chain([USER, PASSWORD].map(PathBuf::from)).collect()
    }

    fn run(&mut self) {
        let front = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickhouse_server/front.py");
        let mut child = Command::new("python3")
            .arg(front)
            .arg(self.folder.path().join("data"))
            .arg(self.port.to_string())
            .args(self.guard())
            .env("PYTHONPATH", &self.packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.port = line.trim().parse().unwrap();
        self.child = Some(child);
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment")]
fn packages() -> Option<PathBuf> {
    let packages = std::env::var_os("TURNPIKE_CHDB").filter(|it| !it.is_empty());
    if packages.is_none() {
        eprintln!("left out: ClickHouse (TURNPIKE_CHDB names no folder with chdb)");
    }
    packages.map(PathBuf::from)
}
