//! `turnpike apply --rollout` and `turnpike rollouts …`: how far has a change in waves come?

use std::time::Duration;

use chassis::clock::Clock;
use clap::{Args, Subcommand};
use turnpike_proto::admin::v1::rollout::State;
use turnpike_proto::admin::v1::rollouts_client::RolloutsClient;
use turnpike_proto::admin::v1::{
    AbortRolloutRequest, CallFigures, ContinueRolloutRequest, GetRolloutRequest,
    ListRolloutsRequest, Rollout, RolloutGuard, RolloutPlan,
};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};
use crate::span;

/// How often it is asked for how far a rollout is.
const ASK: Duration = Duration::from_millis(500);

/// In which waves a change is put in force.
#[derive(Args, Clone, Debug)]
pub(crate) struct Waves {
    /// Put the change in force in waves of so many percent of the gateways: 5,25,100
    #[arg(long, value_name = "PERCENT,…", conflicts_with = "prune", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100))]
    rollout: Vec<u32>,
    /// Make the waves of the gateways of this group; all others get the change after the last
    #[arg(long, value_name = "NAME", default_value = "", requires = "rollout")]
    group: String,
    /// When to take it back: errors=1%,latency=20%,for=30s,calls=100
    #[arg(long, value_name = "LIMITS", value_parser = guard, requires = "rollout")]
    guard: Option<RolloutGuard>,
    /// Wait for `turnpike rollouts continue` after each step
    #[arg(long, requires = "rollout")]
    step_by_step: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// The one that is under way, and those that have ended
    List,
    /// How far one is, and how calls are in its wave and elsewhere
    Show { name: String },
    /// Take its change back from all gateways
    Abort {
        name: String,
        /// Why, for those who read of it later
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Let one that waits go on
    Continue { name: String },
}

impl Waves {
    /// None: all gateways at once.
    pub(crate) fn plan(&self) -> Option<RolloutPlan> {
        let (steps, group) = (self.rollout.clone(), self.group.clone());
        let (guard, pauses) = (self.guard, self.step_by_step);
        (!steps.is_empty()).then_some(RolloutPlan { steps, guard, pauses, group })
    }
}

pub(crate) async fn run(connection: &rpc::Options, command: &Command) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let mut client = RolloutsClient::new(wire.channel());
    let answer = match command {
        Command::List => {
            let answer = client.list(ListRolloutsRequest {}).await;
            let answer = answer.map_err(|status| wire.error(status))?.into_inner();
            let value = of_message("turnpike.admin.v1.ListRolloutsResponse", &answer);
            return Ok(Report::new(value).table(table(&answer.items)));
        }
        Command::Show { name } => client.get(GetRolloutRequest { name: name.clone() }).await,
        Command::Abort { name, reason } => {
            let (name, reason) = (name.clone(), reason.clone());
            client.abort(AbortRolloutRequest { name, reason }).await
        }
        Command::Continue { name } => {
            client.r#continue(ContinueRolloutRequest { name: name.clone() }).await
        }
    };
    Ok(shown(&answer.map_err(|status| wire.error(status))?.into_inner()))
}

/// Waits until a rollout has ended or waits for somebody, at most for `limit`; how far it is then.
pub(crate) async fn ended(
    connection: &rpc::Options,
    clock: &Clock,
    name: &str,
    limit: Duration,
) -> Result<Rollout, Failure> {
    let wire = connection.control_plane()?;
    let mut client = RolloutsClient::new(wire.channel());
    let begun = clock.instant();
    loop {
        let answer = client.get(GetRolloutRequest { name: name.to_owned() }).await;
        let rollout = answer.map_err(|status| wire.error(status))?.into_inner();
        let goes_on = matches!(rollout.state(), State::Measuring | State::Watching);
        if !goes_on || clock.instant().duration_since(begun) >= limit {
            return Ok(rollout);
        }
        clock.sleep(ASK).await;
    }
}

/// One rollout with all that is known of it.
pub(crate) fn shown(rollout: &Rollout) -> Report {
    let mut report = Report::new(of_message("turnpike.admin.v1.Rollout", rollout))
        .table(table(std::slice::from_ref(rollout)));
    if rollout.wave.is_some() || rollout.rest.is_some() {
        let mut figures =
            Table::new("", &["CALLS OF", "GATEWAYS", "CALLS", "5XX", "P50 µs", "P99 µs"]);
        let both = [("wave", rollout.wave.as_ref()), ("rest", rollout.rest.as_ref())];
        for (name, of) in both.into_iter().filter_map(|(name, of)| Some((name, of?))) {
            let CallFigures { calls, server_errors, p50_us, p99_us, gateways } = *of;
            figures.row(vec![
                name.into(),
                u64::from(gateways).into(),
                calls.into(),
                server_errors.into(),
                p50_us.into(),
                p99_us.into(),
            ]);
        }
        report = report.table(figures);
    }
    for resource in &rollout.resources {
        report = report.text(format!("changes {resource}"));
    }
    for problem in &rollout.problems {
        report = report.text(plan::describe(problem));
    }
    report
}

fn table(rollouts: &[Rollout]) -> Table {
    let heads = ["ROLLOUT", "STATE", "STEP", "GATEWAYS", "SINCE", "BY", "REASON"];
    let mut table = Table::new("no rollout", &heads);
    for rollout in rollouts {
        let steps = rollout.plan.as_ref().map_or(0, |plan| plan.steps.len());
        table.row(vec![
            rollout.name.as_str().into(),
            rollout.state().as_str_name().to_lowercase().as_str().into(),
            format!("{}/{steps}", rollout.step).as_str().into(),
            Cell::text_or_dash(&rollout.gateways.join(",")),
            time(rollout.since.as_ref()).into(),
            Cell::text_or_dash(&rollout.by),
            Cell::text_or_dash(&rollout.reason),
        ]);
    }
    table
}

/// `errors=1%,latency=+20%,for=30s,calls=100`, each of them at most once.
fn guard(text: &str) -> Result<RolloutGuard, String> {
    let mut guard = RolloutGuard::default();
    for part in text.split(',') {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is not NAME=VALUE"))?;
        let again = match name {
            "errors" => guard.errors_percent.replace(percent(value)?).is_some(),
            "latency" => guard.latency_percent.replace(percent(value)?).is_some(),
            "for" => {
                let watch = span::parse(value).map_err(|error| error.to_string())?;
                guard.watch.replace(span::to_proto(watch)).is_some()
            }
            "calls" => {
                let calls = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
                guard.minimum_calls.replace(calls).is_some()
            }
            other => return Err(format!("`{other}` is none of errors, latency, for and calls")),
        };
        if again {
            return Err(format!("`{name}` is said twice"));
        }
    }
    Ok(guard)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_start_matches('+').trim_end_matches('%');
    number.parse().map_err(|_| format!("`{text}` is not a percentage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = match guard(text) {
            Ok(RolloutGuard { errors_percent, latency_percent, watch, minimum_calls }) => {
                let seconds = watch.map(|watch| watch.seconds);
                format!("{errors_percent:?} {latency_percent:?} {seconds:?} {minimum_calls:?}")
            }
            Err(error) => error,
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn limits_are_read_in_any_order() {
        check("errors=1%,latency=+20%,for=30s", "Some(1.0) Some(20.0) Some(30) None");
        check("calls=0,errors=0.5", "Some(0.5) None None Some(0)");
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        check("errors", "`errors` is not NAME=VALUE");
        check("error=1%", "`error` is none of errors, latency, for and calls");
        check("errors=few", "`few` is not a percentage");
        check("errors=1%,errors=2%", "`errors` is said twice");
    }
}
