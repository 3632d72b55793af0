//! A backend that does what the path asks it to.
//!
//! `/echo…` answers with what it read, head and body; `/sized/N`, `/chunked/N` and `/events/N` with
//! N bytes;
//! `/trailers` with three bytes and a trailer;
//! `/status/N` with that status; `/sharing` with fields of its own about who may read; `/never` reads and says nothing; `/hang-up` closes; `/half` breaks
//! off within its answer; `/once` closes after its answer without saying so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chassis::task::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// The same under TLS.
    pub(crate) secure: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    /// Requests whose gateway went away before they were answered.
    pub(crate) abandoned: watch::Sender<usize>,
}

impl Backend {
    pub(crate) async fn start(tasks: &Tasks, tls: Arc<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let counted = Arc::clone(&seen);
        let secure = under_tls(tasks, tls, Arc::clone(&seen)).await;
        let each = tasks.clone();
        tasks.spawn("backend", async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::Relaxed);
                each.spawn("backend-connection", serve(stream, Arc::clone(&counted)));
            }
        });
        Self { address, secure, seen }
    }
}

async fn under_tls(tasks: &Tasks, tls: Arc<rustls::ServerConfig>, seen: Arc<Seen>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let each = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (TlsAcceptor::from(Arc::clone(&tls)), Arc::clone(&seen));
            each.spawn("backend-connection", async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, seen).await;
                }
            });
        }
    });
    address
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Seen>) {
    let mut input = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut input).await {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = path.strip_prefix("/base").unwrap_or(&path);
        let number = path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let answer = match path.split('/').nth(1).unwrap_or_default() {
            "sized" => sized("200 OK", &vec![b'x'; number]),
            "chunked" => chunked(number, ""),
            "events" => events(number),
            "trailers" => chunked(3, "X-Sum: 7\r\n"),
            "status" => sized(&format!("{number} Status"), b"told"),
            "sharing" => sized(
                "200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept\r\n\
                 Access-Control-Allow-Credentials: true",
                b"shared",
            ),
            "once" => sized("200 OK", b"once"),
            "half" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(),
            "hang-up" => return,
            "never" => {
                // Only the end of the connection ends this.
                let _ = stream.read(&mut [0]).await;
                seen.abandoned.send_modify(|abandoned| *abandoned += 1);
                return;
            }
            _ => sized("200 OK", request.as_bytes()),
        };
        if stream.write_all(&answer).await.is_err() || ["/once", "/half"].contains(&path) {
            return;
        }
    }
}

fn sized(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Backend: yes\r\nKeep-Alive: 5\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn chunked(number: usize, trailers: &str) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in vec![b'x'; number].chunks(1000) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    answer
}

/// The next request, head and body as they came; `None` at the end of the connection.
pub(crate) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut Vec<u8>,
) -> Option<String> {
    loop {
        if let Some(length) = request_length(input) {
            let rest = input.split_off(length);
            let request = std::mem::replace(input, rest);
            return Some(String::from_utf8_lossy(&request).into_owned());
        }
        if stream.read_buf(input).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn request_length(input: &[u8]) -> Option<usize> {
    let head = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&input[..head]).to_lowercase();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
    if let Some(length) = field("content-length:") {
        let whole = head + length.parse::<usize>().ok()?;
        return (input.len() >= whole).then_some(whole);
    }
    if field("transfer-encoding:").is_some() {
        // The last chunk, and the trailers behind it.
        let body = &input[head - 2..];
        let last = body.windows(5).position(|five| five == b"\r\n0\r\n")?;
        let end = body[last + 3..].windows(4).position(|four| four == b"\r\n\r\n")?;
        return Some(head - 2 + last + 3 + end + 4);
    }
    Some(head)
}

fn events(number: usize) -> Vec<u8> {
    let answer = chunked(number, "");
    let kind = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    [kind.as_slice(), &answer["HTTP/1.1 200 OK\r\n".len()..]].concat()
}
