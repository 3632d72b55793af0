//! Is a configuration on disk used only when it is the one that was accepted?

use std::fs;
use std::path::{Path, PathBuf};

use gateway::snapshot::{State, disk};

use crate::ground::Ground;
use crate::resources::{api, objects};

/// A state with one API per name, at `revision`.
fn state(revision: u64, names: &[&str]) -> State {
    let texts: Vec<String> = names.iter().map(|name| api(name, 1)).collect();
    let all: Vec<_> = objects(&texts)
        .into_iter()
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    State::empty().replaced("e1".to_owned(), revision, &all)
}

fn newest(folder: &Path) -> PathBuf {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path());
    paths.max().expect("a file")
}

/// Keeps a state per list of names, damages the newest file by `damage`, and says which revision
/// is read and what it serves.
#[track_caller]
fn check(states: &[&[&str]], damage: impl Fn(&mut Vec<u8>), expected: Option<(u64, &str)>) {
    let ground = Ground::new();
    let mut shelf = disk::shelf(ground.path()).expect("a shelf");
    for (revision, names) in (1..).zip(states) {
        disk::write(&mut shelf, &state(revision, names)).expect("room");
    }
    let path = newest(ground.path());
    let mut bytes = fs::read(&path).expect("a file");
    damage(&mut bytes);
    fs::write(&path, bytes).expect("a file");
    let read = disk::read(&disk::shelf(ground.path()).expect("a shelf"), &State::empty());
    let served = read.map(|state| {
        let keys = state.plan.objects().iter().map(|object| object.key().to_string());
        (state.revision, keys.collect::<Vec<_>>().join(" "))
    });
    assert_eq!(served.as_ref().map(|(revision, keys)| (*revision, keys.as_str())), expected);
}

#[test]
fn the_last_state_is_read_with_its_name() {
    check(&[&["a"], &["a", "b"]], |_| (), Some((2, "Api/a:1.0.0 Api/b:1.0.0")));
    check(&[&[]], |_| (), Some((1, "")));
}

#[test]
fn a_damaged_state_gives_way_to_the_one_before() {
    let states: [&[&str]; 2] = [&["a"], &["a", "b"]];
    check(&states, |bytes| bytes.truncate(100), Some((1, "Api/a:1.0.0")));
    check(&states, |bytes| bytes[80] ^= 0x10, Some((1, "Api/a:1.0.0")));
    check(&states, Vec::clear, Some((1, "Api/a:1.0.0")));
}

#[test]
fn without_a_good_state_nothing_is_served() {
    check(&[&["a"]], |bytes| bytes[0] ^= 1, None);
}
