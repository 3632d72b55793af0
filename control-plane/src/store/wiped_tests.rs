//! Is a secret gone from memory when nobody holds it any more?
//!
//! A process of its own seals, opens, holds and drops one; this one reads the memory of the other and looks
//! for the value, before and after. Reading one's own would find what one looks for.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Command, Stdio};

use plan::{Object, Resource, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Metadata, Secret, SecretSpec};

use super::keyring::Keyring;
use super::record::Record;

/// What the other process runs.
const OTHER: &str = "store::wiped_tests::holds_a_secret_and_drops_it";
const KEY: &str = "Secret/pw";
const LENGTH: usize = 512;

/// Each letter of the value, which stands nowhere as a whole; `seed` tells values apart.
fn letters(seed: u32) -> impl Iterator<Item = u8> {
    let step = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(seed), step)
        .skip(1)
        .take(LENGTH)
        .map(|state| b'a' + state.to_be_bytes()[0] % 26)
}

/// Says how far it is, and goes on when it is told to.
#[test]
#[ignore = "it is run by the other test, in a process of its own"]
fn holds_a_secret_and_drops_it() {
    let told = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    };
    let say = |what: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "at:{what}").unwrap();
        out.flush().unwrap();
    };
    let keys = Keyring::in_memory();
    let stored = {
        let mut value = String::with_capacity(LENGTH);
        value.extend(letters(1).map(char::from));
        let resource = Resource {
            resource: Some(Any::Secret(Secret {
                metadata: Some(Metadata { name: "pw".to_owned(), ..Metadata::default() }),
                spec: Some(SecretSpec { value, sha256: String::new() }),
                ..Secret::default()
            })),
        };
        let resource = plan::encode(&resource);
        Record { resource, created_at_us: 1, updated_at_us: 1 }.encode(KEY, &keys).unwrap()
    };
    say("sealed");
    told();
    let record = Record::decode(KEY, stored, &keys).unwrap();
    let object = Object::from_wire(KEY.parse::<ResourceKey>().unwrap(), record.resource.clone());
    assert!(object.is_readable());
    say("held");
    told();
    drop((record, object));
    say("dropped");
    told();
}

/// How often the value stands in the writable memory of a process.
fn found(process: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let value: Vec<u8> = letters(1).collect();
    let mut count = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What cannot be read, like pages of the kernel, holds nothing of ours.
        if memory.read_exact(&mut bytes).is_ok() {
            // The beginning of a freed block is the allocator's.
            let middle = &value[LENGTH / 4..];
            count += bytes.windows(middle.len()).filter(|window| *window == middle).count();
        }
    }
    count
}

#[test]
fn a_secret_that_nobody_holds_is_in_memory_no_more() {
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", OTHER, "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(other.stdout.take().unwrap()).lines();
    let mut input = other.stdin.take().unwrap();
    let mut seen = Vec::new();
    while let Some(Ok(line)) = out.next() {
        let Some((_, what)) = line.split_once("at:") else { continue };
        seen.push((what.to_owned(), found(other.id()) > 0));
        writeln!(input, "go on").unwrap();
    }
    assert!(other.wait().unwrap().success());
    let expected = [("sealed", false), ("held", true), ("dropped", false)];
    assert_eq!(seen, expected.map(|(what, there)| (what.to_owned(), there)));
}
