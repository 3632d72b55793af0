//! Where do the data suites lie that tests read?

use std::path::{Path, PathBuf};

/// The folder that `TURNPIKE_SUITES` names, or `../shared/suites` beside the workspace. It need not be there: tests
/// say then what they leave out.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration to read it from")]
pub(crate) fn suites() -> PathBuf {
    let beside_the_workspace = || {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
        workspace.unwrap_or(package).join("../shared/suites")
    };
    std::env::var_os("TURNPIKE_SUITES").map_or_else(beside_the_workspace, PathBuf::from)
}
