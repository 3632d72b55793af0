//! `turnpike`, the command line of Turnpike.
//!
//! Reading order: `arguments` is everything that can be asked; one file per noun does it, with the
//! nouns of the control plane; `rpc` speaks with the services, `output` with the user; `failure`
//! says why not. `up` runs a whole system, `backend` stands in for what it calls.

mod addresses;
mod alerts;
mod analytics;
mod api_keys;
mod applications;
mod apply;
mod approvals;
mod arguments;
mod audit;
mod automation;
mod backend;
mod blocks;
mod client_secrets;
mod clients;
mod completion;
mod detect;
mod diff;
mod explain;
mod export;
mod failure;
mod gateways;
mod history;
mod https;
mod import;
mod kept;
mod key_list;
mod key_type;
mod lifecycle;
mod limits;
mod login;
mod output;
mod people;
mod providers;
mod replay;
mod resources;
mod revocations;
mod rollouts;
mod rpc;
mod signing_keys;
mod span;
mod states;
mod subscriptions;
mod test_keys;
mod tokens;
mod up;

use std::process::ExitCode;

use chassis::clock::Clock;
use chassis::telemetry::{self, Telemetry};
use clap::Parser as _;

use arguments::{Arguments, Command};
use failure::Failure;
use output::{Printer, Report};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = Printer::new(arguments.output);
    let Err(failure) = start(&arguments, printer) else { return ExitCode::SUCCESS };
    if failure.is_closed_pipe() {
        return ExitCode::SUCCESS;
    }
    if let Some(report) = failure.report() {
        // The failure is told in any case, and its exit code stays.
        let _ = printer.print(report);
    }
    failure.tell();
    ExitCode::from(failure.exit_code())
}

fn start(arguments: &Arguments, printer: Printer) -> Result<(), Failure> {
    if let Command::RunChild(child) = &arguments.command {
        return Err(Failure::RunChild(up::run_child(child)));
    }
    // One thread: the kernel ends the programs of `up` when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(Box::pin(run(arguments, printer)))
}

async fn run(arguments: &Arguments, printer: Printer) -> Result<(), Failure> {
    let Arguments { connection, home, command, .. } = arguments;
    let clock = Clock::system();
    let connection = &if command.is_of_a_person() {
        login::as_person(connection, home, &clock).await?
    } else {
        connection.clone()
    };
    let report: Report = match command {
        Command::Up(options) => return up::up(connection, home, &clock, options, printer).await,
        Command::Apply(options) => apply::apply(connection, &clock, options).await?,
        Command::Rollouts(command) => rollouts::run(connection, command).await?,
        Command::Get(asked) => resources::get(connection, asked).await?,
        Command::Describe(asked) => resources::describe(connection, asked).await?,
        Command::Delete(asked) => resources::delete(connection, asked).await?,
        Command::Diff(asked) => diff::diff(connection, asked).await?,
        Command::Export(asked) => Box::pin(export::export(connection, asked)).await?,
        Command::History(asked) => history::history(connection, &clock, asked).await?,
        Command::Rollback(asked) => history::rollback(connection, asked).await?,
        Command::Import(asked) => import::import(connection, asked).await?,
        Command::Completion { shell } => completion::script(*shell),
        Command::Lifecycle(asked) => lifecycle::lifecycle(connection, asked).await?,
        Command::Version(asked) => lifecycle::new_version(connection, asked).await?,
        Command::Approvals(asked) => approvals::run(connection, asked).await?,
        Command::Subscribe(asked) => subscriptions::subscribe(connection, asked).await?,
        Command::Block(asked) => blocks::block(connection, &clock, asked).await?,
        Command::Unblock(asked) => blocks::unblock(connection, asked).await?,
        Command::Keys(applications::Keys::Generate(asked)) => {
            applications::generate(connection, home, asked).await?
        }
        Command::Keys(applications::Keys::Map(asked)) => {
            applications::map(connection, asked).await?
        }
        Command::Keys(applications::Keys::ApiKey(asked)) => {
            api_keys::make(connection, asked).await?
        }
        Command::Keys(applications::Keys::RevokeApiKey(asked)) => {
            api_keys::revoke(connection, asked).await?
        }
        Command::Keys(applications::Keys::List(asked)) => key_list::list(connection, asked).await?,
        Command::Keys(applications::Keys::TestKey(asked)) => {
            test_keys::make(connection, asked).await?
        }
        Command::Tokens(asked) => automation::run(connection, asked).await?,
        Command::Login => login::login(connection, home, &clock).await?,
        Command::Logout => login::logout(connection, home, &clock).await?,
        Command::Whoami => login::whoami(connection).await?,
        Command::Explain(asked) => explain::explain(connection, &clock, asked).await?,
        Command::KeyManagers => providers::list(connection).await?,
        Command::Token(options) => tokens::token(connection, home, &clock, options).await?,
        Command::Revoke(asked) => revocations::revoke(connection, asked).await?,
        Command::User(people::User::Add(asked)) => people::add_user(connection, asked).await?,
        Command::User(people::User::Pending) => people::pending(connection).await?,
        Command::User(people::User::Link { user_id, elsewhere }) => {
            people::link(connection, user_id, elsewhere).await?
        }
        Command::User(people::User::Unlink(elsewhere)) => {
            people::unlink(connection, elsewhere).await?
        }
        Command::User(people::User::Approve { user_id }) => {
            people::approve(connection, user_id).await?
        }
        Command::User(people::User::Claims(asked)) => people::set_claims(connection, asked).await?,
        Command::Key(asked) => signing_keys::run(connection, asked).await?,
        Command::Client(people::Client::Secret(asked)) => {
            client_secrets::run(connection, &clock, asked).await?
        }
        Command::Client(people::Client::Add(asked)) => {
            people::add_client(connection, asked).await?
        }
        Command::Gateways => gateways::list(connection).await?,
        Command::State(asked) => states::run(connection, asked).await?,
        Command::Limits(asked) => limits::run(connection, asked).await?,
        Command::Analytics(analytics::Question::Tail(asked)) => {
            return analytics::tail(connection, asked, printer).await;
        }
        Command::Analytics(analytics::Question::Report(asked)) => {
            return analytics::report(connection, asked).await;
        }
        Command::Analytics(question) => analytics::ask(connection, &clock, question).await?,
        Command::Alerts(alerts::Command::List {
            since,
            limit,
            api,
            application,
            kind,
            severity,
        }) => {
            let wanted = alerts::Wanted {
                since: *since,
                limit: *limit,
                api: api.as_deref(),
                application: application.as_deref(),
                kind: kind.as_deref(),
                severity: *severity,
            };
            alerts::list(connection, &clock, wanted).await?
        }
        Command::Alerts(alerts::Command::Types) => alerts::types(connection).await?,
        Command::Alerts(alerts::Command::Replay(asked)) => {
            return replay::replay(connection, &clock, asked, printer).await;
        }
        Command::Alerts(alerts::Command::Watch) => return alerts::watch(connection, printer).await,
        Command::Audit(asked) => audit::run(connection, &clock, asked).await?,
        Command::Detect(asked) => return detect::detect(asked),
        Command::SampleBackend(options) => {
            log_to_standard_error()?;
            let stop = std::future::pending();
            return Ok(backend::serve(options, stop).await?);
        }
        Command::RunChild(child) => return Err(Failure::RunChild(up::run_child(child))),
    };
    Ok(printer.print(&report)?)
}

fn log_to_standard_error() -> Result<(), Failure> {
    let config = telemetry::Config {
        log: "info".to_owned(),
        format: telemetry::Format::Text,
        otlp: String::new(),
        sample: 1.0,
        metrics_every: std::time::Duration::ZERO,
    };
    Telemetry::install(&config, "sample-backend", "").map(drop).map_err(Failure::Logs)
}
