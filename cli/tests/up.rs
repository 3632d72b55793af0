//! Does `turnpike up` keep a system running, and end it without leaving anything behind?
//!
//! The real command line with stand-ins for the four services: scripts that become the sample
//! backend on the service's operations port, or do what the test asks for.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const SERVICES: [&str; 4] = ["gateway", "key-manager", "control-plane", "analytics-collector"];
const PORTS: [u16; 11] = [8280, 8243, 8290, 9443, 9444, 9445, 9453, 9454, 9455, 9464, 9465];

const READY: &str = "openapi: 3.1.0\npaths:\n  /readyz:\n    get: { responses: { \"200\": {} } }\n";

/// Becomes the sample backend, in the same process, and writes its id down.
const STAND_IN: &str = "#!/bin/sh
here=$(dirname \"$0\")
echo $$ >> \"$here/$(basename \"$0\").ids\"
exec \"$here/turnpike\" sample-backend --listen \"$TURNPIKE_OPERATIONS_LISTEN\" --definition \"$here/ready.yaml\"
";

static NEXT: AtomicU16 = AtomicU16::new(0);
/// Held while programs are written and while one is started: a process that is started meanwhile holds
/// the file of another test open for writing until it becomes its own program, and what is open for
/// writing cannot be run.
static WORKBENCH: Mutex<()> = Mutex::new(());

struct System {
    folder: TempDir,
    up: Child,
}

impl System {
    /// `odd`: a service that is another script than the others.
    fn start(odd: Option<(&str, &str)>) -> Result<Self> {
        let _alone = WORKBENCH.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir()?;
        fs::copy(env!("CARGO_BIN_EXE_turnpike"), folder.path().join("turnpike"))?;
        fs::write(folder.path().join("ready.yaml"), READY)?;
        for service in SERVICES {
            let script = odd.filter(|odd| odd.0 == service).map_or(STAND_IN, |odd| odd.1);
            let path = folder.path().join(service);
            fs::write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let up = Command::new(folder.path().join("turnpike"))
            .args(["up", "--grace", "2s", "--port-offset", &free_offset()?.to_string()])
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("out"))?)
            .stderr(File::create(folder.path().join("err"))?)
            .spawn()?;
        Ok(Self { folder, up })
    }

    fn wait_for(&self, file: &str, text: &str) -> Result<()> {
        let said = || fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        eventually(|| said().contains(text))
            .with_context(|| format!("`{text}` in {file}: {}", said()))
    }

    /// The process ids that a stand-in has had, the last one last.
    fn ids(&self, service: &str) -> Result<Vec<i32>> {
        let ids = fs::read_to_string(self.folder.path().join(format!("{service}.ids")))?;
        ids.lines().map(|id| id.parse().context("process id")).collect()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.up.id())?), signal)?)
    }

    fn exit_code(&mut self) -> Result<Option<i32>> {
        let mut status = None;
        eventually(|| {
            status = self.up.try_wait().ok().flatten();
            status.is_some()
        })?;
        Ok(status.and_then(|status| status.code()))
    }

    fn nobody_is_left(&self) -> Result<()> {
        for service in SERVICES {
            for id in self.ids(service).unwrap_or_default() {
                eventually(|| !is_running(id)).with_context(|| format!("{service} {id} runs"))?;
            }
        }
        Ok(())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // A test that failed must leave nothing behind either.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

/// Polls for up to twenty seconds.
fn eventually(mut is_so: impl FnMut() -> bool) -> Result<()> {
    for _ in 0..1_000 {
        if is_so() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("not within 20 s")
}

/// A zombie has ended; it only waits to be counted.
fn is_running(id: i32) -> bool {
    let mut state = String::new();
    let read = File::open(Path::new("/proc").join(id.to_string()).join("stat"))
        .and_then(|mut file| file.read_to_string(&mut state));
    read.is_ok() && !state.contains(") Z ")
}

fn free_offset() -> Result<u16> {
    let free = |offset: &u16| {
        let ports = PORTS.iter().map(|port| TcpListener::bind(("127.0.0.1", port + offset)));
        ports.collect::<std::io::Result<Vec<_>>>().is_ok()
    };
    // Each test looks in a range of its own, away from those of other test programs.
    let mine = NEXT.fetch_add(1, Ordering::Relaxed) * 500;
    let begin = u16::try_from(std::process::id() % 20)? * 1_000 + mine;
    (begin..begin + 500).find(free).context("no free ports")
}

#[test]
fn a_system_comes_up_and_ends_clean() -> Result<()> {
    let mut system = System::start(None)?;
    system.wait_for("out", "Turnpike is running")?;
    system.signal(Signal::SIGINT)?;
    ensure!(system.exit_code()? == Some(0));
    system.nobody_is_left()
}

#[test]
fn a_service_that_falls_is_started_again() -> Result<()> {
    let mut system = System::start(None)?;
    system.wait_for("out", "Turnpike is running")?;
    let [first] = system.ids("gateway")?[..] else { anyhow::bail!("one process") };
    kill(Pid::from_raw(first), Signal::SIGKILL)?;
    system.wait_for("err", "gateway ended (signal SIGKILL)")?;
    system.wait_for("err", "gateway is ready again")?;
    ensure!(system.ids("gateway")?.len() == 2);
    system.signal(Signal::SIGTERM)?;
    ensure!(system.exit_code()? == Some(0));
    system.nobody_is_left()
}

#[test]
fn a_service_that_cannot_start_takes_the_system_down_with_its_reason() -> Result<()> {
    let script = "#!/bin/sh\necho 'gateway.toml:3: no such key'\nexit 2\n";
    let mut system = System::start(Some(("gateway", script)))?;
    ensure!(system.exit_code()? == Some(1));
    system.wait_for("err", "gateway ended before it was ready (exit code 2)")?;
    system.wait_for("err", "gateway.toml:3: no such key")?;
    system.nobody_is_left()
}

#[test]
fn a_service_that_will_not_end_is_killed() -> Result<()> {
    let script = "#!/bin/sh
trap '' TERM
here=$(dirname \"$0\")
echo $$ >> \"$here/gateway.ids\"
\"$here/turnpike\" sample-backend --listen \"$TURNPIKE_OPERATIONS_LISTEN\" --definition \"$here/ready.yaml\" &
while :; do sleep 1; done
";
    let mut system = System::start(Some(("gateway", script)))?;
    system.wait_for("out", "Turnpike is running")?;
    system.signal(Signal::SIGTERM)?;
    ensure!(system.exit_code()? == Some(0));
    system.wait_for("err", "gateway did not end by itself and was killed")?;
    system.nobody_is_left()
}

#[test]
fn nobody_outlives_a_killed_system() -> Result<()> {
    let mut system = System::start(None)?;
    system.wait_for("out", "Turnpike is running")?;
    system.signal(Signal::SIGKILL)?;
    ensure!(system.exit_code()?.is_none());
    system.nobody_is_left()
}

#[test]
fn two_systems_do_not_share_a_folder() -> Result<()> {
    let system = System::start(None)?;
    system.wait_for("out", "Turnpike is running")?;
    let alone = WORKBENCH.lock().unwrap_or_else(PoisonError::into_inner);
    let second = Command::new(system.folder.path().join("turnpike"))
        .args(["up", "--data"])
        .arg(system.folder.path().join("data"))
        .output()?;
    drop(alone);
    ensure!(second.status.code() == Some(1));
    ensure!(String::from_utf8_lossy(&second.stderr).contains("another `turnpike up` is using"));
    Ok(())
}
