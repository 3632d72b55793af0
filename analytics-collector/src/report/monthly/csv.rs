//! A month as a table for programs that calculate (RFC 4180).

use super::month::{Counts, Monthly};

const HEADS: [&str; 11] = [
    "api",
    "version",
    "application",
    "owner",
    "calls",
    "errors",
    "throttled",
    "request_bytes",
    "response_bytes",
    "p50_us",
    "p95_us",
];

/// Writes a month; the last line is the total.
pub fn csv(monthly: &Monthly) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(HEADS)?;
    for row in &monthly.rows {
        let names = [&row.api, &row.version, &row.application, &row.owner];
        table.write_record(
            names.map(|name| harmless(name)).into_iter().chain(numbers(row.counts)),
        )?;
    }
    let names = ["total", "", "", ""].map(str::to_owned);
    table.write_record(names.into_iter().chain(numbers(monthly.total)))?;
    table.into_inner().map_err(|error| error.into_error().into())
}

fn numbers(counts: Counts) -> impl Iterator<Item = String> {
    let Counts { calls, errors, throttled, request_bytes, response_bytes, p50_us, p95_us } = counts;
    [calls, errors, throttled, request_bytes, response_bytes, p50_us, p95_us]
        .into_iter()
        .map(|number| number.to_string())
}

/// A name that begins like a formula would be calculated by a spreadsheet; behind `'` it is a text.
fn harmless(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return format!("'{name}");
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::monthly::{Month, MonthlyRow};

    #[track_caller]
    fn check(application: &str, line: &str) {
        let counts = Counts { calls: 7, p95_us: 1500, ..Counts::default() };
        let row = MonthlyRow {
            api: "orders".to_owned(),
            version: "1.0.0".to_owned(),
            application: application.to_owned(),
            owner: "ann".to_owned(),
            counts,
        };
        let month = Month::of(2026, 10).unwrap();
        let monthly = Monthly { month, total: counts, rows: vec![row], notes: Vec::new() };
        let written = String::from_utf8(csv(&monthly).unwrap()).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines, [HEADS.join(",").as_str(), line, "total,,,,7,0,0,0,0,0,1500"]);
    }

    #[test]
    fn names_are_written_so_that_they_stay_names() {
        check("shop", "orders,1.0.0,shop,ann,7,0,0,0,0,0,1500");
        check("a,b \"c\"", "orders,1.0.0,\"a,b \"\"c\"\"\",ann,7,0,0,0,0,0,1500");
        check("=cmd()", "orders,1.0.0,'=cmd(),ann,7,0,0,0,0,0,1500");
    }
}
