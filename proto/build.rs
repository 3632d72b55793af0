//! Compiles the `.proto` files in Rust alone; no `protoc` is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

/// Where everything begins that a resource may say.
const RESOURCE: &str = "turnpike.config.v1.Resource";

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

    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    let resource = pool.get_message_by_name(RESOURCE).ok_or("there are no resources")?;
    fs::write(out.join("understood.rs"), understood(&resource)?)?;

    let set = prost_types::FileDescriptorSet::decode(descriptors.as_slice())?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".turnpike.config.v1.Object.resource")
        .compile_fds(set)?;
    Ok(())
}

/// Rust text of a list: the messages and enums that `root` may be made of, with their numbers.
fn understood(root: &MessageDescriptor) -> Result<String, std::fmt::Error> {
    let mut types = BTreeMap::new();
    collect(root, &mut types);
    let mut text = String::from("&[\n");
    for (name, numbers) in types {
        writeln!(text, "    ({name:?}, &{numbers:?}),", numbers = Vec::from_iter(numbers))?;
    }
    text.push_str("]\n");
    Ok(text)
}

fn collect(message: &MessageDescriptor, types: &mut BTreeMap<String, BTreeSet<i64>>) {
    let numbers = message.fields().map(|field| field.number().into()).collect();
    if types.insert(message.full_name().to_owned(), numbers).is_some() {
        return;
    }
    for field in message.fields() {
        match field.kind() {
            Kind::Message(inner) if !types.contains_key(inner.full_name()) => {
                collect(&inner, types);
            }
            Kind::Enum(values) => {
                let numbers = values.values().map(|value| value.number().into()).collect();
                types.insert(values.full_name().to_owned(), numbers);
            }
            _ => {}
        }
    }
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
