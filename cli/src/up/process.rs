//! How is a program started and ended?
//!
//! Each runs in a process group of its own, so that Ctrl-C reaches `turnpike up` alone and the
//! programs end in order. Should `turnpike up` itself be killed, the kernel ends them.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use chassis::clock::Clock;
use clap::Args;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getppid};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::error::UpError;
use super::logs;

/// A program, and everything that it needs to know.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) log: PathBuf,
    /// The page that answers 200 once it serves.
    pub(super) ready: String,
}

/// What a program is meant to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Order {
    Run,
    /// Go on; whoever ends now is not started again.
    StayDown,
    /// End what is in flight, then go.
    Stop,
    /// Go.
    Kill,
}

impl Program {
    pub(super) fn start(&self) -> Result<Child, UpError> {
        self.try_start().map_err(|source| UpError::Start { program: self.name, source })
    }

    fn try_start(&self) -> io::Result<Child> {
        let log = logs::open(&self.log)?;
        Command::new(std::env::current_exe()?)
            .arg("run-child")
            .arg(std::process::id().to_string())
            .arg(&self.path)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Asks a program to end, and ends it when it takes longer than `grace` or the order is `Kill`.
/// Answers whether it ended by itself.
pub(super) async fn end(
    child: &mut Child,
    order: &mut watch::Receiver<Order>,
    clock: &Clock,
    grace: Duration,
) -> bool {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(group) = group {
        // It may have ended in this moment; then there is nobody to tell.
        let _ = kill(group, Signal::SIGTERM);
    }
    let ended = tokio::select! {
        ended = clock.timeout(grace, child.wait()) => ended.is_ok(),
        _ = order.wait_for(|order| *order == Order::Kill) => false,
    };
    if !ended {
        if let Some(group) = group {
            // With whatever it has started.
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = child.kill().await;
    }
    ended
}

/// "exit code 3", "signal SIGKILL".
pub(super) fn how(status: ExitStatus) -> String {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    match (status.code(), signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Becomes another program that ends when its parent does. For `turnpike up` only.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunChild {
    parent: i32,
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Returns only when it could not.
pub(crate) fn run_child(child: &RunChild) -> io::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return error.into();
    }
    // The parent may have died before the line above.
    if getppid().as_raw() != child.parent {
        return io::ErrorKind::BrokenPipe.into();
    }
    std::process::Command::new(&child.program).args(&child.arguments).exec()
}
