//! The program `control-plane`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use chassis::{Host, Service};
use control_plane::bootstrap;
use control_plane::config::Config;

/// The configuration, or a file that it names, is refused.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let service = Service {
        name: "control-plane",
        default_config: include_str!("../default.toml"),
        describe: "Holds the resources, admits changes to them and streams them to gateways.",
    };
    let refused = AtomicBool::new(false);
    let code = chassis::run(service, async |config: Config, host: Host| {
        let ended = bootstrap::start(config, host).await;
        if let Err(error) = &ended
            && bootstrap::is_refusal(error)
        {
            refused.store(true, Ordering::Relaxed);
            // For the person who configured it; when it cannot be said, the log still has it.
            let _ = writeln!(std::io::stderr(), "control-plane: {error:#}");
        }
        ended
    });
    if refused.load(Ordering::Relaxed) { ExitCode::from(REFUSED) } else { code }
}
