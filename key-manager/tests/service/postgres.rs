//! Where does a test get a PostgreSQL server from?
//!
//! From `TURNPIKE_TEST_POSTGRES`, the URL of one where it may create databases; else it starts its
//! own in a temporary folder, as another user when it is root, because PostgreSQL refuses root.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio::sync::Mutex;

const PASSWORD: &str = "a:p@ss word/with%everything";
const ESCAPED: &str = "a%3Ap%40ss%20word%2Fwith%25everything";

/// A server; ends with its last user.
#[derive(Debug)]
pub(crate) struct Server {
    /// Up to the name of the database.
    base: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    bin: PathBuf,
    port: u16,
    folder: TempDir,
    settings: &'static [&'static str],
    process: std::sync::Mutex<Option<Child>>,
}

/// The server that tests share; `None`: there is none on this machine.
pub(crate) async fn shared() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = match given() {
        Some(base) => Arc::new(Server { base, own: None }),
        None => Arc::new(Server::start().await?),
    };
    *shared = Arc::downgrade(&server);
    Some(server)
}

#[expect(clippy::disallowed_methods, reason = "a test asks its surroundings")]
fn given() -> Option<String> {
    let url = std::env::var("TURNPIKE_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
    let (scheme, rest) = url.split_once("://")?;
    let server = rest.split('/').next()?;
    Some(format!("{scheme}://{server}"))
}

impl Server {
    /// A server of one's own, to be stopped at will.
    pub(crate) async fn start() -> Option<Self> {
        // Nothing of a test outlives the machine.
        Self::start_with(&["fsync=off", "max_connections=200"]).await
    }

    pub(crate) async fn start_with(settings: &'static [&'static str]) -> Option<Self> {
        let bin = newest()?;
        let folder = tempfile::Builder::new().prefix("turnpike-postgres-").tempdir().ok()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        let port = listener.local_addr().ok()?.port();
        drop(listener);
        let process = std::sync::Mutex::new(None);
        let own = Own { bin, port, folder, settings, process };
        own.prepare();
        own.run();
        let base = format!("postgres://tester:{ESCAPED}@127.0.0.1:{port}");
        let server = Self { base, own: Some(own) };
        server.answers().await;
        Some(server)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// Runs a statement outside of every test database.
    pub(crate) async fn execute(&self, statement: String) -> Result<(), sqlx::Error> {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url("postgres")).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }

    async fn answers(&self) {
        for _ in 0..300 {
            if self.execute("SELECT 'up'".to_owned()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("PostgreSQL does not answer");
    }

    /// As a crash would.
    pub(crate) fn kill(&self) {
        let own = self.own.as_ref().expect("a server of one's own");
        own.stop();
    }

    pub(crate) async fn restart(&self) {
        self.own.as_ref().expect("a server of one's own").run();
        self.answers().await;
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn prepare(&self) {
        let password = self.folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a password file");
        if is_root() {
            let owner = format!("{}:", user());
            let path = self.folder.path();
            let done = Command::new("chown").arg("-R").arg(owner).arg(path).status();
            assert!(done.expect("chown").success());
        }
        let made = self
            .command("initdb")
            .args(["--no-sync", "--auth=scram-sha-256", "--username=tester", "--encoding=UTF8"])
            .arg("--locale=C.UTF-8")
            .arg(format!("--pwfile={}", password.display()))
            .arg("-D")
            .arg(self.data())
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn run(&self) {
        let started = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .args(["-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres");
        *self.process.lock().expect("the process") = Some(started);
    }

    fn stop(&self) {
        let Some(mut process) = self.process.lock().expect("the process").take() else { return };
        // SIGQUIT ends every session at once; the next start recovers.
        let quit = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
        if !quit.is_ok_and(|status| status.success()) {
            let _ = process.kill();
        }
        let _ = process.wait();
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let user = user();
        command.args([format!("--reuid={user}"), format!("--regid={}", group(user))]);
        // The folder of the tests is closed to other users.
        command.args(["--clear-groups", "--"]).arg(program).current_dir("/");
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop();
    }
}

fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let numbered = versions.filter_map(|version| {
        let path = version.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let bin = path.join("bin");
        bin.join("initdb").exists().then_some((number, bin))
    });
    numbered.max().map(|(_, bin)| bin)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn user() -> &'static str {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

fn group(user: &str) -> &str {
    if user == "nobody" { "nogroup" } else { user }
}
