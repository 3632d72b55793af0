//! Does a directory of resource files serve what it says, and go on with the last good state?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use chassis::{Clock, Host};
use gateway::generation::{Current, Generation};
use gateway::snapshot::{Certificates, Directory, Figures, Publisher, State};
use plan::Plan;
use tokio::sync::watch;

use crate::ground::{Ground, ended, until};
use crate::resources::api;

/// A gateway that serves a directory.
struct Serves {
    current: Arc<Current>,
    states: watch::Receiver<Arc<State>>,
    host: Host,
}

impl Serves {
    fn start(ground: &Ground, path: &Path) -> Self {
        let host = ground.host("gateway");
        let (directory, state) =
            Directory::open(path, BTreeMap::new(), &State::empty()).expect("good files");
        let tls = host.tls.server_config(chassis::pki::ClientAuth::None, &[]).expect("TLS");
        let backends = gateway::sender::Backends::first().expect("TLS");
        let current = Arc::new(Current::new(Generation::new(0, Plan::empty(), None, backends)));
        let certificates = Arc::new(Certificates::new(&tls, chassis::clock::Clock::system()));
        let publisher = Arc::new(Publisher::new(Arc::clone(&current), certificates));
        publisher.put_plan(state.plan.clone());
        let (put, states) = watch::channel(Arc::new(state));
        let figures = host.metrics.register(Figures::new);
        host.tasks.spawn("resources", directory.follow(publisher, put, figures, host.clone()));
        Self { current, states, host }
    }

    fn serves(&self, path: &str) -> bool {
        self.current.load().plan.find("localhost", path).is_some()
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_served_whole_and_bad_ones_not_at_all() {
    let ground = Ground::new();
    let folder = ground.path().join("resources");
    fs::create_dir(&folder).expect("a folder");
    write(&folder, "orders.yaml", &api("orders", 1));
    let gateway = Serves::start(&ground, &folder);
    assert!(gateway.serves("/orders/1.0.0") && !gateway.serves("/users/1.0.0"));

    write(&folder, "users.yaml", &api("users", 2));
    until("the new file", || gateway.serves("/users/1.0.0").then_some(())).await;

    let revision = gateway.states.borrow().revision;
    write(&folder, "bad.yaml", "kind: Api\nmetadata: { name: x }\nspec: { contxt: /x }\n");
    write(&folder, "stock.yaml", &api("stock", 3));
    // Two looks and a third, so that what would be put in force would be by now.
    Clock::system().sleep(std::time::Duration::from_millis(1_800)).await;
    assert!(!gateway.serves("/stock/1.0.0"), "half of a change");
    assert_eq!(gateway.states.borrow().revision, revision);
    assert!(gateway.serves("/orders/1.0.0") && gateway.serves("/users/1.0.0"));

    fs::remove_file(folder.join("bad.yaml")).expect("a file");
    fs::remove_file(folder.join("orders.yaml")).expect("a file");
    until("the good rest", || gateway.serves("/stock/1.0.0").then_some(())).await;
    assert!(!gateway.serves("/orders/1.0.0"));
    gateway.host.shutdown.request();
    ended(&gateway.host).await;
}

#[test]
fn a_bad_first_load_names_file_field_and_remedy_of_every_problem() {
    let ground = Ground::new();
    write(ground.path(), "bad.yaml", "kind: Api\nmetadata: { name: x }\nspec: { contxt: /x }\n");
    write(ground.path(), "worse.yaml", "kind: Apy\n");
    let refused = Directory::open(ground.path(), BTreeMap::new(), &State::empty())
        .expect_err("bad files")
        .to_string();
    for part in ["bad.yaml", "spec.contxt", "`context`", "worse.yaml", "`Api`"] {
        assert!(refused.contains(part), "{part} is missing in: {refused}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let ground = Ground::new();
    let refused = Directory::open(&ground.path().join("nowhere"), BTreeMap::new(), &State::empty())
        .expect_err("no directory");
    assert!(refused.to_string().contains("nowhere"), "{refused}");
}
