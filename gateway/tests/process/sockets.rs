//! Do open WebSocket connections end as they should when their gateway goes?
//!
//! Each talks without a pause and in halves of frames, so that the end finds some in the middle of
//! one. It has to be told 1001 between two frames, and its goodbye has to be waited for; the same
//! holds for its backend.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chassis::{Clock, Tasks};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::ground::{PATIENCE, Place};

/// Per gateway that goes: over HTTP/1.1, and over one connection of HTTP/2.
const CONNECTIONS: usize = 6;
const STREAMS: usize = 2;
/// Between the halves of a frame.
const PACE: Duration = Duration::from_millis(2);
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// A backend that sends back every message, and what it saw.
pub(crate) struct Sockets {
    address: SocketAddr,
    tasks: Tasks,
    /// Connections that ended with a goodbye between two frames, and those that did not.
    clean: Arc<AtomicU64>,
    broken: Arc<AtomicU64>,
}

/// sockets that talk until they are told the end.
pub(crate) struct Talks(Vec<JoinHandle<io::Result<u64>>>);

impl Sockets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (clean, broken) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let tasks = Tasks::default();
        let (each, good, bad) = (tasks.clone(), Arc::clone(&clean), Arc::clone(&broken));
        tasks.spawn("sockets", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (good, bad) = (Arc::clone(&good), Arc::clone(&bad));
                each.spawn("socket", async move {
                    let count = if echo(stream).await.is_ok() { good } else { bad };
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, tasks, clean, broken }
    }

    /// Makes a gateway serve it below `/ws/1.0`.
    pub(crate) fn serve_at(&self, place: &Place) {
        let resource = format!(
            "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: ws, version: \"1.0\" }}\nspec:\n  \
             context: /ws\n  type: WS\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
             endpoints: {{ production: {{ urls: [\"http://{}\"] }} }}\n",
            self.address
        );
        std::fs::write(place.folder.join("resources/sockets.yaml"), resource).unwrap();
    }

    /// sockets to the gateway there; each has been answered once.
    pub(crate) async fn open(&self, at: SocketAddr) -> Talks {
        let mut talks = Vec::new();
        for _ in 0..CONNECTIONS {
            let socket = upgraded(at).await.unwrap();
            talks.push(begun(&self.tasks, socket).await);
        }
        let stream = TcpStream::connect(at).await.unwrap();
        let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = opened.unwrap();
        self.tasks.spawn("connection", async move { drop(connection.await) });
        for _ in 0..STREAMS {
            let request = http::Request::connect("http://x/ws/1.0/x")
                .header("sec-websocket-version", "13")
                .extension(Protocol::from_static("websocket"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
            talks.push(begun(&self.tasks, socket).await);
        }
        Talks(talks)
    }

    /// The backend has seen `goings` gateways go, and each of its sockets end well.
    pub(crate) async fn end(&self, goings: usize) {
        let all = (goings * (CONNECTIONS + STREAMS)) as u64;
        let ended = || (self.clean.load(Ordering::Relaxed), self.broken.load(Ordering::Relaxed));
        let clock = Clock::system();
        let seen = async {
            while ended().0 + ended().1 < all {
                clock.sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = clock.timeout(PATIENCE, seen).await;
        assert_eq!(ended(), (all, 0), "ended well and badly at the backend");
    }
}

impl Talks {
    /// Each was told the end, and its goodbye was waited for.
    pub(crate) async fn end(self) {
        for talk in self.0 {
            let ended = Clock::system().timeout(PATIENCE, talk).await.expect("told in time");
            let messages = ended.unwrap().expect("a WebSocket that ends well");
            assert!(messages > 0);
        }
    }
}

async fn begun<S>(tasks: &Tasks, mut socket: S) -> JoinHandle<io::Result<u64>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    say(&mut socket, TEXT, b"first").await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap(), Some((TEXT, b"first".to_vec())));
    tasks.spawn("talk", talk(socket))
}

/// Talks until it is told to go; the number of messages that came back.
async fn talk(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<u64> {
    let wrong = |what: String| Err(io::Error::other(what));
    for number in 1.. {
        let message = number.to_string().into_bytes();
        say(&mut socket, TEXT, &message).await?;
        match hear(&mut socket).await? {
            Some((TEXT, heard)) if heard == message => {}
            Some((CLOSE, why)) if why.starts_with(&GOING_AWAY) => {
                say(&mut socket, CLOSE, &GOING_AWAY).await?;
                socket.shutdown().await?;
                return match hear(&mut socket).await? {
                    None => Ok(number),
                    Some(more) => wrong(format!("{more:?} behind the goodbye")),
                };
            }
            heard => return wrong(format!("{heard:?} for message {number}")),
        }
    }
    Ok(0)
}

async fn upgraded(at: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    stream
        .write_all(
            b"GET /ws/1.0/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await?;
    let head = head(&mut stream).await?;
    if head.starts_with("HTTP/1.1 101") { Ok(stream) } else { Err(io::Error::other(head)) }
}

/// What comes before the frames.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Sends back each message until it is told to go; an error, where it is not told.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let head = head(&mut stream).await?;
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let digest = [key.unwrap_or_default(), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    let accept = STANDARD.encode(aws_lc_rs::digest::digest(sha1, digest.as_bytes()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    while let Some((first, message)) = hear(&mut stream).await? {
        let length = u8::try_from(message.len()).map_err(io::Error::other)?;
        stream.write_all(&[&[first, length], message.as_slice()].concat()).await?;
        if first == CLOSE {
            let more = hear(&mut stream).await?;
            let well = message.starts_with(&GOING_AWAY) && more.is_none();
            return if well { Ok(()) } else { Err(io::Error::other("no goodbye")) };
        }
    }
    Err(io::Error::other("ended without a word"))
}

/// A frame as a client sends it, masked with zeros and in two parts.
async fn say(socket: &mut (impl AsyncWrite + Unpin), first: u8, payload: &[u8]) -> io::Result<()> {
    let length = 0x80 | u8::try_from(payload.len()).map_err(io::Error::other)?;
    let frame = [&[first, length, 0, 0, 0, 0], payload].concat();
    let (begun, rest) = frame.split_at(4);
    socket.write_all(begun).await?;
    socket.flush().await?;
    Clock::system().sleep(PACE).await;
    socket.write_all(rest).await?;
    socket.flush().await
}

/// The next frame with its mask taken off; `None`: the connection ended in front of it.
async fn hear(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut first = [0];
    if socket.read(&mut first).await? == 0 {
        return Ok(None);
    }
    let length = socket.read_u8().await?;
    let mut mask = [0; 4];
    if length & 0x80 != 0 {
        socket.read_exact(&mut mask).await?;
    }
    let mut payload = vec![0; usize::from(length & 0x7f)];
    socket.read_exact(&mut payload).await?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(Some((first[0], payload)))
}
