//! The program `control-plane`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let service = chassis::Service {
        name: "control-plane",
        default_config: include_str!("../default.toml"),
        describe: "Holds the resources, admits changes to them and streams them to gateways.",
    };
    chassis::run(service, control_plane::bootstrap::start)
}
