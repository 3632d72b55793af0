//! What happens while the database is away?

use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use key_manager::bootstrap::{assemble, tend};
use key_manager::registration::{Application, register};
use key_manager::store::{SqlStore, Store};

use crate::databases::Scratch;
use crate::postgres::Server;
use crate::stand::{Dressed, config, post, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_hear_that_it_is_temporary_and_work_again_when_the_database_is_back() {
    let Some(server) = Server::start().await else {
        eprintln!("left out: no PostgreSQL in /usr/lib/postgresql");
        return;
    };
    let server = Arc::new(server);
    let scratch = Scratch::on(server.clone()).await;
    let mut host =
        chassis::Host::development("key-manager", scratch.folder.path()).expect("a host");
    host.data = scratch.folder.path().to_owned();
    let mut config = config();
    config.store.timeout = Duration::from_millis(500);
    let store = SqlStore::open(&scratch.url, &config.store, &host.clock).await.expect("a store");
    let store: Arc<dyn Store> = Arc::new(store);
    let authority = assemble(&config, &host, store).await.expect("a key manager");
    let application = Application { name: "app".to_owned(), ..Application::default() };
    let client = register(&authority, &application).await.expect("a client");

    tend(&host, &authority, host.ready.condition("store"), &config);
    let clock = Clock::system();
    let green = async |green: bool| {
        let turned = host.ready.changed_from(!green);
        clock.timeout(Duration::from_secs(10), turned).await.expect("readiness turns in time");
    };
    green(true).await;

    let ask = async || {
        let request = post("/token", "grant_type=client_credentials");
        let request = request.basic(client.client.id.as_str(), &client.secret);
        key_manager::endpoint::answer(&authority, &request).await
    };
    assert_eq!(said(&ask().await), "200");
    server.kill();
    // What was read a moment ago is believed for three seconds.
    let noticed = async {
        while said(&Box::pin(ask()).await) == "200" {
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    clock.timeout(Duration::from_secs(10), noticed).await.expect("the outage is noticed");
    for _ in 0..3 {
        let reply = ask().await;
        assert_eq!(said(&reply), "503 temporarily_unavailable");
        assert_eq!(reply.headers()["retry-after"], "1");
    }
    let late = authority.log.end_client(&client.client.id).await;
    assert!(late.expect_err("no database").is_retryable());
    green(false).await;
    server.restart().await;
    green(true).await;
    let back = async {
        while said(&ask().await) != "200" {
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    Box::pin(clock.timeout(Duration::from_secs(10), back)).await.expect("it works again");
    let ended = authority.log.end_client(&client.client.id).await.expect("an answer");
    assert_eq!(ended, Some(1), "what was refused before had been written");
    host.shutdown.request();
}
