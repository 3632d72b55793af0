//! Exchanges with backends that answer byte by byte as they are told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::clock::Clock;
use http::{HeaderMap, Method};
use http_body::Frame;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::alarm::TICK;
use crate::body::Intake;
use crate::cells::Cells;
use crate::sender::{Config, Lane, Limits, Line, write};

struct Stand {
    pool: Rc<Pool>,
    alarms: Rc<Alarms>,
    cells: Arc<Cells>,
    clock: Clock,
    listener: TcpListener,
}

impl Stand {
    async fn new() -> Self {
        let cells = Arc::new(Cells::default());
        let config = Config {
            token_timeout: Duration::from_secs(5),
            max_copies: 8,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            http2_streams: 10,
            http2_ping: Duration::ZERO,
            max_idle: 4,
            max_connections: 2,
            max_per_server: 2,
        };
        let clock = Clock::system();
        let alarms = Alarms::new(clock.instant());
        Self {
            pool: Rc::new(Pool::new(config, Arc::clone(&cells))),
            alarms,
            cells,
            clock,
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    fn lane(&self) -> Rc<Lane> {
        let port = self.listener.local_addr().unwrap().port();
        self.pool.lane(&format!("127.0.0.1:{port}"), "127.0.0.1", port, None, None)
    }

    async fn connection(&self) -> Box<Connection> {
        match self.pool.take(&self.lane(), self.alarms.now()) {
            Some(connection) => connection,
            None => self.pool.dial(&self.lane(), &self.clock, Limits::default()).await.unwrap(),
        }
    }

    async fn send(&self, method: Method, body: Body, expects: bool) -> Result<Answered, Failure> {
        let mut connection = self.connection().await;
        let line = Line {
            method: &method,
            prefix: "",
            target: "/",
            host: "b",
            passes: &|_| true,
            upgrades: false,
            added: &[],
            rules: None,
        };
        write(connection.output(), &line, &HeaderMap::new(), &body);
        let order = Order {
            body,
            asked_with_head: method == Method::HEAD,
            waits: expects.then(|| Rc::new(Intake::new(true))),
            teller: None,
            upgrades: false,
            timeout: Duration::from_millis(200),
            idle_timeout: Duration::from_millis(200),
            deadline: None,
        };
        run(&self.pool, &self.alarms, connection, order).await
    }

    /// Runs `work` while the worker's clock ticks.
    async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let ticking = async {
            loop {
                self.alarms.tick(self.clock.instant());
                self.clock.sleep(TICK / 5).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = ticking => unreachable!("the clock never stops"),
        }
    }
}

/// Reads until `end` and returns all of it.
async fn hear(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        if stream.read_buf(&mut heard).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(heard).unwrap()
}

/// Sends GET, answers with `wire` and closes or not, and shows the answer and whether the
/// connection was kept.
#[track_caller]
fn check(method: Method, wire: &str, closes: bool, expected: &str) {
    let shown = on_a_runtime(async {
        let stand = Stand::new().await;
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            hear(&mut stream, "\r\n\r\n").await;
            // In two parts, so that nothing is read at once by luck.
            let (first, second) = wire.split_at(wire.len() / 2);
            stream.write_all(first.as_bytes()).await.unwrap();
            stand.clock.sleep(TICK / 10).await;
            stream.write_all(second.as_bytes()).await.unwrap();
            (!closes).then_some(stream)
        };
        let client = async {
            let answer = match stand.send(method, Body::Empty, false).await {
                Ok(answer) => answer,
                Err(failure) => return format!("{:?}", failure.error),
            };
            let status = answer.status().as_u16();
            match answer.into_body().collect().await {
                Ok(body) => {
                    let trailers = body.trailers().map_or(0, HeaderMap::len);
                    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
                    let free = stand.pool.take(&stand.lane(), stand.alarms.now()).is_some();
                    let kept = if free { "kept" } else { "closed" };
                    format!("{status} {text} {trailers} {kept}")
                }
                Err(error) => format!("{status} {:?}", error.to_string()),
            }
        };
        let (_stream, shown) = stand.during(async { tokio::join!(backend, client) }).await;
        shown
    });
    assert_eq!(shown, expected);
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

#[test]
fn an_answer_is_read_to_its_end_and_its_connection_kept() {
    let head = "HTTP/1.1 200 OK\r\n";
    check(Method::GET, &format!("{head}Content-Length: 5\r\n\r\nhello"), false, "200 hello 0 kept");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    let wire = format!("{chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    check(Method::GET, &wire, false, "200 hello 0 kept");
    let wire = format!("{chunked}2\r\nhe\r\n0\r\nsum: 1\r\n\r\n");
    check(Method::GET, &wire, false, "200 he 1 kept");
    check(Method::HEAD, &format!("{head}Content-Length: 5\r\n\r\n"), false, "200  0 kept");
    check(Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", false, "204  0 kept");
}

#[test]
fn an_answer_may_end_with_its_connection() {
    check(Method::GET, "HTTP/1.1 200 OK\r\n\r\nhello", true, "200 hello 0 closed");
    let wire = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    check(Method::GET, wire, false, "200 hello 0 closed");
}

#[test]
fn bytes_after_an_answer_close_its_connection() {
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n";
    check(Method::GET, wire, false, "200 hi 0 closed");
}

#[test]
fn an_interim_answer_is_left_out() {
    let wire = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    check(Method::GET, wire, false, "204  0 kept");
}

#[test]
fn an_answer_that_breaks_off_is_an_error_and_no_end() {
    let broken = "200 \"the body of the answer broke off\"";
    check(Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true, broken);
    check(
        Method::GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        true,
        broken,
    );
    check(Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", false, broken);
}

#[test]
fn a_backend_that_says_nothing_or_nonsense_is_told_apart() {
    check(Method::GET, "", false, "Timeout");
    check(Method::GET, "", true, "Closed(Kind(UnexpectedEof))");
    check(Method::GET, "HTTP/1.1 200 OK\r\n", true, "Protocol(Incomplete)");
    check(Method::GET, "220 smtp ready\r\n\r\n", false, "Protocol(Head(Version))");
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    check(Method::GET, switching, false, "Protocol(Status)");
}

#[test]
fn a_body_of_unknown_length_goes_out_in_chunks() {
    let heard = on_a_runtime(async {
        let stand = Stand::new().await;
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            let heard = hear(&mut stream, "0\r\nsum: 1\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            heard
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("sum", "1".parse().unwrap());
        let frames = [
            Ok(Frame::data(Bytes::from("he"))),
            Ok(Frame::data(Bytes::new())),
            Ok(Frame::data(Bytes::from("llo"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
        let both = async { tokio::join!(backend, stand.send(Method::POST, body, false)) };
        let (heard, answer) = stand.during(both).await;
        assert_eq!(answer.unwrap().status(), 204);
        heard
    });
    let head = "POST / HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(heard, format!("{head}2\r\nhe\r\n3\r\nllo\r\n0\r\nsum: 1\r\n\r\n"));
}

#[test]
fn an_early_answer_is_heard_while_the_body_is_still_coming() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let (client, parts) = tokio::sync::mpsc::channel(1);
        let parts = futures_util::stream::unfold(parts, |mut parts| async {
            let part: &str = parts.recv().await?;
            Some((Ok(Frame::data(Bytes::from(part))), parts))
        });
        let body = StreamBody::new(parts);
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            let mut heard = hear(&mut stream, "5\r\nfirst").await;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            heard += &hear(&mut stream, "\r\n0\r\n\r\n").await;
            stream.write_all(b"0\r\n\r\n").await.unwrap();
            assert!(heard.ends_with("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"), "{heard}");
            stream
        };
        let call = async {
            client.send("first").await.unwrap();
            let answer = stand.send(Method::POST, Body::stream(body), false).await.unwrap();
            let mut answer = answer.into_body();
            let part = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(part, "yes");
            client.send("second").await.unwrap();
            drop(client);
            assert!(answer.frame().await.is_none());
            assert!(stand.pool.take(&stand.lane(), stand.alarms.now()).is_some(), "kept");
        };
        Box::pin(stand.during(async { tokio::join!(backend, call) })).await;
    });
}

#[test]
fn a_body_that_is_asked_about_waits_for_the_answer() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            assert!(hear(&mut stream, "\r\n\r\n").await.ends_with("content-length: 2\r\n\r\n"));
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            assert_eq!(hear(&mut stream, "hi").await, "hi");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            // The second is refused before it is sent.
            assert!(hear(&mut stream, "\r\n\r\n").await.ends_with("content-length: 2\r\n\r\n"));
            stream
                .write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            assert_eq!(hear(&mut stream, "hi").await, "", "the connection is closed, unsent");
        };
        let calls = async {
            let answer = stand.send(Method::POST, Body::full("hi"), true).await.unwrap();
            assert_eq!(answer.status(), 204);
            let answer = stand.send(Method::POST, Body::full("hi"), true).await.unwrap();
            assert_eq!(answer.status(), 417);
        };
        Box::pin(stand.during(async { tokio::join!(backend, calls) })).await;
    });
}

#[test]
fn a_backend_that_closes_without_a_word_has_not_been_heard() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let backend = async {
            for word in ["", "HTTP/1.1 "] {
                let (mut stream, _) = stand.listener.accept().await.unwrap();
                hear(&mut stream, "\r\n\r\n").await;
                stream.write_all(word.as_bytes()).await.unwrap();
            }
        };
        let calls = async {
            for heard in [false, true] {
                let failure = stand.send(Method::GET, Body::Empty, false).await.unwrap_err();
                assert_eq!(failure.heard, heard);
            }
        };
        stand.during(async { tokio::join!(backend, calls) }).await;
    });
}

#[test]
fn a_dropped_exchange_closes_its_connection_and_gives_its_room_back() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let (said, heard) = tokio::sync::oneshot::channel();
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            hear(&mut stream, "\r\n\r\n").await;
            said.send(()).unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "closed");
        };
        let call = async {
            tokio::select! {
                _ = stand.send(Method::GET, Body::Empty, false) => panic!("nobody answers"),
                _ = heard => {}
            }
        };
        stand.during(async { tokio::join!(backend, call) }).await;
        assert_eq!(stand.cells.backend_connections.get(), 0);
    });
}

#[test]
fn no_more_connections_are_opened_than_there_is_room_for() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let lane = stand.lane();
        let first = stand.pool.dial(&lane, &stand.clock, Limits::default()).await.unwrap();
        let _second = stand.pool.dial(&lane, &stand.clock, Limits::default()).await.unwrap();
        let third = stand.pool.dial(&lane, &stand.clock, Limits::default()).await;
        assert!(matches!(third, Err(crate::sender::DialError::Busy)));
        // A connection that is free makes room for one to anywhere.
        stand.pool.put(first, stand.alarms.now());
        let other = stand.pool.lane("localhost", "127.0.0.1", lane.port, None, None);
        assert!(stand.pool.dial(&other, &stand.clock, Limits::default()).await.is_ok());
        assert!(stand.pool.take(&lane, stand.alarms.now()).is_none());
    });
}

#[test]
fn a_free_connection_that_was_closed_is_not_taken() {
    on_a_runtime(async {
        let stand = Stand::new().await;
        let backend = async {
            let (mut stream, _) = stand.listener.accept().await.unwrap();
            hear(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let call = stand.send(Method::GET, Body::Empty, false);
        let ((), answer) = stand.during(async { tokio::join!(backend, call) }).await;
        assert_eq!(answer.unwrap().status(), 204);
        // The end of the connection has to be seen by the runtime first.
        let closed = async {
            while stand.pool.take(&stand.lane(), stand.alarms.now()).is_some_and(|connection| {
                stand.pool.put(connection, stand.alarms.now());
                true
            }) {
                stand.clock.sleep(TICK / 10).await;
            }
        };
        stand.clock.timeout(Duration::from_secs(5), closed).await.unwrap();
    });
}
