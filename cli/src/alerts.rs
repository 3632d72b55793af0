//! `turnpike alerts …`: what should somebody look at?

use std::time::Duration;

use chassis::clock::Clock;
use clap::Subcommand;
use serde_json::Value;
use turnpike_proto::usage::v1::alert::Severity;
use turnpike_proto::usage::v1::alerts_client::AlertsClient;
use turnpike_proto::usage::v1::{Alert, ListAlertsRequest, WatchAlertsRequest};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Printer, Report, Table, note};
use crate::rpc::{self, of_message};
use crate::span;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Past alerts, newest first
    List {
        /// Only alerts that were raised so long ago at most
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = span::parse)]
        since: Duration,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// New alerts as they are raised, until Ctrl-C
    Watch,
}

pub(crate) async fn list(
    connection: &rpc::Options,
    clock: &Clock,
    since: Duration,
    limit: u32,
) -> Result<Report, Failure> {
    let wire = connection.analytics()?;
    let since = clock.now().checked_sub(since).map(Into::into);
    let answer = AlertsClient::new(wire.channel())
        .list(ListAlertsRequest { since, limit })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let mut table = Table::new(
        "no alerts",
        &["RAISED AT", "SEVERITY", "TYPE", "API", "APPLICATION", "MESSAGE"],
    );
    for alert in &answer.alerts {
        table.row(vec![
            time(alert.raised_at.as_ref()).into(),
            severity(alert).into(),
            alert.r#type.as_str().into(),
            Cell::text_or_dash(&api(alert)),
            Cell::text_or_dash(&alert.application),
            alert.message.as_str().into(),
        ]);
    }
    Ok(Report::new(of_message("turnpike.usage.v1.ListAlertsResponse", &answer)).table(table))
}

/// Prints alerts until the reader, the collector or Ctrl-C ends it.
pub(crate) async fn watch(connection: &rpc::Options, printer: Printer) -> Result<(), Failure> {
    let wire = connection.analytics()?;
    let mut alerts = AlertsClient::new(wire.channel())
        .watch(WatchAlertsRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if printer.for_people() {
        note("waiting for alerts; Ctrl-C ends it");
    }
    while let Some(alert) = alerts.message().await.map_err(|status| wire.error(status))? {
        printer.print_item(&item(&alert))?;
    }
    note("the collector has ended the stream");
    Ok(())
}

fn item(alert: &Alert) -> Report {
    let value: Value = of_message("turnpike.usage.v1.Alert", alert);
    let (raised, severity) = (time(alert.raised_at.as_ref()), severity(alert));
    let text = format!("{raised}  {severity:<8}  {}  {}", alert.r#type, alert.message);
    Report::new(value).text(text)
}

fn severity(alert: &Alert) -> &'static str {
    match alert.severity() {
        Severity::Severe => "severe",
        Severity::Moderate => "moderate",
        Severity::Mild => "mild",
    }
}

fn api(alert: &Alert) -> String {
    match (alert.api.as_str(), alert.api_version.as_str()) {
        (api, "") => api.to_owned(),
        (api, version) => format!("{api}:{version}"),
    }
}
