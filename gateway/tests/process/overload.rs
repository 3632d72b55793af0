//! Does a gateway that gets five times what it can do still do what it can?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::ground::{PATIENCE, Place, ask, backend};

/// A client that waits longer has given up.
const LIMIT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"POST /open/1.0/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";

/// What clients have seen.
#[derive(Debug, Default)]
struct Seen {
    good: AtomicU64,
    shed: AtomicU64,
    failed: AtomicU64,
}

/// One call on a kept connection; the status, or 0.
async fn call(kept: &mut Option<TcpStream>, at: SocketAddr) -> u16 {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => match TcpStream::connect(at).await {
            Ok(stream) => stream,
            Err(_) => return 0,
        },
    };
    if stream.write_all(REQUEST).await.is_err() {
        return 0;
    }
    let mut heard = Vec::with_capacity(1024);
    loop {
        if !matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
            return 0;
        }
        let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&heard[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if heard.len() < end + 4 + length.and_then(|text| text.parse().ok()).unwrap_or(0) {
            continue;
        }
        if !head.contains("connection: close") {
            *kept = Some(stream);
        }
        return head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    }
}

/// `clients` that call for `time`, each when it is its turn: at `rate` per second all together, or
/// again and again.
async fn load(at: SocketAddr, clients: usize, rate: Option<f64>, time: Duration) -> Seen {
    let (seen, stop) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
    let (turns, tasks) = (Arc::new(Semaphore::new(0)), Tasks::default());
    for _ in 0..clients {
        let (seen, stop, turns) = (Arc::clone(&seen), Arc::clone(&stop), Arc::clone(&turns));
        tasks.spawn("client", async move {
            let mut kept = None;
            while !stop.load(Ordering::Relaxed) {
                if rate.is_some() {
                    let Ok(turn) = turns.acquire().await else { return };
                    turn.forget();
                }
                let told = Clock::system().timeout(LIMIT, call(&mut kept, at)).await;
                let count = match told {
                    Ok(200) => &seen.good,
                    Ok(503) => &seen.shed,
                    _ => &seen.failed,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let clock = Clock::system();
    let begun = clock.instant();
    let mut given = 0.0;
    while clock.instant().duration_since(begun) < time {
        clock.sleep(Duration::from_millis(5)).await;
        let due = rate.unwrap_or(0.0) * clock.instant().duration_since(begun).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of calls"
        )]
        turns.add_permits((due - given) as usize);
        given += (due - given).floor();
        // Who finds no client free is not waited for: the clients are as many as there are.
        let waiting = turns.available_permits();
        turns.forget_permits(waiting.saturating_sub(clients));
    }
    stop.store(true, Ordering::Relaxed);
    turns.close();
    let ended = clock.timeout(PATIENCE, tasks.finished()).await;
    assert!(ended.is_ok(), "clients do not end");
    Arc::into_inner(seen).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "calls per second")]
fn per_second(calls: &AtomicU64, time: Duration) -> f64 {
    calls.load(Ordering::Relaxed) as f64 / time.as_secs_f64()
}

/// Lets a gateway with one worker serve as much as it can, then gives it five times that; the
/// share of what it could do that it still does must be at least `share`.
async fn check(share: f64, time: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let more = "workers = 1\n[overload]\nqueue_delay = \"50ms\"\n";
    let place = Place::new(folder.path(), backend.address, more);
    let gateway = place.start(&[]).await;
    load(place.http, 16, None, Duration::from_millis(500)).await;
    let peak = per_second(&load(place.http, 16, None, time).await.good, time);
    let healthy = Arc::new(AtomicBool::new(true));
    let (asking, watched) = (place.clone(), Arc::clone(&healthy));
    let health = Tasks::default().spawn("health", async move {
        loop {
            let asked = Clock::system().timeout(LIMIT, asking.ask("/livez")).await;
            if !matches!(asked, Ok((200, _))) {
                watched.store(false, Ordering::Relaxed);
            }
            Clock::system().sleep(Duration::from_millis(100)).await;
        }
    });
    let over = load(place.http, 2000, Some(peak * 5.0), time).await;
    health.abort();
    let good = per_second(&over.good, time);
    let clock = Clock::system();
    let begun = clock.instant();
    let mut calm = 0;
    while calm < 20 {
        let (status, _) = ask(place.http, "GET /open/1.0/x").await.unwrap_or_default();
        calm = if status == 200 { calm + 1 } else { 0 };
        assert!(clock.instant().duration_since(begun) < Duration::from_secs(5), "no recovery");
    }
    let recovered = clock.instant().duration_since(begun);
    eprintln!("peak {peak:.0}/s, at five times {good:.0}/s, {over:?}, recovered in {recovered:?}");
    assert!(good >= share * peak, "peak {peak:.0}/s, at five times {good:.0}/s: {over:?}");
    assert_eq!(over.failed.load(Ordering::Relaxed), 0, "all are answered: {over:?}");
    assert!(healthy.load(Ordering::Relaxed), "health was not answered");
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_times_too_much_is_served_as_far_as_it_can_be() {
    // Two thousand clients, the backend and other tests share the processors with the gateway and
    // take most of them, so the bar only tells serving from collapsing; what a machine with
    // processors of its own reaches is a matter of `bench/`.
    check(0.1, Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_alone_cannot_use_up_the_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let more = "workers = 1\n[overload]\nspare_descriptors = 128\n";
    let place = Place::new(folder.path(), backend.address, more);
    let gateway = place.start_with_descriptors(256).await;
    let mut kept = None;
    assert_eq!(call(&mut kept, place.http).await, 200);
    let mut idle = Vec::new();
    for _ in 0..600 {
        idle.extend(TcpStream::connect(place.http).await);
    }
    assert_eq!(place.ask("/readyz").await.0, 200);
    assert_eq!(call(&mut kept, place.http).await, 200, "{}", gateway.last_words());
    assert!(!gateway.last_words().contains("cannot accept"), "{}", gateway.last_words());
    drop(idle);
    let served = async {
        while call(&mut None, place.http).await != 200 {
            Clock::system().sleep(Duration::from_millis(10)).await;
        }
    };
    let again = Clock::system().timeout(Duration::from_secs(1), served).await;
    assert!(again.is_ok(), "{}", gateway.last_words());
}
