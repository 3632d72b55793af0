//! What do calls to a sick backend cost, and whom?
//!
//! A backend that never answers, closes, resets, talks garbage or floods gets its callers the right
//! fault in time; callers of its neighbours notice nothing.

use std::time::Duration;

use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stand::{Client, Stand, request};

/// What a backend does with each connection.
#[derive(Clone, Copy, Debug)]
enum Illness {
    /// Takes requests and says nothing.
    Blackhole,
    /// Takes connections and reads nothing.
    Deaf,
    /// Closes its side and says nothing.
    HalfOpen,
    /// Closes after half an answer.
    Dies,
    Resets,
    Garbage,
    Flood,
    /// Refuses before it has read the body, and closes.
    Early,
}

const ALL: [(&str, Illness, &str); 8] = [
    ("blackhole", Illness::Blackhole, "504 101504"),
    ("deaf", Illness::Deaf, "504 101504"),
    ("halfopen", Illness::HalfOpen, "502 101505"),
    ("dies", Illness::Dies, "cut"),
    ("resets", Illness::Resets, "502 101505"),
    ("garbage", Illness::Garbage, "502 101506"),
    ("flood", Illness::Flood, "502 101506"),
    ("early", Illness::Early, "403"),
];
const TIMEOUT: Duration = Duration::from_millis(400);

async fn backend(tasks: &Tasks, illness: Illness) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let each = tasks.clone();
    tasks.spawn("sick-backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            each.spawn("sick", suffer(stream, illness));
        }
    });
    port
}

async fn suffer(mut stream: TcpStream, illness: Illness) {
    let mut some = [0; 1024];
    let waits = async |mut stream: TcpStream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    if matches!(illness, Illness::Deaf) {
        tokio::time::sleep(Duration::from_secs(20)).await;
        return;
    }
    let _ = stream.read(&mut some).await;
    match illness {
        Illness::Blackhole | Illness::Deaf => waits(stream).await,
        Illness::HalfOpen => {
            let _ = stream.shutdown().await;
            waits(stream).await;
        }
        Illness::Dies => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
        }
        Illness::Resets => {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        Illness::Garbage => {
            let _ = stream.write_all(&[0x16, 3, 1, 0, 200, 1, 2, 3]).await;
            waits(stream).await;
        }
        Illness::Flood => {
            let flood = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
            while stream.write_all(&flood).await.is_ok() {}
        }
        Illness::Early => {
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
            let _ = stream.write_all(refusal).await;
            let _ = stream.shutdown().await;
            waits(stream).await;
        }
    }
}

async fn stand() -> Stand {
    let tasks = Tasks::default();
    let mut resources = String::from(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: { name: well, version: \"1.0\" }\nspec:\n  \
         context: /well\n  lifecycle: PUBLISHED\n  security: { schemes: [none] }\n  \
         endpoints: { production: { urls: [\"http://BACKEND/base\"] } }\n",
    );
    for (name, illness, _) in ALL {
        let port = backend(&tasks, illness).await;
        let more = format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \"1.0\" }}\n\
             spec:\n  context: /{name}\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
             endpoints: {{ production: {{ urls: [\"http://127.0.0.1:{port}\"], timeout: 0.4s }} }}\n"
        );
        resources.push_str(&more);
    }
    Stand::start(&resources).await
}

/// What a call to the sick backend `name` comes to, and how long it takes.
async fn call(stand: &Stand, name: &str, body: &str) -> (String, Duration) {
    let begun = stand.host.clock.instant();
    let mut client = stand.client().await;
    let post = request(&format!("POST /{name}/1.0/x"), "", body);
    // A gateway that has answered may not read all of it.
    let _ = client.0.write_all(post.as_bytes()).await;
    let heard = match client.hear_any().await {
        None => "cut".to_owned(),
        Some(answer) if answer.body.contains("\"code\"") => answer.fault(),
        Some(answer) => answer.status.to_string(),
    };
    (heard, stand.host.clock.instant().duration_since(begun))
}

#[tokio::test]
async fn each_illness_has_its_fault_in_time() {
    let stand = stand().await;
    // Small bodies, and one that no socket takes whole: the answer may come before it is sent.
    for body in ["hi".to_owned(), "x".repeat(8_000_000)] {
        for (name, _, expected) in ALL {
            let (heard, took) = call(&stand, name, &body).await;
            assert_eq!(heard, expected, "{name} with {} bytes", body.len());
            assert!(took < TIMEOUT + Duration::from_secs(4), "{name} took {took:?}");
        }
    }
    stand.until("gateway_backend_connections", 0).await;
}

/// Calls of each slice of time (longer than the sick ones' time limit), slices of each kind, and callers
/// of each sick backend.
const CALLS: usize = 2000;
const SLICES: usize = 5;
const CALLERS: usize = 3;
/// Between two calls of one of them: what is to be seen is what waits, not what is worked.
const PAUSE: Duration = Duration::from_millis(40);
/// How many of a hundred calls take how many times as long as beside backends that are well, at most.
/// Other tests run meanwhile; who had to wait for a sick backend would wait for a thousand times as long.
const MOST: [(usize, f64); 3] = [(50, 2.0), (90, 3.0), (99, 5.0)];

/// How long so many of a hundred calls to the backend that is well take, in seconds.
async fn neighbour(stand: &Stand, client: &mut Client) -> [f64; 3] {
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let begun = stand.host.clock.instant();
        client.say(&request("GET /well/1.0/sized/100", "", "")).await;
        assert_eq!(client.hear().await.status, 200);
        took.push(stand.host.clock.instant().duration_since(begun).as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    MOST.map(|(percent, _)| took[CALLS * percent / 100])
}

/// Calls the sick backends until it is dropped, or as often the one that is well.
async fn calling(stand: &Stand, sick: bool) {
    let names = ALL.iter().flat_map(|(name, ..)| [if sick { *name } else { "well" }; CALLERS]);
    let callers = names.map(|name| async move {
        loop {
            call(stand, name, "hi").await;
            stand.host.clock.sleep(PAUSE).await;
        }
    });
    futures_util::future::join_all(callers).await;
}

#[tokio::test]
async fn neighbours_of_a_sick_backend_do_not_notice() {
    let stand = stand().await;
    let mut client = stand.client().await;
    let mut beside = async |sick: bool| {
        tokio::select! {
            () = calling(&stand, sick) => unreachable!(),
            took = neighbour(&stand, &mut client) => took,
        }
    };
    // In turns, so that whoever else uses the machine disturbs both alike.
    let mut ratios = [const { Vec::new() }; MOST.len()];
    for _ in 0..SLICES {
        let (well, sick) = (beside(false).await, beside(true).await);
        for (place, ratios) in ratios.iter_mut().enumerate() {
            ratios.push(sick[place] / well[place]);
        }
    }
    let middle = ratios.map(|mut ratios: Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        ratios[SLICES / 2]
    });
    eprintln!("p50, p90 and p99 beside sick backends, times those beside well ones: {middle:.2?}");
    assert!(middle.iter().zip(MOST).all(|(ratio, (_, most))| *ratio < most), "{middle:?}");
}
