//! Is what was answered still true after the power was cut in the middle of it?
//!
//! Chains of refresh tokens go on under load while the process is killed again and again. A client that
//! got no answer asks again with the token that it has, as clients do.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use serde_json::Value;
use turnpike_proto::identity::v1::RegisterClientRequest;
use turnpike_proto::identity::v1::clients_client::ClientsClient;

use crate::browser::{CALLBACK, encode};
use crate::databases::each;
use crate::process::{Process, try_send};
use crate::visits::{account, log_in};

/// On each of the two stores.
const KILLS: usize = 10;
const CHAINS: usize = 4;
/// Steps of all chains between two kills.
const STEPS: u64 = 12;

/// What a client has and believes.
struct Chain {
    refresh: String,
    access: String,
}

/// Posts a form; the status and the JSON. `None`: nobody answered, or not to the end.
async fn post(https: SocketAddr, data: &Path, path: &str, form: &str) -> Option<(String, Value)> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (head, body) = try_send(https, data, request).await?;
    let status = head.split(' ').nth(1)?.to_owned();
    Some((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// One step; `None`: no answer.
async fn step(https: SocketAddr, data: &Path, client: &str, chain: &mut Chain) -> Option<()> {
    let form = encode(&[
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", &chain.refresh),
    ]);
    let (status, body) = post(https, data, "/oauth2/token", &form).await?;
    // A body that broke off is no answer.
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    assert!(matches!(status.as_str(), "200" | "503"), "a chain broke: {status} {body}");
    if let (Some(refresh), Some(access)) = (text("refresh_token"), text("access_token")) {
        *chain = Chain { refresh, access };
    }
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_it_loses_no_refresh_token_and_revives_none() {
    each(async |scratch| {
        let data: Arc<Path> = scratch.folder.path().into();
        let mut process = Process::start(&scratch).await;
        account(&process, &data).await;
        let asked = RegisterClientRequest {
            name: "app".to_owned(),
            grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
            scopes: vec!["openid".to_owned()],
            redirect_uris: vec![CALLBACK.to_owned()],
            public: true,
            first_party: true,
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(process.channel(&data, "control-plane"));
        let client = clients.register(asked).await.expect("a client").into_inner().client_id;
        let client: Arc<str> = client.into();
        let mut chains = Vec::new();
        for _ in 0..CHAINS {
            let tokens = log_in(&process, &data, &client, "openid").await;
            chains.push(Chain {
                refresh: tokens.text("refresh_token"),
                access: tokens.text("access_token"),
            });
        }
        let mut revoked: Vec<String> = Vec::new();
        for kill in 0..KILLS {
            // One that is revoked is dead from the answer on.
            let victim = &chains[kill % CHAINS].access;
            let form = encode(&[("client_id", client.as_ref()), ("token", victim)]);
            let (status, _) =
                post(process.https, &data, "/oauth2/revoke", &form).await.expect("revoked");
            assert_eq!(status, "200");
            revoked.push(victim.clone());

            let (steps, tasks) = (Arc::<AtomicU64>::default(), Tasks::default());
            let (sent, mut back) = tokio::sync::mpsc::unbounded_channel();
            for mut chain in chains.drain(..) {
                let (https, data) = (process.https, Arc::clone(&data));
                let (client, steps, sent) = (Arc::clone(&client), Arc::clone(&steps), sent.clone());
                tasks.spawn("chain", async move {
                    while step(https, &data, &client, &mut chain).await.is_some() {
                        steps.fetch_add(1, Ordering::Relaxed);
                    }
                    sent.send(chain).ok();
                });
            }
            drop(sent);
            let clock = Clock::system();
            let working = async {
                while steps.load(Ordering::Relaxed) < STEPS {
                    clock.sleep(Duration::from_millis(5)).await;
                }
            };
            clock.timeout(Duration::from_secs(30), working).await.expect("steps are taken");
            process.kill();
            while let Some(chain) = back.recv().await {
                chains.push(chain);
            }
            assert_eq!(chains.len(), CHAINS, "a chain broke");

            process = Process::start(&scratch).await;
            for chain in &mut chains {
                step(process.https, &data, &client, chain).await.expect("an answer");
                assert!(process.active(&data, &chain.access).await, "a token was lost");
            }
            for token in &revoked {
                assert!(!process.active(&data, token).await, "a revoked token lives again");
            }
        }
    })
    .await;
}
