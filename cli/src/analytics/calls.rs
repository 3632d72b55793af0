//! Which calls were there, one by one, and which come just now?

use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::{Value, json};
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::{Call, LogsRequest, TailRequest, TailResponse};

use super::selection::{Conditions, Selection, Subject, proto_span};
use super::summaries::milliseconds;
use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Printer, Report, Table, note};
use crate::rpc::{self, Wire, of_message};
use crate::span;

/// The most that is asked for at a time.
const PAGE: u32 = 1000;

#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    conditions: Conditions,
    /// Only the call that was answered with this x-request-id
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only calls that took so long or longer
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    slower_than: Option<Duration>,
    /// At most so many calls
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Tail {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    conditions: Conditions,
    /// Only calls that took so long or longer
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    slower_than: Option<Duration>,
}

/// Fetches pages until there are enough calls.
pub(super) async fn logs(wire: &Wire, now: SystemTime, asked: &Logs) -> Result<Report, Failure> {
    let mut client =
        AnalyticsClient::new(wire.channel()).max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
    let mut request = LogsRequest {
        filter: Some(asked.selection.filter(now)),
        conditions: asked.conditions.to_proto(),
        request_id: asked.request_id.clone().unwrap_or_default(),
        slower_than: proto_span(asked.slower_than),
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut calls: Vec<Call> = Vec::new();
    let wanted = asked.limit as usize;
    let more = loop {
        let left = u32::try_from(wanted.saturating_sub(calls.len())).unwrap_or(PAGE);
        request.page_size = left.min(PAGE);
        let page = client.logs(request.clone()).await.map_err(|status| wire.error(status))?;
        let page = page.into_inner();
        calls.extend(page.calls);
        if calls.len() >= wanted || page.next_page_token.is_empty() {
            break !page.next_page_token.is_empty();
        }
        request.page_token = page.next_page_token;
    };
    let table = calls.iter().fold(table(), |mut table, call| {
        table.row(cells(call));
        table
    });
    let calls: Vec<Value> = calls.iter().map(value).collect();
    let report = Report::new(json!({ "calls": calls, "more": more })).table(table);
    Ok(if more { report.text("there are more; see --limit") } else { report })
}

/// Prints calls as they are stored, until the reader, the collector or Ctrl-C ends it.
pub(crate) async fn tail(
    connection: &rpc::Options,
    asked: &Tail,
    printer: Printer,
) -> Result<(), Failure> {
    let wire = connection.analytics()?;
    let request = TailRequest {
        api: asked.subject.api.clone().unwrap_or_default(),
        application: asked.subject.app.clone().unwrap_or_default(),
        conditions: asked.conditions.to_proto(),
        slower_than: proto_span(asked.slower_than),
    };
    let mut calls = AnalyticsClient::new(wire.channel())
        .tail(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if printer.for_people() {
        note("waiting for calls; Ctrl-C ends it");
    }
    if printer.for_spreadsheets() {
        printer.print(&Report::default().table(table()))?;
    }
    while let Some(seen) = calls.message().await.map_err(|status| wire.error(status))? {
        if seen.left_out > 0 {
            note(format_args!("{} calls came too fast and were left out", seen.left_out));
        }
        printer.print_item(&item(&seen, printer))?;
    }
    note("the collector has ended the stream");
    Ok(())
}

fn table() -> Table {
    Table::new(
        "no calls",
        &[
            "AT",
            "API",
            "VERSION",
            "METHOD",
            "PATH",
            "STATUS",
            "FAULT",
            "TOTAL MS",
            "APPLICATION",
            "USER",
            "REQUEST ID",
        ],
    )
}

fn cells(call: &Call) -> Vec<Cell> {
    vec![
        time(call.at.as_ref()).into(),
        Cell::text_or_dash(&call.api),
        Cell::text_or_dash(&call.api_version),
        Cell::text_or_dash(&call.method),
        Cell::text_or_dash(&call.path),
        call.status.into(),
        if call.fault_code == 0 { Cell::Absent } else { call.fault_code.into() },
        milliseconds(call.total_us),
        Cell::text_or_dash(&call.application),
        Cell::text_or_dash(&call.user),
        call.request_id.as_str().into(),
    ]
}

fn item(seen: &TailResponse, printer: Printer) -> Report {
    let call = seen.call.clone().unwrap_or_default();
    let report = Report::new(of_message("turnpike.usage.v1.TailResponse", seen));
    if printer.for_spreadsheets() {
        let mut table = table();
        table.row(cells(&call));
        return report.table(table);
    }
    report.text(line(&call))
}

/// A call on a line of its own; control characters cannot steer the terminal.
fn line(call: &Call) -> String {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let line = format!(
        "{}  {}  {} {}  {}:{}  {}  {}.{:03} ms  {}",
        time(call.at.as_ref()),
        call.status,
        or_dash(&call.method),
        or_dash(&call.path),
        or_dash(&call.api),
        or_dash(&call.api_version),
        or_dash(&call.application),
        call.total_us / 1000,
        call.total_us % 1000,
        call.request_id,
    );
    line.chars().map(|one| if one.is_control() { '?' } else { one }).collect()
}

fn value(call: &Call) -> Value {
    of_message("turnpike.usage.v1.Call", call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line_whatever_its_path_is() {
        let call = Call {
            at: Some(prost_types::Timestamp { seconds: 1_769_850_000, nanos: 0 }),
            status: 503,
            method: "GET".to_owned(),
            path: "/a\n\u{1b}[2Jb".to_owned(),
            api: "orders".to_owned(),
            api_version: "1".to_owned(),
            total_us: 12_034,
            request_id: "07".repeat(16),
            ..Call::default()
        };
        assert_eq!(
            line(&call),
            "2026-01-31T09:00:00Z  503  GET /a??[2Jb  orders:1  -  12.034 ms  \
             07070707070707070707070707070707"
        );
    }
}
