//! A backend that remembers every message that it was sent, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a backend was sent.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Message>>>);

/// One whole message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Request line and fields, without the empty line.
    pub(crate) head: Vec<u8>,
    /// The body, without its framing.
    pub(crate) body: Vec<u8>,
}

/// What a buffer begins with.
pub(crate) enum Begins {
    /// Not enough to say.
    More,
    /// A whole message, so many bytes long.
    Message(Message, usize),
    /// Something that is none.
    Broken,
}

impl Record {
    /// Takes what was sent since.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Starts a backend that writes into a new record.
    pub(crate) async fn start(tasks: &Tasks) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Self::default();
        let shared = record.clone();
        let (tasks, each) = (tasks.clone(), tasks.clone());
        tasks.spawn("origin", async move {
            while let Ok((stream, _)) = listener.accept().await {
                each.spawn("origin-connection", serve(stream, shared.clone()));
            }
        });
        (record, address)
    }
}

async fn serve(mut stream: TcpStream, record: Record) {
    let mut input = Vec::new();
    while stream.read_buf(&mut input).await.unwrap_or(0) > 0 {
        loop {
            let (message, length) = match first(&input) {
                Begins::More => break,
                Begins::Message(message, length) => (message, length),
                Begins::Broken => {
                    let head = std::mem::take(&mut input);
                    record.0.lock().unwrap().push(Message { head, body: b"<broken>".to_vec() });
                    return;
                }
            };
            input.drain(..length);
            let told = format!("ok {}", message.body.len());
            let body = if message.head.starts_with(b"HEAD ") { "" } else { &told };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Origin: 1\r\n\r\n{body}",
                told.len()
            );
            record.0.lock().unwrap().push(message);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The first message of `input`.
pub(crate) fn first(input: &[u8]) -> Begins {
    let skipped = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let input = &input[skipped..];
    let Some(end) = find(input, b"\r\n\r\n") else { return Begins::More };
    let head = input[..end].to_vec();
    let field = |wanted: &str| {
        let text = String::from_utf8_lossy(&head).to_lowercase();
        text.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == wanted).then(|| value.trim().to_owned())
        })
    };
    let rest = &input[end + 4..];
    if field("transfer-encoding").is_some_and(|codings| codings.contains("chunked")) {
        return match chunks(rest) {
            Ok(Some((body, length))) => {
                Begins::Message(Message { head, body }, skipped + end + 4 + length)
            }
            Ok(None) => Begins::More,
            Err(()) => Begins::Broken,
        };
    }
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    match rest.get(..length) {
        Some(body) => {
            Begins::Message(Message { head, body: body.to_vec() }, skipped + end + 4 + length)
        }
        None => Begins::More,
    }
}

fn chunks(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&input[at..], b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&input[at..at + line]).into_owned();
        let size = size.split(';').next().unwrap_or_default().trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| ())?;
        at += line + 2;
        if size == 0 {
            loop {
                let Some(line) = find(&input[at..], b"\r\n") else { return Ok(None) };
                at += line + 2;
                if line == 0 {
                    return Ok(Some((body, at)));
                }
            }
        }
        let Some(data) = input.get(at..at + size) else { return Ok(None) };
        body.extend_from_slice(data);
        at += size;
        match input.get(at..at + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(()),
        }
    }
}

fn find(input: &[u8], wanted: &[u8]) -> Option<usize> {
    input.windows(wanted.len()).position(|window| window == wanted)
}
