//! The way of `turnpike up`: certificates, programs, sample, then keep watch until Ctrl-C.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::error::UpError;
use super::layout::{Geo, Layout, Service};
use super::process::{Order, Program};
use super::sample::{self, FirstCall};
use super::supervise::{Member, Surroundings};
use super::{greeting, logs};
use crate::failure::Failure;
use crate::kept::Home;
use crate::output::{Printer, note};
use crate::rpc;
use crate::span;

/// Who gets a certificate: the services, and whoever uses this command line.
const NAMES: [&str; 5] =
    ["gateway", "key-manager", "control-plane", "analytics-collector", "admin"];
const LOOK_AT_LOGS_EVERY: Duration = Duration::from_secs(10);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Start a sample backend, publish a sample API and print a first call
    #[arg(long)]
    sample: bool,
    /// Shift every default port by so much, so that several systems can run side by side
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// Country database (MMDB) for the analytics collector
    #[arg(long, value_name = "FILE")]
    geo: Option<PathBuf>,
    /// What the licence of the country database asks to be shown with its answers
    #[arg(long, value_name = "TEXT", default_value = "", requires = "geo")]
    geo_attribution: String,
    /// How long the services may take to be ready
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span::parse)]
    start_timeout: Duration,
    /// How long a service may take to end before it is killed
    #[arg(long, value_name = "SPAN", default_value = "20s", value_parser = span::parse)]
    grace: Duration,
}

impl Options {
    fn geo(&self) -> Option<Geo> {
        let attribution = self.geo_attribution.clone();
        self.geo.clone().map(|database| Geo { database, attribution })
    }
}

/// What every step needs.
#[derive(Debug)]
pub(super) struct Surrounded<'a> {
    pub(super) connection: rpc::Options,
    pub(super) home: &'a Home,
    pub(super) clock: Clock,
    pub(super) layout: Layout,
}

/// Runs until a signal or until the system cannot go on.
pub(crate) async fn up(
    connection: &rpc::Options,
    home: &Home,
    clock: &Clock,
    options: &Options,
    printer: Printer,
) -> Result<(), Failure> {
    let data = &connection.data;
    make_folder(data)?;
    let _in_use = lock(data)?;
    let layout = Layout::read(data, options.port_offset, options.geo())?;
    make_folder(&layout.logs())?;
    chassis::pki::development(&layout.pki(), &NAMES).map_err(UpError::Pki)?;
    for file in layout.own_files() {
        note(format_args!("{} is in force", file.display()));
    }
    let addresses = layout.addresses();
    addresses.write(data).map_err(|source| UpError::Write(data.clone(), source))?;

    let mut signals = Signals::new().map_err(UpError::Signals)?;
    let (failed, mut failures) = mpsc::channel(8);
    let around = Surroundings {
        clock: clock.clone(),
        tasks: Tasks::default(),
        grace: options.grace,
        failed,
    };
    let local = rpc::Options::local(layout.data());
    let here = Surrounded { connection: local, home, clock: clock.clone(), layout };
    let mut members = start(&here.layout, options.sample, &around)?;

    let outcome = tokio::select! {
        outcome = serve(&here, &members, options, data, printer) => outcome,
        Some(error) = failures.recv() => Err(error.into()),
        () = signals.received() => Ok(()),
    };
    if printer.for_people() {
        note("stopping");
    }
    stop(&mut members, &mut signals).await;
    outcome
}

/// All programs at once: none needs another one to start.
fn start(layout: &Layout, sample: bool, around: &Surroundings) -> Result<Vec<Member>, UpError> {
    let own = std::env::current_exe().map_err(UpError::OwnPath)?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let mut programs: Vec<Program> = Service::ALL
        .into_iter()
        .map(|service| layout.program(service, beside))
        .collect::<Result<_, _>>()?;
    if sample {
        programs.push(sample::backend(layout, own)?);
    }
    Ok(programs.into_iter().map(|program| Member::start(program, around)).collect())
}

/// Returns only with an error.
async fn serve(
    here: &Surrounded<'_>,
    members: &[Member],
    options: &Options,
    data: &Path,
    printer: Printer,
) -> Result<(), Failure> {
    let begun = here.clock.instant();
    for member in members {
        let program = member.program();
        let passed = here.clock.instant().duration_since(begun);
        let left = options.start_timeout.saturating_sub(passed);
        here.clock.timeout(left, member.ready(&here.clock)).await.map_err(|_| {
            let (after, log) = (options.start_timeout, program.log.clone());
            UpError::NotReady { program: program.name, after, log }
        })?;
        let passed = here.clock.instant().duration_since(begun);
        note(format_args!("{} is ready ({:.1} s)", program.name, passed.as_secs_f32()));
    }
    let first = if options.sample { first_call(here).await? } else { None };
    printer.print(&greeting::report(&here.layout, data, first.as_ref()))?;
    loop {
        here.clock.sleep(LOOK_AT_LOGS_EVERY).await;
        for member in members {
            let log = &member.program().log;
            if let Err(error) = logs::bound(log) {
                note(format_args!("{}: cannot be set aside: {error}", log.display()));
            }
        }
    }
}

/// `None`: the sample does not fit to what is stored, which is no reason to go down.
async fn first_call(here: &Surrounded<'_>) -> Result<Option<FirstCall>, Failure> {
    match sample::publish(here).await {
        Ok(first) => Ok(Some(first)),
        Err(failure @ Failure::Problems(_)) => {
            failure.tell();
            note("the sample is left out");
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The gateway first, so that nobody calls what is gone already; the collector last, so that the
/// gateway's last events arrive.
async fn stop(members: &mut [Member], signals: &mut Signals) {
    const ORDER: [&str; 5] =
        ["gateway", "sample-backend", "control-plane", "key-manager", "analytics-collector"];
    // A signal to everybody, as systems send it that shut down, must not look like a fall.
    for member in members.iter() {
        member.order(Order::StayDown);
    }
    for name in ORDER {
        for member in members.iter_mut().filter(|member| member.program().name == name) {
            member.order(Order::Stop);
            tokio::select! {
                () = member.ended() => continue,
                () = signals.received() => {}
            }
            break;
        }
    }
    // Only a second signal leads here with somebody still running.
    for member in members.iter_mut() {
        member.order(Order::Kill);
        member.ended().await;
    }
}

fn make_folder(folder: &Path) -> Result<(), UpError> {
    // Keys and stores are nobody else's business.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| UpError::Folder(folder.to_owned(), source))
}

/// Held until the returned file is closed; the kernel closes it however this process ends.
fn lock(data: &Path) -> Result<File, UpError> {
    let path = data.join("up.lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| UpError::Write(path.clone(), source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(UpError::InUse(data.to_owned())),
        Err(TryLockError::Error(source)) => Err(UpError::Write(path, source)),
    }
}

/// The signals that end everything.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
