//! The program `gateway`.

use chassis::{Argument, Service};

fn main() -> std::process::ExitCode {
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
    chassis::run_with(service, &[resources], gateway::bootstrap::start)
}
