//! What does the command line of a service look like?

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What makes a service different from another one.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The name, as in certificates and logs: `key-manager`.
    pub name: &'static str,
    /// The text of the service's `default.toml`.
    pub default_config: &'static str,
    /// One line for `--help`.
    pub describe: &'static str,
}

/// An argument of a service's own: another way to set one key of its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// The flag, without its dashes: `resources`.
    pub flag: &'static str,
    /// What stands for the value in `--help`: `DIR`; empty: a switch, which sets `true`.
    pub value: &'static str,
    /// The key that it sets: `static.resources`.
    pub key: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
}

/// What was said on the command line.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) file: Option<PathBuf>,
    pub(super) print: bool,
    pub(super) check: bool,
    /// (flag, key, value)
    pub(super) set: Vec<(String, String, String)>,
}

/// Reads the command line. `Err`: it is refused, or was answered by clap itself.
pub(super) fn read<I>(service: Service, own: &[Argument], words: I) -> Result<Said, clap::Error>
where
    I: IntoIterator<Item = std::ffi::OsString>,
{
    let matches = command(service, own).try_get_matches_from(words)?;
    Ok(Said {
        file: matches.get_one::<PathBuf>("config").cloned(),
        print: matches.get_flag("print-config"),
        check: matches.get_flag("check-config"),
        set: own.iter().filter_map(|argument| set(argument, &matches)).collect(),
    })
}

fn set(argument: &Argument, matches: &ArgMatches) -> Option<(String, String, String)> {
    let value = if argument.value.is_empty() {
        matches.get_flag(argument.flag).then(|| "true".to_owned())?
    } else {
        matches.get_one::<String>(argument.flag)?.clone()
    };
    Some((format!("--{}", argument.flag), argument.key.to_owned(), value))
}

fn command(service: Service, own: &[Argument]) -> Command {
    let config = Arg::new("config").long("config").value_name("FILE");
    let switch = |name, help| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    Command::new(service.name)
        .about(service.describe)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Every key can also be set as TURNPIKE_<SECTION>_<KEY>, which counts more than the \
             file.\nSIGTERM drains, SIGHUP reloads certificates. Exit code 2: the configuration \
             is refused.",
        )
        .arg(
            config
                .help("Configuration, TOML; what it does not say keeps its default")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(switch("print-config", "Print the effective configuration, secrets masked, and end"))
        .arg(switch("check-config", "Check the configuration and end"))
        .args(own.iter().map(|argument| {
            if argument.value.is_empty() {
                return switch(argument.flag, argument.help);
            }
            let arg = Arg::new(argument.flag).long(argument.flag).value_name(argument.value);
            arg.help(argument.help)
        }))
}
