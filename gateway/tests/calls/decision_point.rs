//! A decision point that says what a test wants, over HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use turnpike_proto::envoy::service::auth::v3::{CheckRequest, CheckResponse};

use crate::stand::LIMIT;

/// What it says to a question.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// An answer with "name: value" lines before and behind its body.
    Answer { status: u16, head: &'static str, body: Vec<u8>, trailers: Option<&'static str> },
    /// Bytes that are none.
    Bytes(&'static [u8]),
    /// Nothing, for as long as anybody waits.
    Nothing,
    /// Nothing: it closes the connection.
    HangsUp,
    /// Nothing: it resets the connection.
    Resets,
}

/// A question as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct DecisionPoint {
    pub(crate) address: SocketAddr,
    questions: mpsc::UnboundedReceiver<Asked>,
}

impl Says {
    /// JSON with status 200.
    pub(crate) fn json(text: &str) -> Self {
        let head = "content-type: application/json";
        Self::Answer { status: 200, head, body: text.into(), trailers: None }
    }

    /// A whole answer of gRPC with this message.
    pub(crate) fn message(message: &[u8]) -> Self {
        let head = "content-type: application/grpc";
        let trailers = Some("grpc-status: 0");
        Self::Answer { status: 200, head, body: framed(0, message), trailers }
    }

    pub(crate) fn decision(answer: &CheckResponse) -> Self {
        Self::message(&answer.encode_to_vec())
    }
}

/// A message of gRPC behind its five bytes.
pub(crate) fn framed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[compressed], length.as_slice(), message].concat()
}

impl Asked {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn check(&self) -> CheckRequest {
        let (prefix, message) = self.body.split_at(5);
        assert_eq!(framed(0, message)[..5], *prefix);
        CheckRequest::decode(message).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl DecisionPoint {
    /// Says the same to every question.
    pub(crate) async fn start(http2: bool, says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, questions) = mpsc::unbounded_channel();
        let says = Arc::new(says);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, http2, Arc::clone(&says), asked.clone()));
            }
        });
        Self { address, questions }
    }

    /// The next question.
    pub(crate) async fn next(&mut self) -> Asked {
        let next = tokio::time::timeout(LIMIT, self.questions.recv()).await;
        next.expect("a question in time").unwrap()
    }

    /// How many questions were asked that nobody has looked at.
    pub(crate) fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.questions.try_recv().ok()).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    http2: bool,
    says: Arc<Says>,
    asked: mpsc::UnboundedSender<Asked>,
) {
    match &*says {
        Says::Bytes(bytes) => {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
        }
        Says::HangsUp => drop(stream.read(&mut [0; 4096]).await),
        Says::Resets => {
            let _ = stream.read(&mut [0; 16]).await;
            let socket = stream.into_std().unwrap();
            rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
        }
        Says::Answer { .. } | Says::Nothing => {
            let service = service_fn(move |request| answer(request, says.clone(), asked.clone()));
            let io = TokioIo::new(stream);
            if http2 {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(io, service).await;
            } else {
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(io, service).await;
            }
        }
    }
}

type Parts =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn answer(
    request: Request<Incoming>,
    says: Arc<Says>,
    asked: mpsc::UnboundedSender<Asked>,
) -> Result<Response<Parts>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let _ = asked.send(Asked { target: parts.uri.to_string(), headers: parts.headers, body });
    let Says::Answer { status, head, body, trailers } = &*says else {
        return std::future::pending().await;
    };
    let mut frames = Vec::new();
    if !body.is_empty() {
        frames.push(Ok(Frame::data(Bytes::from(body.clone()))));
    }
    frames.extend(trailers.map(|lines| Ok(Frame::trailers(map(lines)))));
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    *response.status_mut() = (*status).try_into().unwrap();
    *response.headers_mut() = map(head);
    Ok(response)
}

fn map(lines: &str) -> HeaderMap {
    let pairs = lines.lines().filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}
