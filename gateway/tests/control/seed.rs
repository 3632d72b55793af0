//! Does a new gateway start from a file that a control plane has signed, and from no other?

use std::collections::BTreeMap;
use std::fs;

use gateway::rpc::control_plane::Node;
use gateway::snapshot::{State, seed};
use plan::StateHash;
use prost::Message as _;
use turnpike_proto::STATE_FILE;
use turnpike_proto::config::v1 as wire;

use crate::ground::Ground;
use crate::resources::{api, objects, set};
use crate::sync::{transaction, word};

/// Who signs what for whom, and what is done to the file afterwards.
struct Story {
    signer: &'static str,
    labels: &'static [(&'static str, &'static str)],
    change: fn(&mut Vec<u8>),
}

const GOOD: Story = Story { signer: "control-plane", labels: &[("team", "a")], change: |_| () };

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The file of a state with two APIs at revision 7, in two parts.
fn file(ground: &Ground, story: &Story) -> Vec<u8> {
    let all = objects(&[api("orders", 1), api("users", 2)]);
    let hash: StateHash = set(&all).hash();
    let signature = word(&ground.host(story.signer).tls, "e1", 7, hash, &labels(story.labels));
    let [first, last] = [&all[..1], &all[1..]].map(|part| transaction(7, true, part, &set(&all)));
    let parts = [
        wire::Transaction { more: true, ..first },
        wire::Transaction { signature: Some(signature), ..last },
    ];
    let mut bytes = STATE_FILE.to_vec();
    for part in &parts {
        bytes.extend(part.encode_length_delimited_to_vec());
    }
    (story.change)(&mut bytes);
    bytes
}

/// What a gateway of team a makes of the file of `story`; the answer holds `expected`.
#[track_caller]
fn check(story: &Story, expected: &str) {
    let ground = Ground::new();
    let path = ground.path().join("state");
    fs::write(&path, file(&ground, story)).expect("a file");
    let node = Node { name: "gw-1".to_owned(), labels: labels(&[("team", "a")]) };
    let read = seed::read(&path, &State::empty(), &node, &ground.host("gateway").tls);
    let said = match read {
        Ok(state) => {
            let keys = state.plan.objects().iter().map(|object| object.key().to_string());
            let keys = keys.collect::<Vec<_>>().join(" ");
            format!("{} {}: {keys}", state.epoch, state.revision)
        }
        Err(error) => chassis::causes(&error),
    };
    assert!(said.contains(expected), "`{said}` says nothing of `{expected}`");
}

#[test]
fn a_gateway_starts_from_what_a_control_plane_has_signed_for_it() {
    check(&GOOD, "e1 7: Api/orders:1.0.0 Api/users:1.0.0");
}

#[test]
fn a_file_that_was_altered_or_torn_is_refused() {
    check(&Story { change: |it| it.truncate(it.len() - 1), ..GOOD }, "torn or altered");
    check(&Story { change: |it| it.truncate(100), ..GOOD }, "no exported state");
    check(&Story { change: |it| it[0] = b'X', ..GOOD }, "begins otherwise");
    check(&Story { change: |it| it.push(0), ..GOOD }, "not one whole state");
    let port = |it: &mut Vec<u8>| {
        // The address of a backend: all lengths stay as they are.
        let at = it.windows(9).position(|bytes| bytes == b"127.0.0.1");
        it[at.expect("an address") + 8] = b'9';
    };
    check(&Story { change: port, ..GOOD }, "leads to another state");
}

#[test]
fn a_file_for_other_gateways_or_of_another_service_is_refused() {
    check(&Story { labels: &[("team", "b")], ..GOOD }, "no control plane of ours vouches for it");
    check(&Story { signer: "gateway", ..GOOD }, "it was signed by gateway/");
}

#[test]
fn what_is_on_disk_counts_unless_the_file_is_later_in_the_same_epoch() {
    let state = |epoch: &str, revision| State::empty().replaced(epoch.to_owned(), revision, &[]);
    let check = |held: Option<State>, is_seed: bool| {
        assert_eq!(seed::newer(held, state("e1", 7)).1, is_seed);
    };
    check(None, true);
    check(Some(state("e1", 6)), true);
    check(Some(state("e1", 7)), false);
    check(Some(state("e1", 8)), false);
    check(Some(state("e0", 1)), false);
}
