//! `turnpike history`, `turnpike rollback`: who changed what, when and why, and going back to it.

use std::time::Duration;

use chassis::clock::Clock;
use clap::Args;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::{
    HistoryEntry, ListHistoryRequest, ListHistoryResponse, RollbackRequest,
};

use crate::diff;
use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::resources::key_of;
use crate::rpc::{self, Kind, of_message};
use crate::span;

/// The most transactions that the control plane answers at a time.
const PAGE: u32 = 1000;
/// So many resources of a transaction stand in its row.
const SHOWN: usize = 3;

#[derive(Args, Clone, Debug)]
pub(crate) struct History {
    /// Only what changed resources of this kind
    kind: Option<String>,
    /// Only what changed this one: NAME, or NAME:VERSION of an API
    name: Option<String>,
    /// Only what they changed, named as in the column BY
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only what was made so long ago at most
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    since: Option<Duration>,
    /// At most so many transactions
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Rollback {
    /// The kind of one resource
    #[arg(required_unless_present = "all", requires = "name")]
    kind: Option<String>,
    /// NAME, or NAME:VERSION of an API
    name: Option<String>,
    /// All resources
    #[arg(long, conflicts_with = "kind")]
    all: bool,
    /// The revision to go back to, as `turnpike history` shows it
    #[arg(long, value_name = "REVISION")]
    to: u64,
    /// Say what would change; nothing is stored
    #[arg(long)]
    dry_run: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Leave secrets as they are; their values are not kept, so one that has changed cannot be put back
    #[arg(long)]
    keep_secrets: bool,
}

pub(crate) async fn history(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &History,
) -> Result<Report, Failure> {
    let kind = asked.kind.as_deref().map(Kind::parse).transpose()?;
    let key = match (&kind, &asked.name) {
        (Some(kind), Some(name)) => key_of(kind, name)?,
        _ => String::new(),
    };
    let wire = connection.control_plane()?;
    let mut client = HistoryClient::new(wire.channel());
    let mut request = ListHistoryRequest {
        kind: kind
            .filter(|_| key.is_empty())
            .map(|kind| kind.name().to_owned())
            .unwrap_or_default(),
        key,
        by: asked.by.clone().unwrap_or_default(),
        since: asked.since.and_then(|since| clock.now().checked_sub(since)).map(Into::into),
        ..ListHistoryRequest::default()
    };
    let mut all = ListHistoryResponse::default();
    loop {
        let found = u32::try_from(all.entries.len()).unwrap_or(u32::MAX);
        request.page_size = asked.limit.saturating_sub(found).min(PAGE);
        if request.page_size == 0 {
            break;
        }
        let page = client.list(request.clone()).await.map_err(|status| wire.error(status))?;
        let page = page.into_inner();
        all.revision = page.revision;
        all.entries.extend(page.entries);
        // The same token again would be a server that turns in a circle.
        if page.next_page_token.is_empty() || page.next_page_token == request.page_token {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let heads = ["REVISION", "AT", "BY", "CHANGES", "REASON"];
    let mut table = Table::new("nothing was changed", &heads);
    for entry in &all.entries {
        table.row(vec![
            entry.revision.into(),
            time(entry.at.as_ref()).into(),
            Cell::text_or_dash(&entry.by),
            changes(entry).into(),
            Cell::text_or_dash(&entry.reason),
        ]);
    }
    Ok(Report::new(of_message("turnpike.admin.v1.ListHistoryResponse", &all)).table(table))
}

fn changes(entry: &HistoryEntry) -> String {
    let shown = entry.changes.iter().take(SHOWN).map(|one| {
        let action = diff::word(one.action());
        format!("{action} {}", one.key)
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let count = usize::try_from(entry.count).unwrap_or(usize::MAX);
    match count.checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

pub(crate) async fn rollback(
    connection: &rpc::Options,
    asked: &Rollback,
) -> Result<Report, Failure> {
    let key = match (&asked.kind, &asked.name) {
        (Some(kind), Some(name)) => key_of(&Kind::parse(kind)?, name)?,
        _ => String::new(),
    };
    let wire = connection.control_plane()?;
    let request = RollbackRequest {
        key,
        all: asked.all,
        revision: asked.to,
        dry_run: asked.dry_run,
        reason: asked.reason.clone(),
        keep_secrets: asked.keep_secrets,
    };
    let answer = HistoryClient::new(wire.channel())
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
        .rollback(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if !answer.problems.is_empty() {
        return Err(Failure::Problems(answer.problems));
    }
    let mut report = Report::new(of_message("turnpike.admin.v1.RollbackResponse", &answer));
    for resource in &answer.resources {
        let action = resource.action();
        report = diff::describe(report, &resource.key, action, &resource.fields);
    }
    let said = match (answer.resources.is_empty(), asked.dry_run) {
        (true, _) => format!("nothing to change: it is as it was at revision {}", asked.to),
        (false, true) => "dry run: nothing was stored".to_owned(),
        (false, false) => format!("revision {} is in force", answer.revision),
    };
    Ok(report.text(said))
}
