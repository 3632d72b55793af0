//! One client, and how it calls: what it does when it is told that its connection ends is what any
//! client does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use chassis::{Clock, Tasks};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a client calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// HTTP/1.1, the connection kept until the gateway ends it.
    Kept,
    /// HTTP/1.1, a connection per call.
    New,
    /// HTTP/2.
    Streams,
    /// HTTP/1.1, a body that takes a second to send.
    Slow,
}

pub(crate) struct Caller {
    way: Way,
    kept: Option<TcpStream>,
    streams: Option<SendRequest<Full<Bytes>>>,
    tasks: Tasks,
}

impl Caller {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, kept: None, streams: None, tasks: Tasks::default() }
    }

    /// Calls once; `at` says where, should a connection be needed. `Err`: what a user would see.
    pub(crate) async fn call(&mut self, at: impl Fn() -> SocketAddr) -> Result<(), String> {
        match self.way {
            Way::Kept => self.over_http1(&at, 5, Duration::ZERO).await,
            Way::New => {
                self.kept = None;
                self.over_http1(&at, 5, Duration::ZERO).await
            }
            Way::Slow => self.over_http1(&at, 10, Duration::from_millis(100)).await,
            Way::Streams => self.over_http2(&at).await,
        }
    }

    async fn over_http1(
        &mut self,
        at: &impl Fn() -> SocketAddr,
        length: usize,
        pause: Duration,
    ) -> Result<(), String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let mut stream = match self.kept.take() {
            Some(stream) => stream,
            None => TcpStream::connect(at()).await.map_err(said("connect"))?,
        };
        let head =
            format!("POST /open/1.0/x HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.map_err(said("head"))?;
        for _ in 0..length {
            stream.write_all(b"x").await.map_err(said("body"))?;
            if !pause.is_zero() {
                Clock::system().sleep(pause).await;
            }
        }
        let mut heard = Vec::new();
        loop {
            let read = stream.read_buf(&mut heard).await.map_err(said("answer"))?;
            if read == 0 {
                return Err(format!("answer ends: {:?}", String::from_utf8_lossy(&heard)));
            }
            let text = String::from_utf8_lossy(&heard).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if !head.starts_with("http/1.1 200") {
                return Err(text);
            }
            if body == length.to_string() {
                if !head.contains("connection: close") {
                    self.kept = Some(stream);
                }
                return Ok(());
            }
        }
    }

    async fn over_http2(&mut self, at: &impl Fn() -> SocketAddr) -> Result<(), String> {
        let body = || Full::from(Bytes::from_static(b"hello"));
        let mut request = Request::post("http://x/open/1.0/x").body(body()).unwrap();
        loop {
            let mut sender = match self.streams.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => self.connected(at).await?,
            };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    self.streams = Some(sender);
                    let status = answer.status();
                    let body = answer.into_body().collect().await;
                    let body = body.map_err(|error| format!("h2 body: {error:?}"))?.to_bytes();
                    return if status == 200 && body == "5" {
                        Ok(())
                    } else {
                        Err(format!("h2 {status} {body:?}"))
                    };
                }
                Err(mut error) => {
                    // Either it was told to go before it had sent anything, or the call lies beyond
                    // the last stream that is served (RFC 9113 §6.8): it is sent again. Whoever
                    // uses this counts what the backend saw.
                    let unsent = error.take_message();
                    let error = format!("{:?}", error.into_error());
                    if unsent.is_none() && !error.contains("GoAway(b\"\", NO_ERROR, Remote)") {
                        return Err(format!("h2: {error}"));
                    }
                    request = Request::post("http://x/open/1.0/x").body(body()).unwrap();
                }
            }
        }
    }

    async fn connected(
        &self,
        at: &impl Fn() -> SocketAddr,
    ) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect(at()).await.map_err(|error| format!("h2 {error}"))?;
        let opened =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = opened.await.map_err(|error| format!("h2 open {error:?}"))?;
        self.tasks.spawn("h2", async move { drop(connection.await) });
        Ok(sender)
    }
}
