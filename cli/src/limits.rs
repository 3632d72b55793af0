//! `turnpike limits …`: how much of its limits has an application used?

use std::time::Duration;

use chassis::config::duration;
use clap::{Args, Subcommand};
use turnpike_proto::admin::v1::limits_client::LimitsClient;
use turnpike_proto::admin::v1::{LimitResetRequest, LimitUsage, LimitUsageRequest};
use turnpike_proto::config::v1::counting::{Authority, Strategy};
use turnpike_proto::config::v1::limit_state::Level;
use turnpike_proto::config::v1::shared_limit::{Counted, Window};
use turnpike_proto::config::v1::{Counting, SharedLimit};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};
use crate::span;
use crate::subscriptions::versioned;

/// What is shown, unless `reset` is asked for.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Limits {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION", required = true)]
    app: Option<String>,
    #[command(flatten)]
    part: Part,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Let them begin afresh, at every gateway
    Reset(Reset),
}

#[derive(Args, Clone, Debug)]
struct Reset {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    app: String,
    #[command(flatten)]
    part: Part,
}

/// Which of an application's limits.
#[derive(Args, Clone, Debug)]
struct Part {
    /// Only those of its subscription to this API or product, beside its own: NAME:VERSION
    #[arg(long, value_name = "NAME:VERSION", value_parser = versioned)]
    api: Option<String>,
    /// Also what this user has used of limits that are per user
    #[arg(id = "counted", long = "user", value_name = "USER", default_value = "")]
    user: String,
    /// How long gateways may take to answer
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = span::parse)]
    timeout: Duration,
}

pub(crate) async fn run(connection: &rpc::Options, asked: &Limits) -> Result<Report, Failure> {
    match &asked.command {
        Some(Command::Reset(asked)) => reset(connection, asked).await,
        None => {
            let application = asked.app.clone().unwrap_or_default();
            usage(connection, application, &asked.part).await
        }
    }
}

async fn usage(
    connection: &rpc::Options,
    application: String,
    part: &Part,
) -> Result<Report, Failure> {
    let (api, user) = (part.api.clone().unwrap_or_default(), part.user.clone());
    let timeout = Some(span::to_proto(part.timeout));
    let wire = connection.control_plane()?;
    let answer = LimitsClient::new(wire.channel())
        .usage(LimitUsageRequest { application, api, user, timeout })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.LimitUsageResponse", &answer);
    let said = format!("as of {}", time(answer.at.as_ref()));
    let report = Report::new(value).text(said).table(table(&answer.limits));
    Ok(told_of_silent(report, &answer.silent, "what they have counted is missing"))
}

async fn reset(connection: &rpc::Options, asked: &Reset) -> Result<Report, Failure> {
    let Reset { app, part } = asked;
    let request = LimitResetRequest {
        application: app.clone(),
        api: part.api.clone().unwrap_or_default(),
        user: part.user.clone(),
        timeout: Some(span::to_proto(part.timeout)),
    };
    let wire = connection.control_plane()?;
    let answer = LimitsClient::new(wire.channel())
        .reset(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.LimitResetResponse", &answer);
    let said = format!("begun afresh at {} gateways", answer.reset.len());
    let report = Report::new(value).text(said).table(table(&answer.limits));
    Ok(told_of_silent(report, &answer.silent, "what they have counted may stand"))
}

fn told_of_silent(report: Report, silent: &[String], so: &str) -> Report {
    if silent.is_empty() {
        return report;
    }
    report.text(format!("no answer from {}: {so}", silent.join(", ")))
}

fn table(limits: &[LimitUsage]) -> Table {
    let heads = ["LIMIT", "API", "TIER", "COUNTS", "AMOUNT", "USED", "LEFT", "ENDS AT", "COUNTED"];
    let mut table = Table::new("no gateway counts a limit of it", &heads);
    for usage in limits {
        let limit = usage.limit.clone().unwrap_or_default();
        let level = match usage.level() {
            Level::Subscription => "subscription",
            Level::Application => "application",
            Level::ApplicationUser => "user",
        };
        table.row(vec![
            level.into(),
            Cell::text_or_dash(&usage.api),
            Cell::text_or_dash(&usage.tier),
            counts(&limit).into(),
            limit.amount.into(),
            usage.used.into(),
            usage.remaining.into(),
            Cell::text_or_dash(&time(usage.ends_at.as_ref())),
            counted(&usage.counting.unwrap_or_default()).into(),
        ]);
    }
    table
}

/// What a limit counts, in which time.
fn counts(limit: &SharedLimit) -> String {
    let what = match limit.counted() {
        Counted::Requests => "calls",
        Counted::BytesIn => "bytes sent",
        Counted::BytesOut => "bytes got",
        Counted::Bytes => "bytes",
        Counted::Events => "events",
        Counted::Cost => "cost",
    };
    let per = duration::show(Duration::from_micros(limit.per_us));
    match limit.window() {
        Window::Pace => format!("{what}, pace per {per}"),
        Window::Fixed => format!("{what} per {per}"),
        Window::Rolling => format!("{what} in the last {per}"),
        Window::Day => format!("{what} per day"),
        Window::Week => format!("{what} per week"),
        Window::Month => format!("{what} per month"),
        Window::Year => format!("{what} per year"),
    }
}

/// How gateways count it.
const fn counted(counting: &Counting) -> &'static str {
    let by_store = counting.authority == Authority::Store as i32;
    match counting.strategy {
        strategy if strategy == Strategy::Split as i32 => "split",
        strategy if strategy == Strategy::Lease as i32 && by_store => "lease (store)",
        strategy if strategy == Strategy::Lease as i32 => "lease",
        strategy if strategy == Strategy::Strict as i32 => "strict",
        _ => "each gateway",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(window: Window, counted: Counted, per_s: u64, expected: &str) {
        let limit = SharedLimit {
            window: window.into(),
            counted: counted.into(),
            per_us: per_s * 1_000_000,
            ..SharedLimit::default()
        };
        assert_eq!(counts(&limit), expected);
    }

    #[test]
    fn a_limit_says_what_it_counts_and_in_which_time() {
        check(Window::Pace, Counted::Requests, 1, "calls, pace per 1s");
        check(Window::Fixed, Counted::Events, 3600, "events per 1h");
        check(Window::Rolling, Counted::BytesOut, 90, "bytes got in the last 90s");
        check(Window::Month, Counted::Bytes, 0, "bytes per month");
    }
}
