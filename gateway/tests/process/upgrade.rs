//! Does a new gateway take the place of a running one without losing a call or a WebSocket?

use chassis::Clock;
use rustix::process::Signal;

use crate::ground::{Gateway, PATIENCE, Place, ask, backend, beside_others};
use crate::load::Load;
use crate::sockets::Sockets;

const SHORT: &str = "workers = 2\ndrain_idle = \"200ms\"\n";

/// Starts a gateway that takes over and waits until the one before has ended.
async fn upgraded(mut before: Gateway) -> Gateway {
    let place = before.place.clone();
    let after = place.begin(&["--take-over"]);
    let ended = before.ended().await;
    assert!(ended.success(), "{}", before.last_words());
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_upgrades_cost_no_call_and_end_websockets_well() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let place = Place::new(folder.path(), backend.address, SHORT);
    let sockets = Sockets::start().await;
    sockets.serve_at(&place);
    let mut gateway = place.start(&[]).await;
    let at = place.http;
    let load = Load::start(move || at);
    for _ in 0..20 {
        let talks = sockets.open(at).await;
        gateway = upgraded(gateway).await;
        talks.end().await;
        assert_eq!(place.ask("/readyz").await.0, 200, "{}", gateway.last_words());
    }
    load.end(&backend).await;
    sockets.end(20).await;
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success(), "{}", gateway.last_words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_serve_leaves_the_running_one_in_place() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let place = Place::new(folder.path(), backend.address, SHORT);
    let mut running = place.start(&[]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // An address that somebody else has, besides the one that is passed on.
    let config = folder.path().join("gateway.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let more = format!("https = [\"{}\"]", taken.local_addr().unwrap());
    std::fs::write(&config, text.replace("https = []", &more)).unwrap();
    let mut late = place.begin(&["--take-over"]);
    assert!(!late.ended().await.success());
    assert!(running.is_running());
    assert_eq!(place.ask("/readyz").await.0, 200);
    assert_eq!(ask(place.http, "GET /open/1.0/x").await.unwrap().0, 200);
    // And it can still be taken over from.
    std::fs::write(&config, text).unwrap();
    drop(upgraded(running).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_from_nobody_just_starts() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let place = Place::new(folder.path(), backend.address, SHORT);
    let killed = place.start(&["--take-over"]).await;
    drop(killed);
    let _gateway = place.start(&["--take-over"]).await;
    assert_eq!(ask(place.http, "GET /open/1.0/x").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_it_is_ready_takes_calls() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    for number in 0..20 {
        let place = Place::new(&folder.path().join(number.to_string()), backend.address, SHORT);
        let gateway = place.begin(&[]);
        // Asked without a pause, so that the first good answer is seen as early as can be.
        let ready = async { while place.ask("/readyz").await.0 != 200 {} };
        Clock::system().timeout(PATIENCE, ready).await.expect("ready in time");
        let answer = ask(place.http, "GET /open/1.0/x").await;
        assert_eq!(answer.expect("its ports are open").0, 200, "{}", gateway.last_words());
    }
}
