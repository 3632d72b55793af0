//! What a whole process does with its command line, its configuration and its signals.
//!
//! The process under test is this test binary, started again with one test as its `main`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::start::run_from;
use super::{Argument, Service};
use crate::config::{Secret, ServiceConfig};
use crate::host::Host;
use crate::{operations, pki, telemetry};

const DEFAULT: &str = r#"
[service]
data = "data"
id = ""
drain = "10s"
[operations]
listen = "127.0.0.1:0"
[pki]
directory = "pki"
development = true
ca = ""
certificate = ""
key = ""
[telemetry]
log = "info"
format = "json"
otlp = ""
[probe]
work = "0s"
fail = ""
password = "sesame"
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "service")]
    _service: ServiceConfig,
    operations: operations::Config,
    #[serde(rename = "pki")]
    _pki: pki::Config,
    #[serde(rename = "telemetry")]
    _telemetry: telemetry::Config,
    probe: Probe,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    #[serde(with = "crate::config::duration")]
    work: Duration,
    fail: String,
    password: Secret,
}

const SERVICE: Service =
    Service { name: "probe", default_config: DEFAULT, describe: "A service to be tested." };
const OWN: &[Argument] =
    &[Argument { flag: "work", value: "SPAN", key: "probe.work", help: "Work for so long" }];
const WORDS: &str = "PROBE_WORDS";

async fn probe(config: Config, host: Host) -> anyhow::Result<()> {
    let ready = host.ready.condition("probe");
    anyhow::ensure!(config.probe.fail.is_empty(), "{}", config.probe.fail);
    anyhow::ensure!(!config.probe.password.is_empty(), "no password");
    operations::serve(&host, &config.operations, operations::loglevel().into()).await?;
    let (clock, shutdown, work) = (host.clock.clone(), host.shutdown.clone(), config.probe.work);
    host.tasks.spawn("work", async move {
        shutdown.wait().await;
        clock.sleep(work).await;
        tracing::info!("work is done");
    });
    ready.green();
    tracing::info!("up");
    host.shutdown.wait().await;
    Ok(())
}

/// Not a test of its own: the `main` of the process under test.
#[test]
fn main_of_the_process_under_test() {
    let words = std::env::vars_os().find(|(name, _)| name == WORDS);
    let Some((_, words)) = words else { return };
    let words = words.to_string_lossy().into_owned();
    let words = std::iter::once("probe").chain(words.split_whitespace());
    let code = run_from(SERVICE, OWN, words.map(Into::into).collect(), probe);
    std::process::exit(code.into());
}

struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

fn start(folder: &Path, words: &str, variables: &[(&str, &str)]) -> Process {
    let mut child = Command::new(std::env::current_exe().expect("own program"))
        .args(["--exact", "run::process_tests::main_of_the_process_under_test", "--nocapture"])
        .current_dir(folder)
        .env(WORDS, words)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let log = BufReader::new(child.stderr.take().expect("stderr"));
    let (say, lines) = mpsc::channel();
    std::thread::spawn(move || {
        log.lines().map_while(Result::ok).try_for_each(|line| say.send(line))
    });
    Process { child, lines, seen: Vec::new() }
}

impl Process {
    /// The first line from now on that contains `part`.
    fn until(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20));
            let line = line.unwrap_or_else(|_| panic!("no `{part}` in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process id");
        kill(Pid::from_raw(id), signal).expect("signalled");
    }

    /// Exit code, standard output, standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut said = String::new();
        self.child.stdout.take().expect("stdout").read_to_string(&mut said).expect("read");
        let code = self.child.wait().expect("ended").code();
        self.seen.extend(self.lines.iter());
        (code, said, self.seen.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The process ends by itself with this code and says this on its standard error.
fn check(words: &str, file: &str, variables: &[(&str, &str)], code: i32, line: &str) {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("own.toml"), file).expect("file");
    let (ended, _, errors) = start(folder.path(), words, variables).end();
    assert_eq!(ended, Some(code), "{errors}");
    assert!(errors.contains(line), "`{errors}` says nothing of `{line}`");
}

#[test]
fn sigterm_drains_what_is_in_flight_and_ends_with_0() {
    let folder = tempfile::tempdir().expect("folder");
    let mut process = start(folder.path(), "--work 300ms", &[]);
    process.until("\"message\":\"up\"");
    process.signal(Signal::SIGTERM);
    process.until("draining");
    process.until("work is done");
    let (code, _, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(folder.path().join("pki/probe.pem").exists() && folder.path().join("data").exists());
}

#[test]
fn a_drain_that_takes_too_long_is_cut_off_and_still_ends_with_0() {
    let folder = tempfile::tempdir().expect("folder");
    let mut process = start(folder.path(), "--work 1h", &[("TURNPIKE_SERVICE_DRAIN", "200ms")]);
    process.until("\"message\":\"up\"");
    process.signal(Signal::SIGINT);
    let (code, _, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drain took too long"), "{log}");
}

#[test]
fn a_second_signal_does_not_wait_for_the_drain() {
    let folder = tempfile::tempdir().expect("folder");
    let mut process = start(folder.path(), "--work 1h", &[("TURNPIKE_SERVICE_DRAIN", "1h")]);
    process.until("\"message\":\"up\"");
    process.signal(Signal::SIGTERM);
    process.until("draining");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.end().0, Some(1));
}

#[test]
fn a_collector_of_spans_that_is_away_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("folder");
    let otlp = [("TURNPIKE_TELEMETRY_OTLP", "http://127.0.0.1:1")];
    let mut process = start(folder.path(), "", &otlp);
    process.until("\"message\":\"up\"");
    process.signal(Signal::SIGTERM);
    let (code, _, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn sighup_reloads_certificates_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let mut process = start(folder.path(), "", &[]);
    process.until("\"message\":\"up\"");
    let pki = folder.path().join("pki");
    std::fs::remove_file(pki.join("probe.pem")).expect("removed");
    process.signal(Signal::SIGHUP);
    process.until("certificates not reloaded");
    std::fs::remove_file(pki.join("probe.key")).expect("removed");
    pki::development(&pki, &["probe"]).expect("made anew");
    process.signal(Signal::SIGHUP);
    process.until("certificates reloaded");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn a_configuration_that_is_refused_ends_with_2_and_says_where_and_why() {
    let own = "--config own.toml";
    let unknown = "probe: own.toml:2: `probe.wrok`: unknown key; did you mean `work`?";
    check(own, "[probe]\nwrok = \"1s\"", &[], 2, unknown);
    check(own, "[probe", &[], 2, "own.toml:1: ");
    check("--config none.toml", "", &[], 2, "none.toml: cannot be read: No such file");
    check(
        "",
        "",
        &[("TURNPIKE_PROBE_WROK", "1")],
        2,
        "TURNPIKE_PROBE_WROK: unknown variable; did you mean `TURNPIKE_PROBE_WORK`?",
    );
    check("--work soon", "", &[], 2, "--work: `probe.work`: `soon` is no span of time");
    check("--wrok 1s", "", &[], 2, "--work");
    check(
        "",
        "",
        &[("TURNPIKE_TELEMETRY_LOG", "a=b=c")],
        2,
        "`telemetry.log` = `a=b=c` is not understood",
    );
    check("", "", &[("TURNPIKE_TELEMETRY_OTLP", "https://x")], 2, "must begin with http://");
    let no_pki = [("TURNPIKE_PKI_CERTIFICATE", "x.pem"), ("TURNPIKE_PKI_KEY", "x.key")];
    check("", "", &no_pki, 2, "the certificates cannot be used: pki/ca.pem: reading failed");
}

#[test]
fn a_service_that_fails_ends_with_1_and_says_why() {
    check("", "", &[("TURNPIKE_PROBE_FAIL", "no store")], 1, "\"error\":\"no store\"");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("address").to_string();
    check("", "", &[("TURNPIKE_OPERATIONS_LISTEN", &address)], 1, "(operations.listen)");
}

#[test]
fn questions_are_answered_without_starting_anything() {
    let answers = [
        ("--version", concat!("probe ", env!("CARGO_PKG_VERSION"))),
        ("--help", "TURNPIKE_<SECTION>_<KEY>"),
        ("--help", "--work <SPAN>"),
        ("--print-config --work 7s", "work = \"7s\""),
        ("--print-config", "password = \"********\""),
        ("--check-config", ""),
    ];
    for (words, answer) in answers {
        let folder = tempfile::tempdir().expect("folder");
        let (code, said, errors) = start(folder.path(), words, &[]).end();
        assert_eq!(code, Some(0), "{errors}");
        assert!(said.contains(answer) && !said.contains("sesame"), "{words}: {said}");
        assert!(!folder.path().join("pki").exists(), "{words} has started something");
    }
}
