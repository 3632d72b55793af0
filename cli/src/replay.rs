//! `turnpike alerts replay`: which alerts would recorded events have raised?
//!
//! The same engines and rules as in the collector, fed in the order of the file; time is that of the events.
//! The same file always gives the same answer. Without a file the collector is asked about the calls that it
//! has stored.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::clock::Clock;
use chassis::config::duration;
use clap::Args;
use detect::span::MINUTE_US;
use detect::{Alarm, Call, Finding, Mode, Override, Renewal, Rules, Setting, Severity, Watch};
use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use turnpike_proto::usage::v1::alerts_client::AlertsClient;
use turnpike_proto::usage::v1::{AlertRules, AlertSetting, ReplayAlertsRequest, alert_type};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Printer, Report, note};
use crate::{alerts, rpc, span};

/// A longer line is no event.
const LONGEST: u64 = 1 << 20;
/// Over a gap without any call time goes on for so many minutes at most.
const MOST_MINUTES: i64 = 7 * 24 * 60;
/// Type of an event that is a request for tokens.
const TOKEN: &str = "TOKEN";

#[derive(Clone, Debug, Args)]
pub(crate) struct Replay {
    /// The events: one JSON object a line with the fields of `turnpike.usage.v1.Event`, in the order of
    /// their times; `-` is standard input
    #[arg(short, long, value_name = "EVENTS.jsonl", required_unless_present = "since")]
    file: Option<PathBuf>,
    /// Instead of a file: the calls that the collector has stored since then, like 24h
    #[arg(long, value_name = "SPAN", value_parser = span::parse, conflicts_with = "file")]
    since: Option<Duration>,
    /// Rules as the collector has them: a TOML file with `[alerts.rules.<Type>]`, `[[alerts.overrides]]`.
    /// Absent: with a file those that are documented, with --since those in force
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("{}: line {line}: it is no event", file.display())]
    Event { file: PathBuf, line: u64, source: serde_json::Error },
    #[error("{}: line {line}: it is longer than {LONGEST} bytes", file.display())]
    Long { file: PathBuf, line: u64 },
    #[error("{}: it has no rules", file.display())]
    Toml { file: PathBuf, source: toml::de::Error },
    #[error("{}: a rule cannot be", file.display())]
    Rule { file: PathBuf, source: detect::RuleError },
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Quiet(#[serde(with = "duration")] Duration);

impl From<Quiet> for Duration {
    fn from(quiet: Quiet) -> Self {
        quiet.0
    }
}

/// What of the collector's configuration is read here.
#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    alerts: Alerts,
}

#[derive(Debug, Default, Deserialize)]
struct Alerts {
    #[serde(default)]
    rules: BTreeMap<Alarm, Setting<Quiet>>,
    #[serde(default)]
    overrides: Vec<Override<Quiet>>,
    suppression: Option<Quiet>,
}

/// One event; both spellings of JSON for protobuf are read, and what alerts do not need is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(alias = "atUs", deserialize_with = "number")]
    at_us: i64,
    api: String,
    #[serde(alias = "apiVersion")]
    api_version: String,
    #[serde(alias = "apiType")]
    api_type: String,
    operation: String,
    method: String,
    path: String,
    application: String,
    user: String,
    #[serde(alias = "consumerKey")]
    consumer_key: String,
    #[serde(alias = "clientIp", deserialize_with = "address")]
    client_ip: Option<IpAddr>,
    /// Degrees north and degrees east, which events of collectors do not have.
    latitude: Option<f64>,
    longitude: Option<f64>,
    asn: u32,
    scope: String,
    weight: u32,
    status: u32,
    #[serde(alias = "faultCode")]
    fault_code: u32,
    #[serde(alias = "totalUs", deserialize_with = "number")]
    total_us: i64,
    #[serde(alias = "backendUs", deserialize_with = "number")]
    backend_us: i64,
}

/// Protobuf's JSON writes numbers of 64 bits as texts.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(i64),
        Text(String),
    }
    match Number::deserialize(deserializer)? {
        Number::Number(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// An address as people write it, or its bytes in base64, as protobuf's JSON has them.
fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(address) = text.parse() {
        return Ok(Some(address));
    }
    let bytes = STANDARD.decode(&text).map_err(serde::de::Error::custom)?;
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
    let found = v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from));
    found.map(Some).map_err(|_| serde::de::Error::custom("it is no address"))
}

/// Prints the alerts.
pub(crate) async fn replay(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &Replay,
    printer: Printer,
) -> Result<(), Failure> {
    match (&asked.file, asked.since) {
        (Some(file), _) => recorded(file, asked.rules.as_deref(), printer),
        (None, since) => {
            let since = clock.now().checked_sub(since.unwrap_or_default()).map(Into::into);
            let rules = asked.rules.as_deref().map(read_settings).transpose()?;
            let request = ReplayAlertsRequest { since, until: None, rules: rules.map(to_proto) };
            stored(connection, request, printer).await
        }
    }
}

/// What the collector says of its stored calls.
async fn stored(
    connection: &rpc::Options,
    request: ReplayAlertsRequest,
    printer: Printer,
) -> Result<(), Failure> {
    let wire = connection.analytics()?;
    let parts = AlertsClient::new(wire.channel()).replay(request).await;
    let mut parts = parts.map_err(|status| wire.error(status))?.into_inner();
    let (mut alerts, mut last) = (0, None);
    while let Some(part) = parts.message().await.map_err(|status| wire.error(status))? {
        for alert in &part.alerts {
            printer.print_item(&alerts::item(alert))?;
        }
        alerts += part.alerts.len();
        last = Some((part.calls, part.cut));
    }
    let (calls, cut) = last.unwrap_or_default();
    let more = if cut { "; there are more, and they were not looked at" } else { "" };
    note(format_args!("{calls} events, {alerts} alerts{more}"));
    Ok(())
}

fn to_proto(file: Alerts) -> AlertRules {
    let setting = |alarm: Alarm, (api, application): (String, String), setting: Setting<Quiet>| {
        AlertSetting {
            r#type: alarm.name().to_owned(),
            api,
            application,
            enabled: setting.enabled,
            mode: setting.mode.map(|mode| match mode {
                Mode::Learned => alert_type::Mode::Learned.into(),
                Mode::Fixed => alert_type::Mode::Fixed.into(),
            }),
            threshold: setting.threshold,
            sensitivity: setting.sensitivity,
            learning: setting.learning,
            suppression: setting.suppression.map(|quiet| span::to_proto(quiet.0)),
        }
    };
    let Alerts { rules, overrides, suppression } = file;
    let all =
        rules.into_iter().map(|(alarm, it)| setting(alarm, (String::new(), String::new()), it));
    let own =
        overrides.into_iter().map(|it| setting(it.alarm, (it.api, it.application), it.setting));
    AlertRules {
        suppression: suppression.map(|quiet| span::to_proto(quiet.0)),
        settings: all.chain(own).collect(),
    }
}

/// What recorded events would have raised.
fn recorded(file: &Path, rules: Option<&Path>, printer: Printer) -> Result<(), Failure> {
    let rules = rules.map_or_else(|| Ok(Rules::default()), read_rules)?;
    let input: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|source| Failure::File { file: file.to_owned(), source })?)
    };
    let mut alerts = 0_u64;
    let events = watch(BufReader::new(input), file, rules, |finding| {
        alerts += 1;
        Ok(printer.print_item(&item(finding))?)
    })?;
    note(format_args!("{events} events, {alerts} alerts"));
    Ok(())
}

fn read_settings(file: &Path) -> Result<Alerts, Failure> {
    let text = fs::read_to_string(file);
    let text = text.map_err(|source| Failure::File { file: file.to_owned(), source })?;
    let parsed = toml::from_str::<Configuration>(&text);
    Ok(parsed.map_err(|source| ReplayError::Toml { file: file.to_owned(), source })?.alerts)
}

fn read_rules(file: &Path) -> Result<Rules, Failure> {
    let Alerts { rules: settings, overrides, suppression } = read_settings(file)?;
    let mut rules = Rules::default();
    let usual = Setting { suppression, ..Setting::default() };
    let usual = Alarm::ALL.iter().try_for_each(|alarm| rules.set(*alarm, &usual));
    let all =
        usual.and_then(|()| settings.iter().try_for_each(|(alarm, it)| rules.set(*alarm, it)));
    let all = all.and_then(|()| overrides.iter().try_for_each(|it| rules.set_for(it)));
    all.map_err(|source| ReplayError::Rule { file: file.to_owned(), source })?;
    Ok(rules)
}

/// Shows all events to a watch; how many there were.
fn watch(
    mut input: impl BufRead,
    file: &Path,
    rules: Rules,
    mut tell: impl FnMut(&Finding) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut watch = Watch::new(rules);
    let (mut events, mut line, mut minute) = (0_u64, 0_u64, None);
    loop {
        let mut text = Vec::new();
        line += 1;
        if input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut text).map_err(Failure::Input)?
            == 0
        {
            return Ok(events);
        }
        if text.len() as u64 > LONGEST {
            return Err(ReplayError::Long { file: file.to_owned(), line }.into());
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |source| ReplayError::Event { file: file.to_owned(), line, source };
        let event: Event = serde_json::from_slice(&text).map_err(wrong)?;
        let here = event.at_us.div_euclid(MINUTE_US);
        let last = *minute.get_or_insert(here);
        for passed in last.saturating_add(1).max(here.saturating_sub(MOST_MINUTES))..=here {
            // A call of the minute before may stand after one of this minute.
            for finding in watch.pass(passed.saturating_sub(1).saturating_mul(MINUTE_US)) {
                tell(&finding)?;
            }
        }
        minute = Some(last.max(here));
        for finding in look(&mut watch, &event) {
            tell(&finding)?;
        }
        events += 1;
    }
}

fn look(watch: &mut Watch, event: &Event) -> Vec<Finding> {
    if event.api_type == TOKEN {
        let Event { at_us, user, consumer_key: client, scope, .. } = event;
        let renewal = Renewal { at_us: *at_us, user, client, scope };
        return if event.status == 200 { watch.renewal(&renewal) } else { Vec::new() };
    }
    let operation = format!("{} {}", event.method, event.operation);
    let micros = |us: i64| u64::try_from(us).unwrap_or(0);
    watch.call(&Call {
        at_us: event.at_us,
        api: &event.api,
        api_version: &event.api_version,
        operation: operation.trim(),
        path: &event.path,
        application: &event.application,
        user: &event.user,
        client: &event.consumer_key,
        address: event.client_ip,
        position: event.latitude.zip(event.longitude),
        network: event.asn,
        weight: event.weight,
        status: event.status,
        fault: event.fault_code,
        total_us: micros(event.total_us),
        backend_us: micros(event.backend_us),
    })
}

fn item(finding: &Finding) -> Report {
    let Finding { alarm, at_us, about, message, evidence } = finding;
    let words = |words: &[(&str, String)]| -> Value {
        words.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    };
    let severity = match alarm.severity() {
        Severity::Severe => "severe",
        Severity::Moderate => "moderate",
        Severity::Mild => "mild",
    };
    let nanos = i32::try_from(at_us.rem_euclid(1_000_000) * 1000).unwrap_or(0);
    let at = time(Some(&Timestamp { seconds: at_us.div_euclid(1_000_000), nanos }));
    let value = json!({
        "type": alarm.name(),
        "severity": severity,
        "at": at,
        "message": message,
        "about": words(about),
        "evidence": words(evidence),
    });
    Report::new(value).text(format!("{at}  {severity:<8}  {}  {message}", alarm.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "[alerts.rules.AbnormalRequestsPerMin]\nmode = \"fixed\"\nthreshold = 2\n";

    /// What is told of these lines by these rules: `type@second`.
    #[track_caller]
    fn check(rules: &str, lines: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        fs::write(&file, rules).unwrap();
        let said = (0..2).map(|_| {
            let mut told = Vec::new();
            let watched = read_rules(&file).and_then(|rules| {
                watch(lines.as_bytes(), Path::new("e.jsonl"), rules, |finding| {
                    told.push(format!("{}@{}", finding.alarm.name(), finding.at_us / 1_000_000));
                    Ok(())
                })
            });
            watched.map_or_else(|failure| failure.to_string(), |_| told.join(" "))
        });
        let said: Vec<String> = said.collect();
        assert_eq!(said, [expected, expected]);
    }

    #[test]
    fn both_spellings_of_events_are_read() {
        let plain = "{\"at_us\":60000000,\"api\":\"a\",\"application\":\"s\",\"client_ip\":\"192.0.2.1\"}\n";
        let proto = "{\"atUs\":\"61000000\",\"api\":\"a\",\"application\":\"s\",\"clientIp\":\"wAACAQ==\"}\n";
        let lines = format!("{plain}\n{proto}{proto}");
        check(RULES, &lines, "AbnormalRequestsPerMin@61");
        check("", &lines, "");
    }

    #[test]
    fn what_cannot_be_replayed_is_refused_with_its_line() {
        check("", "{}\nevent\n", "e.jsonl: line 2: it is no event");
        check("", "{\"client_ip\":\"somewhere\"}\n", "e.jsonl: line 1: it is no event");
    }

    #[test]
    fn a_failing_api_is_told_and_that_it_is_back() {
        let event = |second: i64, status: u32| {
            let at_us = second * 1_000_000;
            format!(
                "{{\"at_us\":{at_us},\"api\":\"a\",\"api_version\":\"1\",\"status\":{status}}}\n"
            )
        };
        let failed = (0..5).map(|n| event(n, 503));
        let lines: String = failed.chain([event(60, 200), event(700, 200)]).collect();
        check("", &lines, "ApiHealthMonitor@4 ApiAvailability@700");
    }
}
