//! `turnpike apply`: put the resources of files in force, all of them or none.
//!
//! Files are read and checked here first, so that every problem that can be seen without the stored
//! resources is told at once, with its file. Then the control plane checks all of them together
//! with what it has, and stores them in one transaction.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tonic::Request;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::admin::v1::change::Action;
use turnpike_proto::admin::v1::wait_for::Gateways;
use turnpike_proto::admin::v1::{ApplyRequest, ApplyResponse};
use turnpike_proto::config::v1::{Problem, Resource};

use crate::failure::Failure;
use crate::output::{Cell, Report, Table, note};
use crate::rpc::{self, of_message};
use crate::{gateways, span};

/// How much longer than the wait itself an answer may take.
const GRACE: Duration = Duration::from_secs(30);
/// A definition is at most 4 MiB; standard input holds a few of them at most.
const LARGEST_INPUT: u64 = 64 << 20;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A file, a folder with all that is below it, or `-` for standard input
    #[arg(short, long = "filename", value_name = "FILE|DIR", required = true)]
    file: Vec<PathBuf>,
    /// Check only; nothing is stored. Without a control plane the files are checked by themselves
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
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
    /// Nobody
    None,
}

impl Wait {
    /// Until every connected gateway serves it.
    pub(crate) const fn for_all(timeout: Duration) -> Self {
        Self { wait: WaitFor::All, timeout }
    }
}

pub(crate) async fn apply(connection: &rpc::Options, options: &Options) -> Result<Report, Failure> {
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for path in &options.file {
        let (found, wrong) = read(path)?;
        resources.extend(found);
        problems.extend(wrong);
    }
    if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    if resources.is_empty() {
        return Err(Failure::NothingToApply);
    }
    let sent = send(connection, resources.clone(), options.dry_run, &options.wait).await;
    match sent {
        Err(failure) if options.dry_run && failure.is_absence() => {
            note(format_args!("{failure}; the files are checked by themselves"));
            check_alone(&resources)
        }
        other => other,
    }
}

/// Sends resources to the control plane; `Err` where something is wrong with one of them.
pub(crate) async fn send(
    connection: &rpc::Options,
    resources: Vec<Resource>,
    dry_run: bool,
    wait: &Wait,
) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let waits = wait.wait == WaitFor::All && !dry_run;
    let mut request = Request::new(ApplyRequest {
        resources,
        dry_run,
        wait: if waits { Gateways::All } else { Gateways::None }.into(),
        timeout: Some(span::to_proto(wait.timeout)),
    });
    request.set_timeout(wait.timeout + GRACE);
    let answer = ApplyClient::new(wire.channel())
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
        .apply(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if !answer.problems.is_empty() {
        return Err(Failure::Problems(answer.problems));
    }
    let report = report(&answer, dry_run, waits);
    if waits && !answer.applied {
        let (revision, span) = (answer.revision, wait.timeout);
        return Err(Failure::NotApplied { report: Box::new(report), revision, span });
    }
    Ok(report)
}

fn report(answer: &ApplyResponse, dry_run: bool, waited: bool) -> Report {
    let mut changes = Table::new("nothing to change", &["CHANGE", "RESOURCE"]);
    for change in &answer.changes {
        let action = match change.action() {
            Action::Unchanged => "unchanged",
            Action::Created => "created",
            Action::Updated => "updated",
        };
        changes.row(vec![action.into(), Cell::from(change.key.as_str())]);
    }
    let mut report =
        Report::new(of_message("turnpike.admin.v1.ApplyResponse", answer)).table(changes);
    if dry_run {
        report = report.text("dry run: nothing was stored");
    }
    if waited {
        report = report.table(gateways::table(&answer.gateways));
        for gateway in &answer.gateways {
            for rejected in gateways::rejections(gateway) {
                report = report.text(rejected);
            }
        }
    }
    report
}

/// What admission says when nothing else is stored.
fn check_alone(resources: &[Resource]) -> Result<Report, Failure> {
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
