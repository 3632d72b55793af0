//! The program `gateway`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use chassis::{Argument, Host, Service};
use gateway::bootstrap;
use gateway::config::Config;

/// Calls allocate on many workers at once; libc's allocator took an eighth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration, the resource files included, is refused.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let service = Service {
        name: "gateway",
        default_config: include_str!("../default.toml"),
        describe: "The data plane of Turnpike: receives calls, applies the policies of their \
                   route, forwards them and reports them.",
    };
    let resources = Argument {
        flag: "resources",
        value: "DIR",
        key: "static.resources",
        help: "Serve the resource files of a directory, without a control plane",
    };
    let state = Argument {
        flag: "state",
        value: "FILE",
        key: "snapshot.seed",
        help: "Start from a state that `turnpike state export` has written, where nothing newer is \
               on disk",
    };
    let take_over = Argument {
        flag: "take-over",
        value: "",
        key: "upgrade.take_over",
        help: "Take the place of the gateway that runs on the same data directory, if one does",
    };
    let refused = AtomicBool::new(false);
    let code = chassis::run_with(
        service,
        &[resources, state, take_over],
        async |config: Config, host: Host| {
            let ended = bootstrap::start(config, host).await;
            if let Err(error) = &ended
                && bootstrap::is_refusal(error)
            {
                refused.store(true, Ordering::Relaxed);
                // For the person who wrote the files; nobody is left to tell when it cannot be said.
                let _ = writeln!(std::io::stderr(), "gateway: {error:#}");
            }
            ended
        },
    );
    if refused.load(Ordering::Relaxed) { ExitCode::from(REFUSED) } else { code }
}
