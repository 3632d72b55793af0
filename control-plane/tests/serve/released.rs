//! Do control planes and gateways of the minor version before still get along with these?
//!
//! What a release wrote and said lies in `released/<minor>`: the store of a control plane with its master
//! key, what it sent to a gateway, and how a gateway greets. Of a minor version that has nothing there yet, it
//! is written by the first run, to be committed with the release.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::{Distance, Known, Object, Objects, ResourceKey, Slice, distance};
use prost::Message as _;
use tonic::Code;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::{GetAsOfRequest, ListHistoryRequest, RollbackRequest};
use turnpike_proto::config::v1::{Hello, KnownType, Transaction};

use crate::gateway::{Gateway, Held, Sent};
use crate::history::verify;
use crate::stack::{Stack, check, tier};

const OWN: &str = env!("CARGO_PKG_VERSION");
/// Unpacked, a store of few resources is not larger.
const STORE: usize = 64 * 1024 * 1024;
/// The field 4242 of a resource, which no version has, with the value 1.
const UNHEARD_OF: [u8; 4] = [0x90, 0x89, 0x02, 0x01];

fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/released")
}

/// `0.1` of `0.1.7`.
fn minor(version: &str) -> (u64, u64) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The folders of this minor version and of the one before, as far as there are any.
fn folders() -> Vec<PathBuf> {
    let (major, own) = minor(OWN);
    let near = [own.checked_sub(1), Some(own)].into_iter().flatten();
    near.map(|minor| released().join(format!("{major}.{minor}"))).filter(|it| it.exists()).collect()
}

fn read<M: prost::Message + Default>(folder: &Path, file: &str) -> M {
    M::decode(std::fs::read(folder.join(file)).unwrap().as_slice()).unwrap()
}

fn hello() -> Hello {
    let known = Known::own();
    let types = known.types();
    let known = types.map(|(name, numbers)| KnownType { name: name.to_owned(), numbers });
    let (node, build) = ("released".to_owned(), OWN.to_owned());
    Hello { node, build, known: known.collect(), repairs: true, ..Hello::default() }
}

/// Writes down what this build stores and says.
async fn record(stack: &Stack, folder: &Path) {
    let plane = stack.start_with("released", "").await;
    stack.apply(&plane, include_str!("../../src/edge/rest/examples.yaml")).await;
    stack.apply(&plane, &tier("Recorded", 1)).await;
    stack.apply(&plane, &tier("Recorded", 2)).await;
    let mut gateway = Gateway::connect_as(stack, &plane, Held::default(), hello()).await;
    let Sent::Full(sent, _) = gateway.receive().await.unwrap() else { panic!("not everything") };
    let data = plane.host.data.clone();
    plane.stop().await;
    std::fs::create_dir_all(folder).unwrap();
    let store = std::fs::read(data.join("resources.redb")).unwrap();
    let store = zstd::bulk::compress(&store, 19).unwrap();
    std::fs::write(folder.join("resources.redb.zst"), store).unwrap();
    std::fs::copy(data.join("master.key"), folder.join("master.key")).unwrap();
    std::fs::write(folder.join("transaction.bin"), sent.encode_to_vec()).unwrap();
    std::fs::write(folder.join("hello.bin"), hello().encode_to_vec()).unwrap();
}

/// Puts the data of the control plane of a release where a control plane of the test is started.
fn unpack(stack: &Stack, folder: &Path) {
    let data = stack.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let store = std::fs::read(folder.join("resources.redb.zst")).unwrap();
    let store = zstd::bulk::decompress(&store, STORE).unwrap();
    std::fs::write(data.join("resources.redb"), store).unwrap();
    let key = std::fs::read(folder.join("master.key")).unwrap();
    for path in [data.join("master.key"), stack.path().join("master.key")] {
        std::fs::write(&path, &key).unwrap();
        // A checkout lets others read it.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn what_this_minor_version_writes_and_says_is_recorded() {
    let (major, own) = minor(OWN);
    let folder = released().join(format!("{major}.{own}"));
    if !folder.exists() {
        check(async |stack| record(&stack, &folder).await);
        panic!("{} was not there and is now: commit it with the release", folder.display());
    }
}

#[test]
fn the_store_of_the_version_before_is_opened_as_it_is() {
    for folder in folders() {
        check(async |stack| {
            unpack(&stack, &folder);
            let plane = stack.start_with("data", "").await;
            stack.apply(&plane, &tier("Later", 1)).await;
            let mut history = HistoryClient::new(stack.channel(&plane, "admin"));
            let page = history.list(ListHistoryRequest::default()).await.unwrap().into_inner();
            let [_, updated, created] = page.entries.get(..3).unwrap() else { panic!() };
            let as_of = GetAsOfRequest {
                key: "Tier/Recorded".to_owned(),
                revision: created.revision,
                ..Default::default()
            };
            let found = history.get(as_of).await.unwrap().into_inner();
            assert_eq!(plan::to_json(&found.resources[0])["spec"]["quota"]["requests"], 1);
            let back = RollbackRequest {
                all: true,
                revision: created.revision,
                keep_secrets: true,
                ..Default::default()
            };
            let back = history.rollback(back).await.unwrap().into_inner();
            assert!(back.problems.is_empty() && back.revision > updated.revision, "{back:?}");
            assert_eq!(verify(&stack, &plane).await.broken, None);
        });
    }
}

#[test]
fn a_gateway_of_the_version_before_is_served_what_it_was_served() {
    for folder in folders() {
        check(async |stack| {
            unpack(&stack, &folder);
            let plane = stack.start_with("data", "").await;
            let before: Transaction = read(&folder, "transaction.bin");
            let greeting: Hello = read(&folder, "hello.bin");
            let mut gateway =
                Gateway::connect_as(&stack, &plane, Held::default(), greeting.clone()).await;
            let Sent::Full(sent, _) = gateway.receive().await.unwrap() else { panic!() };
            assert_eq!(sent.upserts, before.upserts);
            assert_eq!(sent.state_hash, before.state_hash);
            // What it holds is taken for what it is: nothing is sent.
            gateway.answer().await;
            let held = gateway.held.clone();
            let mut again = Gateway::connect_as(&stack, &plane, held, greeting).await;
            assert_eq!(again.step().await, "current");
        });
    }
}

#[test]
fn what_the_version_before_sends_is_put_in_force() {
    for folder in folders() {
        let sent: Transaction = read(&folder, "transaction.bin");
        let all = held(&sent);
        let (_, rejected) = plan::Plan::empty().replaced(&all);
        assert_eq!(rejected, [], "{}", folder.display());
        let objects = objects(&all);
        assert_eq!(objects.hash().to_bytes().as_slice(), &sent.state_hash[..]);
        let resources: Vec<_> =
            objects.iter().map(|object| object.resource().unwrap().into_owned()).collect();
        let admitted = plan::admit(&Objects::new(), &resources, &[]);
        assert!(admitted.is_ok(), "{:?}", admitted.err());
    }
}

fn held(sent: &Transaction) -> Vec<(ResourceKey, bytes::Bytes)> {
    let of = |one: &turnpike_proto::config::v1::Object| {
        (ResourceKey::from_wire(&one.key), one.resource.clone())
    };
    sent.upserts.iter().map(of).collect()
}

fn objects(all: &[(ResourceKey, bytes::Bytes)]) -> Objects {
    all.iter().fold(Objects::new(), |mut objects, (key, bytes)| {
        objects.insert(Arc::new(Object::from_wire(key.clone(), bytes.clone())));
        objects
    })
}

#[test]
fn nothing_that_the_version_before_has_is_gone() {
    let own: BTreeSet<(String, i32)> = pairs(&hello());
    for folder in folders() {
        let before = pairs(&read(&folder, "hello.bin"));
        let gone: Vec<_> = before.difference(&own).collect();
        assert!(gone.is_empty(), "fields and values are not taken away: {gone:?}");
    }
}

fn pairs(hello: &Hello) -> BTreeSet<(String, i32)> {
    let of = |known: &KnownType| {
        let name = known.name.clone();
        known.numbers.clone().into_iter().map(move |number| (name.clone(), number))
    };
    hello.known.iter().flat_map(of).collect()
}

#[test]
fn what_nobody_here_has_heard_of_is_kept_and_passed_on_to_those_who_have() {
    for folder in folders() {
        let sent: Transaction = read(&folder, "transaction.bin");
        let tier = sent.upserts.iter().position(|one| one.key.starts_with("Tier/")).unwrap();
        let mut all = held(&sent);
        let later: bytes::Bytes = [&all[tier].1[..], &UNHEARD_OF[..]].concat().into();
        all[tier].1 = later.clone();
        let (key, all) = (all[tier].0.clone(), objects(&all));
        let mut newer = hello().known;
        let resource = newer.iter_mut().find(|it| it.name.ends_with(".v1.Resource")).unwrap();
        resource.numbers.push(4242);
        let newer = newer.into_iter().map(|one| (one.name, one.numbers));
        let newer = Arc::new(Known::said(newer).unwrap());
        let kept = |known| {
            let slice = Slice::of_known(&all, &[].into(), Some(known));
            slice.objects().get(&key).map(|object| object.bytes().clone())
        };
        assert_eq!(kept(newer), Some(later));
        assert_eq!(kept(Known::own()), None, "it may be what protects");
    }
}

#[test]
fn two_minor_versions_apart_they_refuse_each_other_and_say_why() {
    let (major, own) = minor(OWN);
    for (minor, fits) in [(own + 1, true), (own + 2, false)] {
        let gateway = format!("{major}.{minor}.0");
        let told = distance(&gateway, OWN);
        assert_eq!(told == Distance::Fits, fits, "{told}");
        check(async |stack| {
            let plane = stack.start().await;
            stack.apply(&plane, &tier("Gold", 1)).await;
            let greeting = Hello { build: gateway, ..hello() };
            let answer = Gateway::open(&stack, &plane, greeting, Held::default()).await;
            match answer {
                Ok(_) => assert!(fits),
                Err(refused) => {
                    assert!(!fits && refused.code() == Code::FailedPrecondition, "{refused:?}");
                    assert_eq!(refused.message(), told.to_string());
                }
            }
        });
    }
}
