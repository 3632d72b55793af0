//! `turnpike alerts …`: what should somebody look at?

use std::time::Duration;

use chassis::clock::Clock;
use clap::{Subcommand, ValueEnum};
use serde_json::Value;
use turnpike_proto::usage::v1::alert::Severity;
use turnpike_proto::usage::v1::alert_type::Mode;
use turnpike_proto::usage::v1::alerts_client::AlertsClient;
use turnpike_proto::usage::v1::{Alert, AlertTypesRequest, ListAlertsRequest, WatchAlertsRequest};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Printer, Report, Table, note};
use crate::replay::Replay;
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
        /// Only those about this API
        #[arg(long, value_name = "API")]
        api: Option<String>,
        /// Only those about this application
        #[arg(long, value_name = "APPLICATION")]
        application: Option<String>,
        /// Only those of this type, as `alerts types` lists them
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only those that are as bad or worse
        #[arg(long, value_enum, value_name = "SEVERITY")]
        severity: Option<Bad>,
    },
    /// The types of alerts, from when on each is raised, and of how much is known
    Types,
    /// The alerts that recorded events, or stored calls, would have raised
    Replay(Replay),
    /// New alerts as they are raised, until Ctrl-C
    Watch,
}

/// How bad, as one says it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Bad {
    Severe,
    Moderate,
    Mild,
}

/// Which alerts.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) since: Duration,
    pub(crate) limit: u32,
    pub(crate) api: Option<&'a str>,
    pub(crate) application: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) severity: Option<Bad>,
}

pub(crate) async fn list(
    connection: &rpc::Options,
    clock: &Clock,
    wanted: Wanted<'_>,
) -> Result<Report, Failure> {
    let wire = connection.analytics()?;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let worst = wanted.severity.map(|bad| match bad {
        Bad::Severe => Severity::Severe.into(),
        Bad::Moderate => Severity::Moderate.into(),
        Bad::Mild => Severity::Mild.into(),
    });
    let request = ListAlertsRequest {
        since: clock.now().checked_sub(wanted.since).map(Into::into),
        limit: wanted.limit,
        api: text(wanted.api),
        application: text(wanted.application),
        r#type: text(wanted.kind),
        severity: worst,
    };
    let answer = AlertsClient::new(wire.channel())
        .list(request)
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
            severity(alert.severity()).into(),
            alert.r#type.as_str().into(),
            Cell::text_or_dash(&api(alert)),
            Cell::text_or_dash(&alert.application),
            alert.message.as_str().into(),
        ]);
    }
    Ok(Report::new(of_message("turnpike.usage.v1.ListAlertsResponse", &answer)).table(table))
}

/// The types of alerts with their rules.
pub(crate) async fn types(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.analytics()?;
    let answer = AlertsClient::new(wire.channel())
        .types(AlertTypesRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let headings = [
        "TYPE",
        "SEVERITY",
        "MODE",
        "THRESHOLD",
        "SENSITIVITY",
        "LEARNING",
        "KNOWN",
        "RAISED WHEN",
    ];
    let mut table = Table::new("no types", &headings);
    for kind in &answer.types {
        let (mode, when) = match (kind.enabled, kind.mode()) {
            (false, _) => ("off", kind.learned_when.as_str()),
            (true, Mode::Learned) => ("learned", kind.learned_when.as_str()),
            (true, Mode::Fixed) => ("fixed", kind.fixed_when.as_str()),
        };
        table.row(vec![
            kind.r#type.as_str().into(),
            severity(kind.severity()).into(),
            mode.into(),
            format!("{} {}", kind.threshold, kind.unit).as_str().into(),
            kind.sensitivity.to_string().as_str().into(),
            kind.learning.to_string().as_str().into(),
            kind.series.to_string().as_str().into(),
            when.into(),
        ]);
    }
    Ok(Report::new(of_message("turnpike.usage.v1.AlertTypesResponse", &answer)).table(table))
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

/// An alert in one line.
pub(crate) fn item(alert: &Alert) -> Report {
    let value: Value = of_message("turnpike.usage.v1.Alert", alert);
    let (raised, severity) = (time(alert.raised_at.as_ref()), severity(alert.severity()));
    let text = format!("{raised}  {severity:<8}  {}  {}", alert.r#type, alert.message);
    Report::new(value).text(text)
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
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
