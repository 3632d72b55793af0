//! What do usage, latency, errors and geography look like?

use turnpike_proto::usage::v1::{
    ErrorsResponse, GeographyResponse, GeographyRow, LatencyResponse, UsageResponse,
};

use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::of_message;

pub(super) fn usage(answer: &UsageResponse) -> Report {
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

pub(super) fn latency(answer: &LatencyResponse) -> Report {
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

pub(super) fn errors(answer: &ErrorsResponse) -> Report {
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

pub(super) fn geography(answer: &GeographyResponse) -> Report {
    let heads = ["COUNTRY", "SUBDIVISION", "CITY", "ASN", "API", "CALLS", "ADDRESSES"];
    // Columns that were not asked for are left out.
    let any = |of: fn(&GeographyRow) -> bool| answer.rows.iter().any(of);
    let there = [
        true,
        any(|row| !row.subdivision.is_empty()),
        any(|row| !row.city.is_empty()),
        any(|row| row.asn > 0),
        true,
        true,
        true,
    ];
    let shown = |cells: Vec<Cell>| {
        cells.into_iter().zip(there).filter(|(_, there)| *there).map(|(cell, _)| cell).collect()
    };
    let heads: Vec<_> = heads.into_iter().zip(there).filter(|(_, there)| *there).collect();
    let heads: Vec<_> = heads.into_iter().map(|(head, _)| head).collect();
    let mut table = Table::new("no calls", &heads);
    for row in &answer.rows {
        table.row(shown(vec![
            row.country.as_str().into(),
            Cell::text_or_dash(&row.subdivision),
            Cell::text_or_dash(&row.city),
            if row.asn == 0 { Cell::Absent } else { row.asn.into() },
            Cell::text_or_dash(&row.api),
            row.calls.into(),
            row.addresses.into(),
        ]));
    }
    let mut report =
        Report::new(of_message("turnpike.usage.v1.GeographyResponse", answer)).table(table);
    if answer.hidden_calls > 0 {
        report = report.text(hidden(answer.hidden_calls));
    }
    if answer.attribution.is_empty() { report } else { report.text(answer.attribution.as_str()) }
}

/// What is said of places that are not shown.
pub(super) fn hidden(calls: u64) -> String {
    format!("{calls} more calls came from places with too few clients to be shown")
}

/// Microseconds, shown in milliseconds.
pub(super) fn milliseconds(us: u64) -> Cell {
    Cell::Number(format!("{}.{:02}", us / 1_000, us % 1_000 / 10))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use prost_types::Timestamp;
    use turnpike_proto::usage::v1::LatencyRow;

    use super::*;
    use crate::output::Part;

    fn shown(report: &Report) -> String {
        let line = |part: &Part| match part {
            Part::Table(table) => table.to_string(),
            Part::Text(text) | Part::Picture(text) => text.clone(),
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
        let attribution = "by somebody".to_owned();
        let answer = GeographyResponse { rows: vec![row], attribution, hidden_calls: 0 };
        assert_snapshot!(shown(&geography(&answer)), @r"
        COUNTRY  API  CALLS  ADDRESSES
        PT       -        2          1
        by somebody
        ");
    }
}
