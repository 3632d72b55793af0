//! `turnpike analytics …`: what was called, how fast, how often in vain, and from where?

use std::time::{Duration, SystemTime};

use chassis::clock::Clock;
use clap::{Args, Subcommand};
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::{
    ErrorsRequest, ErrorsResponse, Filter, GeographyRequest, GeographyResponse, LatencyRequest,
    LatencyResponse, UsageRequest, UsageResponse,
};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};
use crate::span;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Question {
    /// How often what was called, and how it ended
    Usage(Intervals),
    /// How long calls took
    Latency(Intervals),
    /// What went wrong
    Errors(Selection),
    /// From which countries calls came
    Geo(Selection),
}

/// Which calls.
#[derive(Args, Clone, Debug)]
pub(crate) struct Selection {
    /// Only calls of this API: NAME or NAME:VERSION
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// Only calls of this application
    #[arg(long, value_name = "APPLICATION")]
    app: Option<String>,
    /// Only calls that began so long ago at most, for example 15m, 1h, 7d
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = span::parse)]
    since: Duration,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Intervals {
    #[command(flatten)]
    selection: Selection,
    /// One row per interval instead of one for the whole time, for example 1m
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    interval: Option<Duration>,
}

pub(crate) async fn ask(
    connection: &rpc::Options,
    clock: &Clock,
    question: &Question,
) -> Result<Report, Failure> {
    let wire = connection.analytics()?;
    let mut client =
        AnalyticsClient::new(wire.channel()).max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
    let now = clock.now();
    let refused = |status| wire.error(status);
    Ok(match question {
        Question::Usage(asked) => {
            let request =
                UsageRequest { filter: Some(asked.filter(now)), interval: asked.interval() };
            usage(&client.usage(request).await.map_err(refused)?.into_inner())
        }
        Question::Latency(asked) => {
            let request =
                LatencyRequest { filter: Some(asked.filter(now)), interval: asked.interval() };
            latency(&client.latency(request).await.map_err(refused)?.into_inner())
        }
        Question::Errors(asked) => {
            let request = ErrorsRequest { filter: Some(asked.filter(now)) };
            errors(&client.errors(request).await.map_err(refused)?.into_inner())
        }
        Question::Geo(asked) => {
            let request = GeographyRequest { filter: Some(asked.filter(now)) };
            geography(&client.geography(request).await.map_err(refused)?.into_inner())
        }
    })
}

impl Selection {
    fn filter(&self, now: SystemTime) -> Filter {
        Filter {
            since: now.checked_sub(self.since).map(Into::into),
            // Absent means now on the collector's clock, which saw the last call.
            until: None,
            api: self.api.clone().unwrap_or_default(),
            application: self.app.clone().unwrap_or_default(),
        }
    }
}

impl Intervals {
    fn filter(&self, now: SystemTime) -> Filter {
        self.selection.filter(now)
    }

    fn interval(&self) -> Option<prost_types::Duration> {
        self.interval.map(span::to_proto)
    }
}

fn usage(answer: &UsageResponse) -> Report {
    let mut table = Table::new(
        "no calls",
        &[
            "FROM",
            "API",
            "VERSION",
            "APPLICATION",
            "CALLS",
            "ERRORS",
            "THROTTLED",
            "BYTES IN",
            "BYTES OUT",
        ],
    );
    for row in &answer.rows {
        table.row(vec![
            time(row.from.as_ref()).into(),
            Cell::text_or_dash(&row.api),
            Cell::text_or_dash(&row.api_version),
            Cell::text_or_dash(&row.application),
            row.calls.into(),
            row.errors.into(),
            row.throttled.into(),
            row.request_bytes.into(),
            row.response_bytes.into(),
        ]);
    }
    Report::new(of_message("turnpike.usage.v1.UsageResponse", answer)).table(table)
}

fn latency(answer: &LatencyResponse) -> Report {
    let mut table = Table::new(
        "no calls",
        &[
            "FROM",
            "API",
            "VERSION",
            "CALLS",
            "P50 MS",
            "P95 MS",
            "P99 MS",
            "MAX MS",
            "BACKEND P50",
            "BACKEND P99",
        ],
    );
    for row in &answer.rows {
        table.row(vec![
            time(row.from.as_ref()).into(),
            Cell::text_or_dash(&row.api),
            Cell::text_or_dash(&row.api_version),
            row.calls.into(),
            milliseconds(row.p50_us),
            milliseconds(row.p95_us),
            milliseconds(row.p99_us),
            milliseconds(row.max_us),
            milliseconds(row.backend_p50_us),
            milliseconds(row.backend_p99_us),
        ]);
    }
    Report::new(of_message("turnpike.usage.v1.LatencyResponse", answer)).table(table)
}

fn errors(answer: &ErrorsResponse) -> Report {
    let mut table =
        Table::new("no errors", &["API", "VERSION", "STATUS", "FAULT", "CLASS", "CALLS", "LAST"]);
    for row in &answer.rows {
        table.row(vec![
            Cell::text_or_dash(&row.api),
            Cell::text_or_dash(&row.api_version),
            row.status.into(),
            row.fault_code.into(),
            Cell::text_or_dash(if row.fault_type.is_empty() { "backend" } else { &row.fault_type }),
            row.calls.into(),
            time(row.last.as_ref()).into(),
        ]);
    }
    Report::new(of_message("turnpike.usage.v1.ErrorsResponse", answer)).table(table)
}

fn geography(answer: &GeographyResponse) -> Report {
    let mut table = Table::new("no calls", &["COUNTRY", "API", "CALLS", "ADDRESSES"]);
    for row in &answer.rows {
        table.row(vec![
            row.country.as_str().into(),
            Cell::text_or_dash(&row.api),
            row.calls.into(),
            row.addresses.into(),
        ]);
    }
    let report =
        Report::new(of_message("turnpike.usage.v1.GeographyResponse", answer)).table(table);
    if answer.attribution.is_empty() { report } else { report.text(answer.attribution.as_str()) }
}

/// Microseconds, shown in milliseconds.
fn milliseconds(us: u64) -> Cell {
    Cell::Number(format!("{}.{:02}", us / 1_000, us % 1_000 / 10))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use prost_types::Timestamp;
    use turnpike_proto::usage::v1::{GeographyRow, LatencyRow};

    use super::*;
    use crate::output::Part;

    fn shown(report: &Report) -> String {
        let line = |part: &Part| match part {
            Part::Table(table) => table.to_string(),
            Part::Text(text) => text.clone(),
        };
        report.parts.iter().map(line).collect()
    }

    #[test]
    fn latency_is_shown_in_milliseconds() {
        let row = LatencyRow {
            from: Some(Timestamp { seconds: 1_769_850_000, nanos: 5 }),
            api: "orders".to_owned(),
            calls: 3,
            p50_us: 1_239,
            max_us: 12_000_000,
            ..LatencyRow::default()
        };
        assert_snapshot!(shown(&latency(&LatencyResponse { rows: vec![row] })), @r"
        FROM                  API     VERSION  CALLS  P50 MS  P95 MS  P99 MS    MAX MS  BACKEND P50  BACKEND P99
        2026-01-31T09:00:00Z  orders  -            3    1.23    0.00    0.00  12000.00         0.00         0.00
        ");
    }

    #[test]
    fn a_country_is_never_shown_without_its_source() {
        let row = GeographyRow {
            country: "PT".to_owned(),
            calls: 2,
            addresses: 1,
            ..GeographyRow::default()
        };
        let answer = GeographyResponse { rows: vec![row], attribution: "by somebody".to_owned() };
        assert_snapshot!(shown(&geography(&answer)), @r"
        COUNTRY  API  CALLS  ADDRESSES
        PT       -        2          1
        by somebody
        ");
    }
}
