//! The program `control-plane`.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use chassis::{Host, Service};
use control_plane::bootstrap;
use control_plane::config::Config;
use control_plane::store::Rotated;

/// The configuration, or a file that it names, is refused.
const REFUSED: u8 = 2;
/// As a first word: replaces the master key instead of serving.
const ROTATE: &str = "rotate-master";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let rotates = words.get(1).is_some_and(|word| word == ROTATE);
    if rotates {
        words.remove(1);
    }
    let service = Service {
        name: "control-plane",
        default_config: include_str!("../default.toml"),
        describe: if rotates {
            "Wraps the data keys of the store under a new master key, which takes the place of the \
             one that is configured; finishes what was broken off."
        } else {
            "Holds the resources, admits changes to them and streams them to gateways. With \
             `rotate-master` as the first word it replaces its master key and ends."
        },
    };
    let refused = AtomicBool::new(false);
    let code = chassis::run_words(service, words, async |config: Config, host: Host| {
        let ended = if rotates {
            match bootstrap::rotate_master(&config, &host).await {
                Ok(rotated) => tell(&rotated).map_err(Into::into),
                Err(error) => Err(error),
            }
        } else {
            bootstrap::start(config, host).await
        };
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

fn tell(rotated: &Rotated) -> std::io::Result<()> {
    let Rotated { former, aside, master } = rotated;
    let mut out = std::io::stdout().lock();
    writeln!(out, "master key {master} is in force")?;
    if let Some(aside) = aside {
        writeln!(out, "{former} opens nothing any more; it lies in {}", aside.display())?;
    }
    Ok(())
}
