//! Does the real process survive being killed?

use chassis::Clock;
use jose::{Expectation, KeySet};
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What;
use turnpike_proto::identity::v1::{RegisterClientRequest, RevokeRequest, WatchRevocationsRequest};

use crate::databases::{Scratch, each};
use crate::process::Process;

/// KM-083: what is in the memory of the process, private keys among it, is never written to a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_leaves_no_image_of_its_memory() {
    let scratch = Scratch::sqlite();
    let process = Process::start(&scratch).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_had_answered() {
    each(async |scratch| {
        let data = scratch.folder.path();
        let process = Process::start(&scratch).await;
        let asked = RegisterClientRequest { name: "app".to_owned(), ..Default::default() };
        let mut clients = ClientsClient::new(process.channel(data, "control-plane"));
        let client = clients.register(asked).await.expect("a client").into_inner();
        let (good, ended) =
            (process.token(data, &client).await, process.token(data, &client).await);
        let keys = process.keys(data).await;
        let set = KeySet::parse(&keys).expect("keys");
        let expect = Expectation::access_token("https://127.0.0.1:9453/oauth2");
        jose::verify(&good, &set, &expect, Clock::system().unix_seconds()).expect("a good token");
        let mut log = RevocationsClient::new(process.channel(data, "admin"));
        let what = Some(What::Token(ended.clone()));
        log.revoke(RevokeRequest { what }).await.expect("revoked");
        process.kill();

        let process = Process::start(&scratch).await;
        assert_eq!(process.keys(data).await, keys);
        assert!(process.active(data, &good).await);
        assert!(!process.active(data, &ended).await);
        assert!(process.active(data, &process.token(data, &client).await).await);
        let mut log = RevocationsClient::new(process.channel(data, "gateway"));
        let watched = log.watch(WatchRevocationsRequest::default()).await.expect("a stream");
        let mut stream = watched.into_inner();
        let first = stream.message().await.expect("a message").expect("a batch");
        assert_eq!((first.sequence, first.revocations.len()), (1, 1));
        // An open stream does not hold up the drain.
        assert_eq!(process.stop().await, Some(0));
    })
    .await;
}
