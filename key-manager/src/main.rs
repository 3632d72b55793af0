//! How does the key manager start?

use std::process::ExitCode;

fn main() -> ExitCode {
    let service = chassis::Service {
        name: "key-manager",
        default_config: include_str!("../default.toml"),
        describe: "Issues, checks and revokes OAuth2 access tokens",
    };
    chassis::run(service, key_manager::bootstrap::start)
}
