//! Compiles the `.proto` files in Rust alone; no `protoc` is asked for.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    // Our own packages, and those parts of others that are spoken here.
    for folder in ["turnpike", "envoy", "google"] {
        find(Path::new(folder), &mut files)?;
        println!("cargo:rerun-if-changed={folder}");
    }
    files.sort();

    let descriptors = protox::Compiler::new(["."])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &descriptors)?;

    let set = prost_types::FileDescriptorSet::decode(descriptors.as_slice())?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".turnpike.config.v1.Object.resource")
        .compile_fds(set)?;
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
