//! Does a stop cost a call or a WebSocket?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use rustix::process::Signal;

use crate::ground::{Place, backend, beside_others};
use crate::load::Load;
use crate::sockets::Sockets;

const SHORT: &str = "drain_pause = \"300ms\"\ndrain_idle = \"200ms\"\n";

/// Asks two gateways again and again whether they are ready, as a load balancer does, and sends new
/// connections to one that was.
#[derive(Clone)]
struct Balancer {
    ready: Arc<[AtomicBool; 2]>,
    places: [Place; 2],
}

impl Balancer {
    fn new(places: [Place; 2]) -> Self {
        let balancer = Self { ready: Arc::default(), places };
        let tasks = Tasks::default();
        for number in 0..2 {
            let asking = balancer.clone();
            tasks.spawn("balancer", async move {
                loop {
                    let ready = asking.places[number].ask("/readyz").await.0 == 200;
                    asking.ready[number].store(ready, Ordering::Relaxed);
                    Clock::system().sleep(Duration::from_millis(20)).await;
                }
            });
        }
        balancer
    }

    fn choose(&self) -> SocketAddr {
        let first = usize::from(!self.ready[0].load(Ordering::Relaxed));
        self.places[first].http
    }

    async fn sees(&self, number: usize, ready: bool) {
        let seen = async {
            while self.ready[number].load(Ordering::Relaxed) != ready {
                Clock::system().sleep(Duration::from_millis(5)).await;
            }
        };
        Clock::system().timeout(crate::ground::PATIENCE, seen).await.expect("in time");
    }
}

/// Stops one of two gateways `times` times, in turns, under load.
async fn check(times: usize) {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let places =
        ["a", "b"].map(|name| Place::new(&folder.path().join(name), backend.address, SHORT));
    let sockets = Sockets::start().await;
    for place in &places {
        sockets.serve_at(place);
    }
    let balancer = Balancer::new(places.clone());
    let mut gateways = [Some(places[0].start(&[]).await), Some(places[1].start(&[]).await)];
    balancer.sees(0, true).await;
    balancer.sees(1, true).await;
    let choosing = balancer.clone();
    let load = Load::start(move || choosing.choose());
    for time in 0..times {
        let number = time % 2;
        let mut gateway = gateways[number].take().unwrap();
        let talks = sockets.open(gateway.place.http).await;
        gateway.signal(Signal::TERM);
        assert!(gateway.ended().await.success(), "{}", gateway.last_words());
        talks.end().await;
        balancer.sees(number, false).await;
        gateways[number] = Some(places[number].start(&[]).await);
        balancer.sees(number, true).await;
    }
    load.end(&backend).await;
    sockets.end(times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_drains_cost_no_call_and_end_websockets_well() {
    check(20).await;
}
