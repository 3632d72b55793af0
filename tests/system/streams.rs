//! A backend whose answers do not end by themselves.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// Agrees to be a WebSocket, or begins an answer that it does not end; over HTTP/2 a gRPC one.
pub(crate) async fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let mut first = [0; 3];
    if stream.peek(&mut first).await.is_ok() && first == *b"PRI" {
        return answer_grpc(stream).await;
    }
    let Some(head) = head(&mut stream).await else { return };
    let answer = if head.to_lowercase().contains("upgrade: websocket") {
        // What the key of the handshake has to be answered with (RFC 6455 section 1.3).
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    } else {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
         9\r\ndata: 1\n\n\r\n"
    };
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// An empty message, and then nothing until the gateway gives up.
async fn answer_grpc(stream: TcpStream) {
    let service = hyper::service::service_fn(async |_: http::Request<Incoming>| {
        let message = tokio_stream::once(Ok::<_, std::convert::Infallible>(
            hyper::body::Frame::data(Bytes::from_static(&[0; 5])),
        ));
        let open = tokio_stream::StreamExt::chain(message, tokio_stream::pending());
        let answer = http::Response::builder().header("content-type", "application/grpc");
        answer.body(http_body_util::StreamBody::new(open))
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service);
    drop(serving.await);
}

pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("in time")
}
