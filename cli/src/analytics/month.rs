//! How does a report become a file?

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use turnpike_proto::usage::v1::MonthlyRequest;
use turnpike_proto::usage::v1::monthly_request;
use turnpike_proto::usage::v1::reports_client::ReportsClient;

use crate::failure::Failure;
use crate::output::note;
use crate::rpc;

#[derive(Args, Clone, Debug)]
pub(crate) struct Wanted {
    /// The month, UTC
    #[arg(long, value_name = "YYYY-MM", value_parser = Month::parse)]
    month: Month,
    /// Form of the file
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: Form,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A table for programs that calculate
    Csv,
    /// An object for programs
    Json,
    /// Pages to print
    Pdf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month {
    year: i32,
    month: u32,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is no month; write it like 2026-10")]
struct NoMonth(String);

impl Month {
    fn parse(text: &str) -> Result<Self, NoMonth> {
        let wrong = || NoMonth(text.to_owned());
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let year = year.parse().map_err(|_| wrong())?;
        let month = month.parse().map_err(|_| wrong())?;
        if (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(wrong()) }
    }
}

/// Writes the report of a month to a file, or to standard output.
pub(crate) async fn report(connection: &rpc::Options, wanted: &Wanted) -> Result<(), Failure> {
    let wire = connection.analytics()?;
    let Month { year, month } = wanted.month;
    let format = match wanted.format {
        Form::Csv => monthly_request::Format::Csv,
        Form::Json => monthly_request::Format::Json,
        Form::Pdf => monthly_request::Format::Pdf,
    };
    let request = MonthlyRequest { year, month, format: format.into() };
    let mut parts = ReportsClient::new(wire.channel())
        .monthly(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    // Only a report that is whole becomes a file.
    let mut content = Vec::new();
    while let Some(part) = parts.message().await.map_err(|status| wire.error(status))? {
        part.notes.iter().for_each(note);
        content.extend(part.content);
    }
    let Some(file) = &wanted.file else {
        let mut out = io::stdout().lock();
        return Ok(out.write_all(&content).and_then(|()| out.flush())?);
    };
    let written = File::create(file).and_then(|mut out| out.write_all(&content));
    written.map_err(|source| Failure::NotWritten { file: file.clone(), source })?;
    note(format_args!("{} is written", file.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, month: Option<(i32, u32)>) {
        let parsed = Month::parse(text).ok().map(|Month { year, month }| (year, month));
        assert_eq!(parsed, month, "{text}");
    }

    #[test]
    fn a_month_is_a_year_and_a_number() {
        check("2026-10", Some((2026, 10)));
        for text in ["2026-13", "2026-00", "2026", "10-2026x", "october"] {
            check(text, None);
        }
    }
}
