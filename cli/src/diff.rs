//! `turnpike diff`: what would files change, or what has changed between two revisions?

use std::path::PathBuf;

use clap::Args;
use turnpike_proto::admin::v1::change::Action;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::{ApplyRequest, DiffRequest, FieldDiff};

use crate::apply;
use crate::failure::Failure;
use crate::output::Report;
use crate::resources::key_of;
use crate::rpc::{self, Kind, of_message};

/// What would files change, or what has changed between two revisions?
///
/// Exit code 0: nothing differs; 1: something does, or it could not be found out; 2: the question makes no
/// sense. With -f the files are held against what is stored, as `apply` would. Without, revisions are
/// compared, of one resource or of all.
#[derive(Args, Clone, Debug)]
pub(crate) struct Diff {
    /// The kind of one resource
    #[arg(requires = "name", conflicts_with = "file")]
    kind: Option<String>,
    /// NAME, or NAME:VERSION of an API
    name: Option<String>,
    /// A file, a folder with all that is below it, or `-` for standard input
    #[arg(short, long = "filename", value_name = "FILE|DIR", required_unless_present = "from")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) pruned: apply::Belonging,
    /// The revision to compare from
    #[arg(long, value_name = "REVISION", conflicts_with = "file")]
    from: Option<u64>,
    /// The revision to compare with [default: the one in force]
    #[arg(long, value_name = "REVISION", requires = "from")]
    to: Option<u64>,
}

pub(crate) async fn diff(connection: &rpc::Options, asked: &Diff) -> Result<Report, Failure> {
    let (report, differs) = match asked.from {
        Some(from) => between(connection, asked, from).await?,
        None => with_files(connection, asked).await?,
    };
    if differs {
        return Err(Failure::Differs { report: Box::new(report) });
    }
    Ok(report.text("nothing differs"))
}

async fn with_files(connection: &rpc::Options, asked: &Diff) -> Result<(Report, bool), Failure> {
    let resources = asked.pruned.labelled(apply::read_all(&asked.file)?);
    let prune = asked.pruned.prune();
    let request =
        ApplyRequest { resources, dry_run: true, fields: true, prune, ..ApplyRequest::default() };
    let answer = apply::ask(connection, request, apply::GRACE).await?;
    let mut report = Report::new(of_message("turnpike.admin.v1.ApplyResponse", &answer));
    let mut differs = false;
    for change in answer.changes.iter().filter(|one| one.action() != Action::Unchanged) {
        differs = true;
        report = describe(report, &change.key, change.action(), &change.fields);
    }
    Ok((report, differs))
}

async fn between(
    connection: &rpc::Options,
    asked: &Diff,
    from: u64,
) -> Result<(Report, bool), Failure> {
    let key = match (&asked.kind, &asked.name) {
        (Some(kind), Some(name)) => key_of(&Kind::parse(kind)?, name)?,
        _ => String::new(),
    };
    let wire = connection.control_plane()?;
    let answer = HistoryClient::new(wire.channel())
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
        .diff(DiffRequest { key, from, to: asked.to.unwrap_or(0) })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let mut report = Report::new(of_message("turnpike.admin.v1.DiffResponse", &answer));
    for one in &answer.resources {
        report = describe(report, &one.key, one.action(), &one.fields);
    }
    Ok((report, !answer.resources.is_empty()))
}

/// One line for the resource, and one for each field of a resource that was changed.
pub(crate) fn describe(report: Report, key: &str, action: Action, fields: &[FieldDiff]) -> Report {
    let mut report = report.text(format!("{} {key}", word(action)));
    for field in fields.iter().filter(|field| !field.path.is_empty()) {
        let side = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let (before, after) = (side(&field.before), side(&field.after));
        report = report.text(format!("  {}: {before} -> {after}", field.path));
    }
    report
}

/// How an action is called.
pub(crate) const fn word(action: Action) -> &'static str {
    match action {
        Action::Unchanged => "unchanged",
        Action::Created => "created",
        Action::Updated => "updated",
        Action::Deleted => "deleted",
    }
}
