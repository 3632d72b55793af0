//! Who is given what happened, as a file?

use std::pin::Pin;
use std::sync::Arc;

use chassis::clock::Clock;
use futures_util::stream::{self, Stream};
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::monthly_request::Format;
use turnpike_proto::usage::v1::reports_server::Reports;
use turnpike_proto::usage::v1::{MonthlyRequest, ReportPart};

use super::from_filter::refused;
use super::to_proto;
use crate::report::Bounds;
use crate::report::monthly::{Month, Monthly, csv, json, monthly, pdf};
use crate::store::Reader;

/// Bytes of a part.
const PART: usize = 64 << 10;

/// Writes reports.
#[derive(Debug)]
pub struct ReportsService {
    /// Asks the store.
    pub reader: Arc<Reader>,
    /// What may be asked.
    pub bounds: Bounds,
    /// The time.
    pub clock: Clock,
}

#[tonic::async_trait]
impl Reports for ReportsService {
    type MonthlyStream = Pin<Box<dyn Stream<Item = Result<ReportPart, Status>> + Send>>;

    async fn monthly(
        &self,
        request: Request<MonthlyRequest>,
    ) -> Result<Response<Self::MonthlyStream>, Status> {
        let MonthlyRequest { year, month, format } = request.into_inner();
        let month = Month::of(year, month)
            .ok_or_else(|| refused("month", "is none of 1970-01 to 9999-12"))?;
        let format = Format::try_from(format)
            .map_err(|_| refused("format", "is none of csv, json and pdf"))?;
        let now_us = self.clock.unix_us();
        let report = monthly(&self.reader, month, now_us, &self.bounds).await;
        let report = report.map_err(|error| to_proto::status(&error))?.ok_or_else(|| {
            refused("month", "has not begun, or is too long ago: its calls are not kept")
        })?;
        let notes = report.notes.clone();
        // Some megabytes are put together, which takes its time.
        let written = tokio::task::spawn_blocking(move || write(&report, format)).await;
        let content = written
            .ok()
            .flatten()
            .ok_or_else(|| Status::internal("the report could not be written"))?;
        Ok(Response::new(Box::pin(stream::iter(parts(&content, month, format, notes)))))
    }
}

fn write(report: &Monthly, format: Format) -> Option<Vec<u8>> {
    match format {
        Format::Csv => csv::csv(report).ok(),
        Format::Json => json::json(report).ok(),
        Format::Pdf => Some(pdf::pdf(report)),
    }
}

fn parts(
    content: &[u8],
    month: Month,
    format: Format,
    notes: Vec<String>,
) -> Vec<Result<ReportPart, Status>> {
    let (media_type, ending) = match format {
        Format::Csv => ("text/csv", "csv"),
        Format::Json => ("application/json", "json"),
        Format::Pdf => ("application/pdf", "pdf"),
    };
    let mut parts: Vec<ReportPart> = content
        .chunks(PART)
        .map(|content| ReportPart { content: content.to_vec(), ..ReportPart::default() })
        .collect();
    if let Some(first) = parts.first_mut() {
        media_type.clone_into(&mut first.media_type);
        first.file_name = format!("calls-{month}.{ending}");
        first.notes = notes;
    }
    parts.into_iter().map(Ok).collect()
}
