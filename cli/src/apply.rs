//! `turnpike apply`: put the resources of files in force, all of them or none.
//!
//! Files are read and checked here first, so that every problem that can be seen without the stored
//! resources is told at once, with its file. Then the control plane checks all of them together
//! with what it has, and stores them in one transaction.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::clock::Clock;
use clap::{Args, ValueEnum};
use tonic::Request;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::admin::v1::change::Action;
use turnpike_proto::admin::v1::publish_client::PublishClient;
use turnpike_proto::admin::v1::rollout::State;
use turnpike_proto::admin::v1::wait_for::Gateways;
use turnpike_proto::admin::v1::{ApplyRequest, ApplyResponse, GatewayState, Prune, WaitRequest};
use turnpike_proto::config::v1::{Problem, Resource};

use crate::failure::Failure;
use crate::output::{Cell, Report, Table, note};
use crate::rollouts::{self, Waves};
use crate::rpc::{self, of_message};
use crate::{gateways, span};

/// How much longer than the wait itself an answer may take.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// A definition is at most 4 MiB; standard input holds a few of them at most.
const LARGEST_INPUT: u64 = 64 << 20;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A file, a folder with all that is below it, or `-` for standard input
    #[arg(short, long = "filename", value_name = "FILE|DIR", required = true)]
    file: Vec<PathBuf>,
    /// Put what is good in force though other resources are refused, with all that depends on them
    #[arg(long, conflicts_with = "prune")]
    partial: bool,
    /// Check only; nothing is stored. Without a control plane the files are checked by themselves
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    belonging: Belonging,
    /// Remove without asking
    #[arg(long, requires = "prune")]
    yes: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    waves: Waves,
}

/// To what the resources of files belong, so that those which the files no longer have can go.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("chosen").multiple(true).args(["set", "labels"])))]
pub(crate) struct Belonging {
    /// The set that the resources belong to; they get the label `turnpike.set` with this value
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Also remove what belongs to the set, or carries the labels of -l, and is not in the files
    #[arg(long, requires = "chosen")]
    prune: bool,
    /// A label that resources must carry to be removed by --prune; several must all be there
    #[arg(short = 'l', long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

/// The label of a set.
const SET: &str = "turnpike.set";

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a label is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Belonging {
    /// The resources as members of the set.
    pub(crate) fn labelled(&self, mut resources: Vec<Resource>) -> Vec<Resource> {
        for metadata in resources.iter_mut().filter_map(plan::metadata_mut) {
            if let Some(set) = &self.set {
                metadata.labels.insert(SET.to_owned(), set.clone());
            }
        }
        resources
    }

    /// What goes because it is not in the files.
    pub(crate) fn prune(&self) -> Option<Prune> {
        let mut labels: BTreeMap<String, String> = self.labels.iter().cloned().collect();
        if let Some(set) = &self.set {
            labels.insert(SET.to_owned(), set.clone());
        }
        self.prune.then(|| Prune { labels, only: Vec::new() })
    }
}

/// Whether to wait until gateways serve what was stored.
#[derive(Args, Clone, Debug)]
pub(crate) struct Wait {
    /// Which gateways to wait for
    #[arg(long, value_name = "GATEWAYS", default_value = "none")]
    wait: WaitFor,
    /// How long to wait at most
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span::parse)]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WaitFor {
    /// Every connected gateway
    All,
    /// More than half of the connected gateways of each group
    Quorum,
    /// Nobody
    None,
}

impl Wait {
    /// Until every connected gateway serves it.
    pub(crate) const fn for_all(timeout: Duration) -> Self {
        Self { wait: WaitFor::All, timeout }
    }

    const fn whom(&self) -> Gateways {
        match self.wait {
            WaitFor::All => Gateways::All,
            WaitFor::Quorum => Gateways::Quorum,
            WaitFor::None => Gateways::None,
        }
    }
}

pub(crate) async fn apply(
    connection: &rpc::Options,
    clock: &Clock,
    options: &Options,
) -> Result<Report, Failure> {
    let (found, unread) = read_some(&options.file)?;
    if !unread.is_empty() && (!options.partial || found.is_empty()) {
        return Err(Failure::Problems(unread));
    }
    if found.is_empty() {
        return Err(Failure::NothingToApply);
    }
    let resources = options.belonging.labelled(found);
    let mut request = ApplyRequest {
        resources: resources.clone(),
        reason: options.reason.clone(),
        dry_run: options.dry_run,
        partial: options.partial,
        ..ApplyRequest::default()
    };
    if let Some(plan) = options.waves.plan() {
        request.rollout = Some(plan);
        return roll_out(connection, clock, request, &options.wait).await;
    }
    request.prune = options.belonging.prune();
    if request.prune.is_some() && !options.dry_run {
        request.prune = confirmed(connection, &request, options.yes).await?;
    }
    let sent = send_request(connection, request, &options.wait).await;
    let sent = match sent {
        Err(failure) if options.dry_run && failure.is_absence() => {
            note(format_args!("{failure}; the files are checked by themselves"));
            check_alone(&resources, options.partial)
        }
        other => other,
    };
    with_unread(sent, unread)
}

/// The resources of files that can be read, and what is wrong with the others.
fn read_some(paths: &[PathBuf]) -> Result<(Vec<Resource>, Vec<Problem>), Failure> {
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let (found, wrong) = read(path)?;
        resources.extend(found);
        problems.extend(wrong);
    }
    Ok((resources, problems))
}

/// All resources of files; `Err` where something is wrong with one of them, or where there is none.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Resource>, Failure> {
    let (resources, problems) = read_some(paths)?;
    if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    if resources.is_empty() {
        return Err(Failure::NothingToApply);
    }
    Ok(resources)
}

/// Shows what would go and asks; just that may go then. None: nothing would.
async fn confirmed(
    connection: &rpc::Options,
    request: &ApplyRequest,
    yes: bool,
) -> Result<Option<Prune>, Failure> {
    let looked = ApplyRequest { dry_run: true, ..request.clone() };
    let answer = ask(connection, looked, GRACE).await?;
    let going = answer.changes.into_iter().filter(|one| one.action() == Action::Deleted);
    let only: Vec<String> = going.map(|change| change.key).collect();
    if only.is_empty() {
        return Ok(None);
    }
    for key in &only {
        note(format_args!("not in the files, and to be removed: {key}"));
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Unconfirmed(only.len()));
        }
        note(format_args!("remove {} of them? Type yes:", only.len()));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(Failure::Input)?;
        if answer.trim() != "yes" {
            return Err(Failure::Declined);
        }
    }
    Ok(request.prune.clone().map(|prune| Prune { only, ..prune }))
}

/// What could not even be read is told with what the control plane refused.
fn with_unread(sent: Result<Report, Failure>, mut unread: Vec<Problem>) -> Result<Report, Failure> {
    if unread.is_empty() {
        return sent;
    }
    match sent {
        Ok(report) => Err(Failure::Partly { report: Box::new(report), problems: unread }),
        Err(Failure::Partly { report, problems }) => {
            unread.extend(problems);
            Err(Failure::Partly { report, problems: unread })
        }
        Err(Failure::Problems(problems)) => {
            unread.extend(problems);
            Err(Failure::Problems(unread))
        }
        Err(other) => Err(other),
    }
}

/// Sends resources to the control plane; `Err` where something is wrong with one of them.
pub(crate) async fn send(
    connection: &rpc::Options,
    resources: Vec<Resource>,
    dry_run: bool,
    wait: &Wait,
) -> Result<Report, Failure> {
    send_request(connection, ApplyRequest { resources, dry_run, ..ApplyRequest::default() }, wait)
        .await
}

/// Asks the control plane; problems are a failure.
pub(crate) async fn ask(
    connection: &rpc::Options,
    request: ApplyRequest,
    within: Duration,
) -> Result<ApplyResponse, Failure> {
    let wire = connection.control_plane()?;
    let mut request = Request::new(request);
    request.set_timeout(within);
    let answer = ApplyClient::new(wire.channel())
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
        .apply(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if !answer.problems.is_empty() && answer.changes.is_empty() {
        return Err(Failure::Problems(answer.problems));
    }
    Ok(answer)
}

async fn send_request(
    connection: &rpc::Options,
    request: ApplyRequest,
    wait: &Wait,
) -> Result<Report, Failure> {
    let dry_run = request.dry_run;
    let whom = if dry_run { Gateways::None } else { wait.whom() };
    let waits = whom != Gateways::None;
    let request =
        ApplyRequest { wait: whom.into(), timeout: Some(span::to_proto(wait.timeout)), ..request };
    let answer = ask(connection, request, wait.timeout + GRACE).await?;
    let report = report(&answer, dry_run, waits);
    if !answer.problems.is_empty() {
        return Err(Failure::Partly { report: Box::new(report), problems: answer.problems });
    }
    if waits && !answer.applied {
        let (revision, span) = (answer.revision, wait.timeout);
        return Err(Failure::NotApplied { report: Box::new(report), revision, span });
    }
    Ok(report)
}

/// Begins a rollout; with a wait, until it has ended.
async fn roll_out(
    connection: &rpc::Options,
    clock: &Clock,
    request: ApplyRequest,
    wait: &Wait,
) -> Result<Report, Failure> {
    let dry_run = request.dry_run;
    let answer = ask(connection, request, GRACE).await?;
    let Some(rollout) = &answer.rollout else { return Ok(report(&answer, dry_run, false)) };
    if wait.wait == WaitFor::None {
        return Ok(rollouts::shown(rollout));
    }
    let rollout = rollouts::ended(connection, clock, &rollout.name, wait.timeout).await?;
    let report = Box::new(rollouts::shown(&rollout));
    match rollout.state() {
        State::Completed => Ok(*report),
        State::Aborted => Err(Failure::TakenBack { report, reason: rollout.reason }),
        _ => Err(Failure::NotThrough { report, name: rollout.name }),
    }
}

fn report(answer: &ApplyResponse, dry_run: bool, waited: bool) -> Report {
    let mut changes = Table::new("nothing to change", &["CHANGE", "RESOURCE"]);
    for change in &answer.changes {
        let action = match change.action() {
            Action::Unchanged => "unchanged",
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
        };
        changes.row(vec![action.into(), Cell::from(change.key.as_str())]);
    }
    let mut report =
        Report::new(of_message("turnpike.admin.v1.ApplyResponse", answer)).table(changes);
    if dry_run {
        report = report.text("dry run: nothing was stored");
    }
    if waited { with_gateways(report, &answer.gateways) } else { report }
}

fn with_gateways(report: Report, gateways: &[GatewayState]) -> Report {
    let mut report = report.table(gateways::table(gateways));
    for gateway in gateways {
        for rejected in gateways::rejections(gateway) {
            report = report.text(rejected);
        }
    }
    report
}

/// The same report once gateways serve what is in force, where that is waited for.
pub(crate) async fn awaited(
    connection: &rpc::Options,
    wait: &Wait,
    report: Report,
) -> Result<Report, Failure> {
    let whom = wait.whom();
    if whom == Gateways::None {
        return Ok(report);
    }
    let wire = connection.control_plane()?;
    let timeout = Some(span::to_proto(wait.timeout));
    let mut request = Request::new(WaitRequest { wait: whom.into(), timeout });
    request.set_timeout(wait.timeout + GRACE);
    let answer = PublishClient::new(wire.channel())
        .wait(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let report = with_gateways(report, &answer.gateways);
    if answer.applied {
        return Ok(report);
    }
    let (revision, span) = (answer.revision, wait.timeout);
    Err(Failure::NotApplied { report: Box::new(report), revision, span })
}

/// What admission says when nothing else is stored.
fn check_alone(resources: &[Resource], partial: bool) -> Result<Report, Failure> {
    if partial {
        let (admitted, problems) = plan::admit_good(&plan::Objects::new(), resources);
        let good = admitted.changes.len();
        let report = Report::new(serde_json::json!({ "checked": resources.len(), "good": good }))
            .text(format!("{good} of {} resources are good", resources.len()));
        return if problems.is_empty() {
            Ok(report)
        } else {
            Err(Failure::Partly { report: Box::new(report), problems })
        };
    }
    match plan::admit(&plan::Objects::new(), resources, &[]) {
        Ok(_) => {
            let value = serde_json::json!({ "checked": resources.len() });
            Ok(Report::new(value).text(format!("{} resources, no problem", resources.len())))
        }
        Err(problems) => Err(Failure::Problems(problems)),
    }
}

fn read(path: &Path) -> Result<(Vec<Resource>, Vec<Problem>), Failure> {
    if path != Path::new("-") {
        let files = plan::files::read(path)?;
        return Ok((files.resources, files.problems));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LARGEST_INPUT)
        .read_to_string(&mut text)
        .map_err(Failure::Input)?;
    Ok(plan::read_document(&text, "standard input"))
}
