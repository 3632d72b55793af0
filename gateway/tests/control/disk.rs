//! Is a configuration on disk used only when it is the one that was accepted?

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chassis::pki::Identity;
use gateway::snapshot::{State, Vouched, disk};
use plan::Statement;

use crate::ground::Ground;
use crate::resources::{api, objects};

/// A state with one API per name, at `revision`, for which `identity` vouches.
fn state(identity: &Identity, revision: u64, names: &[&str]) -> State {
    let texts: Vec<String> = names.iter().map(|name| api(name, 1)).collect();
    let all: Vec<_> = objects(&texts)
        .into_iter()
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    let state = State::empty().replaced("e1".to_owned(), revision, &all);
    let (epoch, hash, labels) = ("e1", state.plan.objects().hash(), BTreeMap::new());
    let statement = Statement { epoch, revision, hash, labels: &labels }.to_bytes();
    let now = chassis::Clock::system().unix_seconds();
    let signature = identity.sign(Statement::DOMAIN, &statement, now).expect("a signature");
    State { vouched: Some(Arc::new(Vouched { labels, signature })), ..state }
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
    let folder = ground.path().join("state");
    let mut shelf = disk::shelf(&folder).expect("a shelf");
    let plane = ground.host("control-plane").tls;
    for (revision, names) in (1..).zip(states) {
        disk::write(&mut shelf, &state(&plane, revision, names)).expect("room");
    }
    let path = newest(&folder);
    let mut bytes = fs::read(&path).expect("a file");
    damage(&mut bytes);
    fs::write(&path, bytes).expect("a file");
    let gateway = ground.host("gateway").tls;
    let shelf = disk::shelf(&folder).expect("a shelf");
    let read = disk::read(&shelf, &State::empty(), &gateway);
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

/// What is read of a state for which `identity` vouches, changed by `change` before it is kept.
fn read_of(ground: &Ground, identity: &Identity, change: impl Fn(&mut State)) -> Option<u64> {
    let folder = ground.path().join("state");
    let mut shelf = disk::shelf(&folder).expect("a shelf");
    let mut state = state(identity, 1, &["a"]);
    change(&mut state);
    disk::write(&mut shelf, &state).expect("room");
    let shelf = disk::shelf(&folder).expect("a shelf");
    disk::read(&shelf, &State::empty(), &ground.host("gateway").tls).map(|state| state.revision)
}

#[test]
fn a_state_that_no_control_plane_of_ours_vouches_for_is_not_served() {
    let plane = |ground: &Ground| ground.host("control-plane").tls;
    let ground = Ground::new();
    assert_eq!(read_of(&ground, &plane(&ground), |_| ()), Some(1));
    assert_eq!(read_of(&Ground::new(), &plane(&ground), |_| ()), None, "of another authority");
    let ground = Ground::new();
    assert_eq!(read_of(&ground, &ground.host("gateway").tls, |_| ()), None, "of a gateway");
    assert_eq!(read_of(&ground, &plane(&ground), |it| it.revision = 2), None, "renamed");
    // Somebody who may write to the disk has put in another API, and all that adds up.
    let add = |it: &mut State| {
        let vouched = it.vouched.clone();
        *it = State { vouched, ..state(&plane(&ground), 1, &["a", "door"]) };
    };
    assert_eq!(read_of(&ground, &plane(&ground), add), None, "altered");
    assert_eq!(read_of(&ground, &plane(&ground), |it| it.vouched = None), None, "not signed");
}

#[test]
fn a_state_of_a_version_that_did_not_sign_is_not_served() {
    let ground = Ground::new();
    let folder = ground.path().join("state");
    let mut shelf = disk::shelf(&folder).expect("a shelf");
    // The length of the epoch, the epoch, the revision, the hash, and no objects.
    let early = [&2_u64.to_le_bytes()[..], b"e1", &1_u64.to_le_bytes(), &[0; 40]].concat();
    shelf.write(|to| to.write_all(&early)).expect("room");
    assert!(disk::read(&shelf, &State::empty(), &ground.host("gateway").tls).is_none());
    assert_eq!(newest(&folder).extension().expect("an ending"), "damaged");
}
