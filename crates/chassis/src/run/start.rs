//! How does a process get from its command line to a running service, and which exit code is it?
//!
//! 0: drained, or answered. 1: something failed. 2: the command line or the configuration is
//! refused.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::arguments::{self, Argument, Said, Service};
use super::life;
use crate::config::{Effective, Error, ServiceConfig, Sources};
use crate::host::Host;
use crate::{pki, telemetry};

pub(super) const DONE: u8 = 0;
pub(super) const FAILED: u8 = 1;
pub(super) const REFUSED: u8 = 2;

/// The sections that every service has.
#[derive(Debug, Deserialize)]
pub(super) struct Common {
    pub(super) service: ServiceConfig,
    pub(super) pki: pki::Config,
    pub(super) telemetry: telemetry::Config,
}

/// Runs a service: everything that `main` has to do.
pub fn run<C, F, Fut>(service: Service, start: F) -> ExitCode
where
    C: DeserializeOwned,
    F: FnOnce(C, Host) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_with(service, &[], start)
}

/// As [`run`], with arguments of the service's own.
pub fn run_with<C, F, Fut>(service: Service, own: &[Argument], start: F) -> ExitCode
where
    C: DeserializeOwned,
    F: FnOnce(C, Host) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    ExitCode::from(run_from(service, own, std::env::args_os().collect(), start))
}

/// As [`run`], with the words of a command line, the name of the program first.
pub fn run_words<C, F, Fut>(service: Service, words: Vec<OsString>, start: F) -> ExitCode
where
    C: DeserializeOwned,
    F: FnOnce(C, Host) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    ExitCode::from(run_from(service, &[], words, start))
}

/// As [`run_with`], with the words of a command line; the exit code comes as a number.
pub(super) fn run_from<C, F, Fut>(
    service: Service,
    own: &[Argument],
    words: Vec<OsString>,
    start: F,
) -> u8
where
    C: DeserializeOwned,
    F: FnOnce(C, Host) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let said = match arguments::read(service, own, words) {
        Ok(said) => said,
        Err(answer) => {
            // Nobody is left to tell when neither output can be written.
            let _ = answer.print();
            return if answer.use_stderr() { REFUSED } else { DONE };
        }
    };
    match prepare::<C>(service, &said) {
        Ok(Prepared::Answer(text)) => say(&text),
        Ok(Prepared::Go(config, common)) => life::live(service.name, config, &common, start),
        Err(error) => {
            complain(service.name, &error);
            REFUSED
        }
    }
}

enum Prepared<C> {
    Answer(String),
    Go(C, Box<Common>),
}

fn prepare<C: DeserializeOwned>(service: Service, said: &Said) -> Result<Prepared<C>, Error> {
    let effective = Effective::load(&Sources {
        default: service.default_config,
        file: said.file.as_deref(),
        arguments: said.set.clone(),
        variables: variables(),
    })?;
    let config = effective.read::<C>()?;
    let common = effective.read::<Common>()?;
    Ok(if said.print {
        Prepared::Answer(effective.print::<C>()?)
    } else if said.check {
        Prepared::Answer(String::new())
    } else {
        Prepared::Go(config, Box::new(common))
    })
}

/// The environment, read once; what is not Unicode cannot be one of ours.
fn variables() -> Vec<(String, String)> {
    let all = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(|(name, _)| name.starts_with("TURNPIKE_")).collect()
}

fn say(text: &str) -> u8 {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => DONE,
        Err(_) => FAILED,
    }
}

/// Tells a person, before there are logs.
pub(super) fn complain(name: &str, error: &dyn std::error::Error) {
    let mut text = format!("{name}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // Nobody is left to tell when the standard error cannot be written.
    let _ = writeln!(std::io::stderr(), "{text}");
}
