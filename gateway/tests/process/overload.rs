//! Does a gateway that gets five times what it can do still do what it can?
//!
//! It has one processor, and the clients and the backend have another, so that the load takes
//! nothing away from it. A call is work: what the backend says is compressed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::ground::{PATIENCE, Place, alone, ask, backend, beside_others};

/// A client that waits longer has given up.
const LIMIT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"POST /open/1.0/x HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\
                         content-length: 1\r\n\r\nx";
/// What the gateway may take, in MiB.
const MEMORY: u64 = 256;
/// What the backend says, in bytes: so much work that another
/// processor can ask for five times of what the gateway does of it.
const ANSWER: usize = 512 * 1024;

/// As many as are never all busy: what comes is five times as much, whatever becomes of it.
const CLIENTS: usize = 2000;

/// Of what it can do, so much it does at least when it gets five times that.
const SHARE: f64 = 0.8;
/// Of a second it has so much of a processor at least, where nobody else uses the machine.
const OWN: f64 = 0.8;
/// Before and after, a second of its processor is worth as much, to this share.
const STEADY: f64 = 0.85;

/// What clients have seen.
#[derive(Debug, Default)]
struct Seen {
    good: AtomicU64,
    shed: AtomicU64,
    late: AtomicU64,
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
        let whole = match length.and_then(|text| text.parse::<usize>().ok()) {
            Some(length) => heard.len() >= end + 4 + length,
            None => heard.ends_with(b"\r\n0\r\n\r\n"),
        };
        if !whole {
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
                    Ok(_) => &seen.failed,
                    Err(_) => &seen.late,
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
fn rate(calls: u64, seconds: f64) -> f64 {
    calls as f64 / seconds.max(0.01)
}

/// What a process has used of its processors, in seconds. Others on the machine do not change it.
fn processor_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    rate(ticks, 1.0) / rate(rustix::param::clock_ticks_per_second(), 1.0)
}

/// A backend that answers each request with text that takes a while to compress.
fn talkative() -> SocketAddr {
    let (tasks, socket) = (Tasks::default(), TcpSocket::new_v4().unwrap());
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // A connection that finds no room to wait in comes again after a second, which is not asked here.
    let listener = socket.listen(4096).unwrap();
    let address = listener.local_addr().unwrap();
    let mut text = String::new();
    for number in 0_u64.. {
        let _ = write!(text, "{} ", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
        if text.len() >= ANSWER {
            break;
        }
    }
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    let (each, answer) = (tasks.clone(), Arc::<[u8]>::from(answer.into_bytes()));
    tasks.spawn("talkative", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            each.spawn("talkative connection", async move {
                let mut heard = Vec::new();
                while matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
                    // The body, a byte, may come before or after; nothing is done with it.
                    if heard.windows(4).any(|four| four == b"\r\n\r\n") {
                        heard.clear();
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// What was seen of the gateway while it had too much to do.
#[derive(Debug, Default)]
struct Watched {
    unhealthy: AtomicBool,
    most_resident: AtomicU64,
}

/// Lets a gateway with one worker on a processor of its own serve as much as it can, then gives it
/// five times that; of what it did with a second of its processor it must still do `SHARE`.
async fn check(time: Duration, processor: Option<usize>) {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let more = format!("workers = 1\n[overload]\nmemory = \"{MEMORY}MiB\"\n");
    let place = Place::new(folder.path(), talkative(), &more);
    place.change("open.yaml", |text| text + "  compression: {}\n");
    let gateway = match processor {
        Some(processor) => place.start_on(processor).await,
        None => place.start(&[]).await,
    };
    let at_peak = async || {
        let used = processor_seconds(gateway.id());
        let peak = load(place.http, 16, None, time).await.good.into_inner();
        (peak, processor_seconds(gateway.id()) - used)
    };
    load(place.http, 16, None, Duration::from_millis(500)).await;
    let (peak, used) = at_peak().await;
    // What others take of the machine makes calls late, whatever the gateway does.
    let quiet = processor.is_some() && used >= OWN * time.as_secs_f64();
    let (peak, peak_each) = (rate(peak, time.as_secs_f64()), rate(peak, used));
    let watched = Arc::new(Watched::default());
    let (asking, seen, id) = (place.clone(), Arc::clone(&watched), gateway.id());
    let watching = Tasks::default().spawn("watching", async move {
        loop {
            let asked = Clock::system().timeout(LIMIT, asking.ask("/livez")).await;
            if !matches!(asked, Ok((200, _))) {
                seen.unhealthy.store(true, Ordering::Relaxed);
            }
            seen.most_resident.fetch_max(resident_mib(id), Ordering::Relaxed);
            Clock::system().sleep(Duration::from_millis(100)).await;
        }
    });
    let used = processor_seconds(gateway.id());
    let over = load(place.http, CLIENTS, Some(peak * 5.0), time).await;
    let used = processor_seconds(gateway.id()) - used;
    watching.abort();
    let good = over.good.load(Ordering::Relaxed);
    let all = good + over.shed.load(Ordering::Relaxed) + over.late.load(Ordering::Relaxed);
    let times = rate(all, time.as_secs_f64()) / peak;
    let (good, good_each) = (rate(good, time.as_secs_f64()), rate(good, used));
    let clock = Clock::system();
    let begun = clock.instant();
    let mut calm = 0;
    while calm < 20 {
        let (status, _) = ask(place.http, "GET /open/1.0/x").await.unwrap_or_default();
        calm = if status == 200 { calm + 1 } else { 0 };
        assert!(clock.instant().duration_since(begun) < Duration::from_secs(5), "no recovery");
    }
    let recovered = clock.instant().duration_since(begun);
    // A processor that is not as fast as before says nothing of what was done between.
    let (again, used) = at_peak().await;
    let again_each = rate(again, used);
    let quiet = quiet && (STEADY..=1.0 / STEADY).contains(&(again_each / peak_each));
    eprintln!(
        "peak {peak:.0}/s, at {times:.1} times {good:.0}/s ({:.0} %); per second of its processor \
         {peak_each:.0} and {good_each:.0} ({:.0} %), later {again_each:.0}, {over:?}, {watched:?} MiB, \
         recovered in {recovered:?}",
        good / peak * 100.0,
        good_each / peak_each * 100.0
    );
    assert!(times > 4.0 || !quiet, "it was {times:.1} times as much: {over:?}");
    assert!(over.shed.load(Ordering::Relaxed) > 0 || !quiet, "all were let in: {over:?}");
    assert_eq!(over.failed.load(Ordering::Relaxed), 0, "all are answered: {over:?}");
    if quiet {
        let usual = peak_each.min(again_each);
        assert!(good_each >= SHARE * usual, "it spends its time on others: {over:?}");
        let late = over.late.load(Ordering::Relaxed);
        assert!(late * 20 < over.shed.load(Ordering::Relaxed), "in time: {over:?}");
    } else {
        eprintln!("left out: how much was done in time (others use this machine)");
    }
    assert!(!watched.unhealthy.load(Ordering::Relaxed), "health was not answered");
    let most = watched.most_resident.load(Ordering::Relaxed);
    assert!(most > 0 && most < MEMORY, "{most} MiB of {MEMORY}");
}

/// What a process keeps in memory, in MiB; 0: it is gone.
fn resident_mib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Leaves the second processor that there is to somebody else, from this thread on and those that it
/// starts; `None`: there is only one.
fn moved_together() -> Option<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    let mut each = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor));
    let (mine, other) = (each.next()?, each.next()?);
    let mut only = CpuSet::new();
    only.set(mine);
    sched_setaffinity(None, &only).unwrap();
    Some(other)
}

#[test]
fn five_times_too_much_is_served_as_far_as_it_can_be() {
    let processor = moved_together();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(check(Duration::from_secs(4), processor));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_alone_cannot_use_up_the_descriptors() {
    let _machine = beside_others().await;
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
