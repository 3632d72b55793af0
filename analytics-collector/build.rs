//! Where does the dynamic linker find the query engine's library?
//!
//! Beside the binary in a shipped folder; in the folder that the build linked against for the
//! binaries and tests of this checkout.

fn main() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
    if let Some(folder) = option_env_at_run("DUCKDB_LIB_DIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn option_env_at_run(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
