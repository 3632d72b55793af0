//! Does a WebSocket pass as it is, and do both sides get to know when it ends?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::stand::{Answer, Client, LIMIT, Stand};

const SOCKETS: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1.0" }
spec:
  context: /ws
  lifecycle: PUBLISHED
  type: WS
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://SOCKETS"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: plain, version: "1.0" }
spec:
  context: /plain
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: closed, version: "1.0" }
spec:
  context: /closed
  lifecycle: PUBLISHED
  type: WS
  endpoints: { production: { urls: ["http://SOCKETS"] } }
"#;

pub(crate) const ASKS: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A backend that speaks WebSocket. By path: `/echo` sends back every byte; `/quiet` says nothing;
/// `/long` says a message of 1001 bytes in two fragments; `/leave` and `/half`, which says half a
/// frame, leave when anything comes; `/refuse` says 403; `/wrong` switches without having read the
/// key; `/choose` chooses a subprotocol.
pub(crate) struct Sockets {
    pub(crate) address: std::net::SocketAddr,
    heads: mpsc::UnboundedReceiver<String>,
    /// What came on the last connection after its head, when it has ended.
    bytes: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Sockets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (head, heads) = mpsc::unbounded_channel();
        let (came, bytes) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(socket(stream, head.clone(), came.clone()));
            }
        });
        Self { address, heads, bytes }
    }

    /// The head of the next request.
    pub(crate) async fn next_head(&mut self) -> String {
        soon(self.heads.recv()).await.unwrap()
    }

    async fn stand(&self, idle: Duration) -> Stand {
        let resources = SOCKETS.replace("SOCKETS", &self.address.to_string());
        Stand::with(&resources, |settings| settings.receiver.websocket_idle = idle).await
    }
}

async fn socket(
    mut stream: TcpStream,
    heads: mpsc::UnboundedSender<String>,
    came: mpsc::UnboundedSender<Vec<u8>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = if path == "/wrong" { "other" } else { key.unwrap_or_default() };
    let digest = [key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    let accept = STANDARD.encode(aws_lc_rs::digest::digest(sha1, digest.as_bytes()));
    let _ = heads.send(head);
    let more = if path == "/choose" { "Sec-WebSocket-Protocol: chat\r\n" } else { "" };
    let answer = match path.as_str() {
        "/refuse" => "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned(),
        "/fine" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        _ => format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        ),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    match path.as_str() {
        "/echo" => {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut part).await {
                bytes.extend_from_slice(&part[..read]);
                if stream.write_all(&part[..read]).await.is_err() {
                    break;
                }
            }
        }
        "/half" => {
            stream.write_all(b"\x82\x05he").await.unwrap();
            assert!(stream.read(&mut [0; 100]).await.unwrap() > 0);
        }
        "/leave" => drop(stream.read(&mut [0; 100]).await),
        "/refuse" | "/fine" => {}
        "/long" => {
            for (first, length) in [(0x02, 600_u16), (0x80, 401)] {
                let [high, low] = length.to_be_bytes();
                stream.write_all(&[first, 126, high, low]).await.unwrap();
                stream.write_all(&vec![b'x'; length.into()]).await.unwrap();
            }
            drop(stream.read_to_end(&mut bytes).await);
        }
        _ => drop(stream.read_to_end(&mut bytes).await),
    }
    let _ = came.send(bytes);
}

/// Asks for a WebSocket at `path`.
pub(crate) async fn ask(stand: &Stand, path: &str, fields: &str) -> (Client, Answer) {
    let mut client = stand.client().await;
    client.say(&format!("GET {path} HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n")).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(client.0.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: String::new() };
    if let Some(length) = answer.field("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        soon(client.0.read_exact(&mut body)).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
    }
    (client, answer)
}

async fn open(stand: &Stand, path: &str) -> Client {
    let (client, answer) = ask(stand, path, ASKS).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    client
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("in time")
}

/// A frame as a client sends it, masked with zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Sends `sent` piece by piece, and hears it echoed.
async fn check(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), sent: &[u8], piece: usize) {
    let (mut read, mut write) = tokio::io::split(socket);
    let say = async {
        for part in sent.chunks(piece) {
            write.write_all(part).await.unwrap();
            write.flush().await.unwrap();
        }
    };
    let mut heard = vec![0; sent.len()];
    let ((), read) = soon(async { tokio::join!(say, read.read_exact(&mut heard)) }).await;
    read.unwrap();
    assert!(heard == sent, "what came back is not what was sent");
}

/// A message in fragments with a ping between them, frames of every form of length, and bytes that
/// look like a close frame within a payload.
fn conversation() -> Vec<u8> {
    [
        frame(0x01, b"frag"),
        frame(0x89, b"between"),
        frame(0x80, b"ment"),
        frame(0x82, b""),
        frame(0x82, &[0x88; 126]),
        frame(0x82, &vec![0x88; 65_535]),
        frame(0xc1, &vec![b'x'; 1_000_000]),
        frame(0x8a, b"unasked"),
    ]
    .concat()
}

#[tokio::test]
async fn frames_pass_as_they_are_in_both_directions() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(LIMIT).await;
    let fields = format!("{ASKS}Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: x\r\n");
    let (mut client, answer) = ask(&stand, "/ws/1.0/echo", &fields).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pplmbitxaq9kygzzhzrbk+xoo="));
    let head = sockets.heads.recv().await.unwrap();
    for field in [
        "connection: upgrade\r\nupgrade: websocket\r\n",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "sec-websocket-extensions: permessage-deflate\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
    ] {
        assert!(head.contains(field), "{field} in {head}");
    }
    for piece in [1_000_000, 1_000, 7] {
        let talk = conversation();
        check(&mut client.0, &talk[..talk.len().min(piece * 10_000)], piece).await;
    }
}

#[tokio::test]
async fn a_close_frame_passes_and_the_connections_end_behind_it() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(LIMIT).await;
    let mut client = open(&stand, "/ws/1.0/echo").await;
    let close = frame(0x88, &4000_u16.to_be_bytes());
    check(&mut client.0, &close, 100).await;
    client.0.shutdown().await.unwrap();
    assert!(client.is_closed().await);
    assert_eq!(soon(sockets.bytes.recv()).await.unwrap(), close);
    stand.until("gateway_connections", 0).await;
    stand.until("gateway_backend_connections", 0).await;
    assert_eq!(stand.number(r#"gateway_calls_total{class="1xx"}"#), 1);
}

#[tokio::test]
async fn only_an_api_for_websockets_leaves_http() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    let (_, answer) = ask(&stand, "/plain/1.0/x", ASKS).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("upgrade"), "{}", answer.body);
}

#[tokio::test]
async fn who_may_not_call_gets_no_websocket() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    assert_eq!(ask(&stand, "/closed/1.0/echo", ASKS).await.1.fault(), "401 900902");
}

#[tokio::test]
async fn a_handshake_that_is_none_is_told_why() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    let path = "/ws/1.0/echo";
    for wrong in [
        ASKS.replace("keep-alive, Upgrade", "keep-alive"),
        ASKS.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        format!("{ASKS}Content-Length: 1\r\n"),
    ] {
        assert_eq!(ask(&stand, path, &wrong).await.1.fault(), "400 400", "{wrong}");
    }
    let (_, answer) = ask(&stand, path, &ASKS.replace("13", "8")).await;
    assert_eq!(answer.fault(), "426 426");
    assert_eq!(answer.field("sec-websocket-version"), Some("13"));
}

#[tokio::test]
async fn a_backend_that_does_not_agree_is_heard_or_found_out() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    let (_, answer) = ask(&stand, "/ws/1.0/refuse", ASKS).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "no"));
    assert_eq!(ask(&stand, "/ws/1.0/wrong", ASKS).await.1.fault(), "502 101506");
    assert_eq!(ask(&stand, "/ws/1.0/choose", ASKS).await.1.fault(), "502 101506");
    let asks = format!("{ASKS}Sec-WebSocket-Protocol: talk, chat\r\n");
    let (_, answer) = ask(&stand, "/ws/1.0/choose", &asks).await;
    assert_eq!((answer.status, answer.field("sec-websocket-protocol")), (101, Some("chat")));
}

#[tokio::test]
async fn a_lost_backend_is_told_between_frames() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    let mut heard = Vec::new();
    let mut client = open(&stand, "/ws/1.0/leave").await;
    client.0.write_all(&frame(0x82, b"x")).await.unwrap();
    soon(client.0.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard[..1], [0x88], "{heard:?}");
    assert!(matches!(heard[2..4], [0x03, 0xf3 | 0xf4]), "{heard:?}");
    // Within a frame nothing can be said, and the end of the connection has to do.
    let mut client = open(&stand, "/ws/1.0/half").await;
    client.0.write_all(&frame(0x82, b"x")).await.unwrap();
    heard.clear();
    soon(client.0.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"\x82\x05he");
}

#[tokio::test]
async fn a_lost_client_ends_the_backend() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(LIMIT).await;
    let mut client = open(&stand, "/ws/1.0/quiet").await;
    client.0.write_all(&frame(0x82, b"last")).await.unwrap();
    drop(client);
    assert_eq!(soon(sockets.bytes.recv()).await.unwrap(), frame(0x82, b"last"));
    stand.until("gateway_connections", 0).await;
}

#[tokio::test]
async fn a_gateway_that_stops_says_goodbye_to_both_between_frames() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(LIMIT).await;
    let mut client = open(&stand, "/ws/1.0/echo").await;
    let whole = frame(0x82, b"hello");
    let (begun, rest) = whole.split_at(8);
    check(&mut client.0, begun, 8).await;
    stand.host.shutdown.request();
    // Once nobody is let in any more, everybody inside knows.
    while TcpStream::connect(stand.serving.http()[0]).await.is_ok() {}
    // Both sides are within a frame, so both hear it to its end and nothing behind it.
    client.0.write_all(&[rest, &frame(0x82, b"too late")].concat()).await.unwrap();
    let mut heard = vec![0; rest.len() + 4];
    soon(client.0.read_exact(&mut heard)).await.unwrap();
    let (passed, close) = heard.split_at(rest.len());
    assert_eq!(passed, rest);
    assert_eq!((close[0], &close[2..]), (0x88, &[0x03, 0xe9][..]), "{close:?}");
    client.0.shutdown().await.unwrap();
    let bytes = soon(sockets.bytes.recv()).await.unwrap();
    let (passed, close) = bytes.split_at(whole.len());
    assert_eq!((passed, code(close)), (&whole[..], 1001));
}

/// The code of the close frame, masked or not, that `bytes` are.
#[track_caller]
pub(crate) fn code(bytes: &[u8]) -> u16 {
    assert_eq!(bytes[0], 0x88, "{bytes:?}");
    let masked = bytes[1] & 0x80 != 0;
    let (mask, code) =
        if masked { (&bytes[2..4], &bytes[6..8]) } else { (&[0, 0][..], &bytes[2..4]) };
    u16::from_be_bytes([code[0] ^ mask[0], code[1] ^ mask[1]])
}

/// A stand whose messages have at most 1000 bytes.
async fn bounded(sockets: &Sockets, resources: &str) -> Stand {
    let resources = resources.replace("SOCKETS", &sockets.address.to_string());
    Stand::with(&resources, |settings| settings.receiver.websocket_max_message = 1000).await
}

fn ended(stand: &Stand, from: &str) -> u64 {
    stand.number(&format!("gateway_websocket_messages_too_long_total{{from=\"{from}\"}}"))
}

/// Says `good` and `bad` in pieces to a backend that is quiet. The client is told 1009, and the
/// backend, behind what was good, 1001.
async fn check_too_long(
    sockets: &mut Sockets,
    stand: &Stand,
    good: &[u8],
    bad: &[u8],
    piece: usize,
) {
    let mut client = open(stand, "/ws/1.0/quiet").await;
    let sent = [good, bad].concat();
    for part in sent.chunks(piece) {
        if client.0.write_all(part).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut heard = vec![0; 4];
    soon(client.0.read_exact(&mut heard)).await.unwrap();
    assert_eq!(code(&heard), 1009);
    client.0.shutdown().await.unwrap();
    let bytes = soon(sockets.bytes.recv()).await.unwrap();
    assert_eq!(bytes.get(..good.len()), Some(good), "{bytes:?}");
    assert_eq!(code(&bytes[good.len()..]), 1001);
    assert!(bytes.len() < good.len() + 100, "nothing of the message that is too long");
}

#[tokio::test]
async fn a_message_of_a_client_that_is_too_long_ends_the_websocket_orderly() {
    let mut sockets = Sockets::start().await;
    let stand = bounded(&sockets, SOCKETS).await;
    let fits = [frame(0x02, &[0; 600]), frame(0x89, b"ping"), frame(0x80, &[0; 400])].concat();
    let first = frame(0x01, &[0; 600]);
    let close = frame(0x88, &1000_u16.to_be_bytes());
    let bad = [
        frame(0x80, &[0; 401]),
        // It says goodbye in the same breath, which passes as little.
        [frame(0x80, &[0; 401]), close].concat(),
        // The head alone is enough.
        vec![0x80, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0x80, 0xfe, 0x7f, 0xff].to_vec(),
    ];
    for (number, bad) in bad.iter().enumerate() {
        for piece in [1, 7, 100_000] {
            let good = [&fits[..], &fits, &first].concat();
            check_too_long(&mut sockets, &stand, &good, bad, piece).await;
        }
        assert_eq!(ended(&stand, "client"), 3 * (number as u64 + 1));
    }
    assert_eq!(ended(&stand, "backend"), 0);
    assert_eq!(stand.number(r#"gateway_faults_total{type="OTHER"}"#), 12);
    stand.until("gateway_connections", 0).await;
    stand.until("gateway_backend_connections", 0).await;
}

#[tokio::test]
async fn a_message_of_a_backend_that_is_too_long_ends_the_websocket_orderly() {
    let mut sockets = Sockets::start().await;
    let stand = bounded(&sockets, SOCKETS).await;
    let mut client = open(&stand, "/ws/1.0/long").await;
    let mut heard = vec![0; 604 + 4];
    soon(client.0.read_exact(&mut heard)).await.unwrap();
    assert_eq!((&heard[..2], code(&heard[604..])), (&[0x02, 126][..], 1011));
    client.0.shutdown().await.unwrap();
    assert_eq!(code(&soon(sockets.bytes.recv()).await.unwrap()), 1009);
    assert_eq!((ended(&stand, "client"), ended(&stand, "backend")), (0, 1));
    assert_eq!(stand.number(r#"gateway_faults_total{type="TARGET_CONNECTIVITY"}"#), 1);
}

#[tokio::test]
async fn an_api_says_itself_how_long_a_message_may_be() {
    let mut sockets = Sockets::start().await;
    let limits = |bytes: u32| {
        SOCKETS.replace("type: WS", &format!("type: WS\n  limits: {{ maxMessageBytes: {bytes} }}"))
    };
    let stand = bounded(&sockets, &limits(10)).await;
    let whole = frame(0x82, &[0; 10]);
    check_too_long(&mut sockets, &stand, &whole, &frame(0x82, &[0; 11]), 100).await;
    let stand = bounded(&sockets, &limits(2000)).await;
    let mut client = open(&stand, "/ws/1.0/echo").await;
    check(&mut client.0, &frame(0x82, &[0; 2000]), 100).await;
    // Zero: any length.
    let resources = SOCKETS.replace("SOCKETS", &sockets.address.to_string());
    let any =
        |settings: &mut gateway::receiver::Settings| settings.receiver.websocket_max_message = 0;
    let stand = Stand::with(&resources, any).await;
    let mut client = open(&stand, "/ws/1.0/echo").await;
    check(&mut client.0, &frame(0x82, &vec![0; 20 << 20]), 1 << 20).await;
}

#[tokio::test]
async fn who_is_silent_is_asked_and_who_does_not_answer_is_given_up() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(Duration::from_millis(100)).await;
    // This backend echoes the ping it is asked with, which is a word too.
    let mut client = open(&stand, "/ws/1.0/echo").await;
    let mut heard = vec![0; 2];
    let mut answered = 0;
    while answered < 3 {
        soon(client.0.read_exact(&mut heard)).await.unwrap();
        match heard[..] {
            [0x89, 0x00] => {
                client.0.write_all(&frame(0x8a, b"")).await.unwrap();
                answered += 1;
            }
            // Masked: what the backend was asked, or what we said ourselves.
            [0x89 | 0x8a, 0x80] => drop(soon(client.0.read_exact(&mut [0; 4])).await),
            _ => panic!("{heard:?}"),
        }
    }
    drop(client);
    sockets.bytes.recv().await.unwrap();
    let mut client = open(&stand, "/ws/1.0/quiet").await;
    let mut heard = Vec::new();
    soon(client.0.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.starts_with(&[0x89, 0x00, 0x88]), "{heard:?}");
}

#[tokio::test]
async fn a_side_that_does_not_read_holds_the_other_up() {
    let stand = Sockets::start().await.stand(LIMIT).await;
    let mut client = open(&stand, "/ws/1.0/echo").await;
    let part = vec![0; 1024 * 1024];
    let mut sent = 0;
    // The echo is not read, so the backend stops reading, the gateway too, and so must we.
    while tokio::time::timeout(Duration::from_secs(1), client.0.write_all(&part)).await.is_ok() {
        sent += part.len();
        assert!(sent < 256 * 1024 * 1024, "the gateway takes whatever comes");
    }
}

#[tokio::test]
async fn a_stream_of_http2_becomes_a_websocket_too() {
    let mut sockets = Sockets::start().await;
    let stand = sockets.stand(LIMIT).await;
    let stream = TcpStream::connect(stand.serving.http()[0]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    stand.host.tasks.spawn("client", connection);
    let mut ask = async |path: &str| {
        let request = http::Request::connect(format!("http://api.example/ws/1.0{path}"))
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        soon(sender.send_request(request)).await.unwrap()
    };
    assert_eq!(ask("/refuse").await.status(), 403);
    assert_eq!(ask("/wrong").await.status(), 502);
    assert_eq!(ask("/fine").await.status(), 502);
    let answer = ask("/echo").await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    let mut socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    check(&mut socket, &conversation(), 10_000).await;
    let close = frame(0x88, &1000_u16.to_be_bytes());
    check(&mut socket, &close, 100).await;
    socket.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(socket.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
    drop(socket);
    while let Some(bytes) = soon(sockets.bytes.recv()).await
        && !bytes.ends_with(&close)
    {}
    // The connection is still one of HTTP.
    assert_eq!(ask("/refuse").await.status(), 403);
}
