//! How is the real gateway started for a test, and how is it known where it listens?

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running gateway; it is killed when dropped.
pub(crate) struct Program {
    child: Child,
    /// Where it takes calls in the clear.
    pub(crate) http: SocketAddr,
    _folder: TempDir,
}

impl Program {
    /// Starts a gateway that serves these resources, with more of its environment set.
    pub(crate) fn start(resources: &str, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("resources")).expect("a folder");
        std::fs::write(path("resources").join("api.yaml"), resources).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("--resources").arg(path("resources"));
        command
            .env("TURNPIKE_SERVICE_DATA", path("data"))
            .env("TURNPIKE_PKI_DIRECTORY", path("pki"))
            .env("TURNPIKE_OPERATIONS_LISTEN", "127.0.0.1:0")
            .env("TURNPIKE_RECEIVER_HTTP", "127.0.0.1:0")
            .env("TURNPIKE_RECEIVER_HTTPS", "127.0.0.1:0")
            .env("TURNPIKE_RECEIVER_WORKERS", "1")
            .env("TURNPIKE_TELEMETRY_FORMAT", "json")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway starts");
        let http = listens(&mut child).expect("the gateway says where it listens");
        Self { child, http, _folder: folder }
    }

    /// What the process keeps in memory now, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let path = Path::new("/proc").join(self.child.id().to_string()).join("status");
        let status = std::fs::read_to_string(path).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.expect("a number") * 1024
    }
}

/// Reads what the program says until it tells its addresses; the rest is read and forgotten.
fn listens(child: &mut Child) -> Option<SocketAddr> {
    let (told, hear) = std::sync::mpsc::channel();
    let out = child.stdout.take()?;
    let err = child.stderr.take()?;
    let streams: [Box<dyn std::io::Read + Send>; 2] = [Box::new(out), Box::new(err)];
    for stream in streams {
        let told = told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
    }
    drop(told);
    let mut said = Vec::new();
    for line in hear {
        let address = line.split_once("http\":\"[").or_else(|| line.split_once("http=["));
        let address = address.and_then(|(_, rest)| rest.split([']', ',']).next());
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            return Some(address);
        }
        said.push(line);
    }
    panic!("the gateway ended: {}", said.join("\n"));
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
