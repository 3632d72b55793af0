//! How much memory does the real program use while large bodies pass?

use std::net::SocketAddr;

use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::program::Program;

/// The body of each direction; `TURNPIKE_BODY_MIB` says another size.
const MIB: usize = 256;
/// What a program may need more than before, whatever the size of bodies.
const ROOM: u64 = 16 << 20;
const BLOCK: usize = 64 * 1024;

/// A backend that answers GET with `bytes` bytes and counts what it is sent with PUT.
async fn backend(tasks: &Tasks, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let each = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            each.spawn("backend-connection", async move {
                let (mut head, mut block) = (Vec::new(), vec![b'x'; BLOCK]);
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                if head.starts_with(b"GET") {
                    let start = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
                    stream.write_all(start.as_bytes()).await.unwrap();
                    for _ in 0..bytes / BLOCK {
                        stream.write_all(&block).await.unwrap();
                    }
                } else {
                    let mut read = 0;
                    while read < bytes {
                        read += stream.read(&mut block).await.unwrap();
                    }
                    let told =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-read: {read}\r\n\r\n");
                    stream.write_all(told.as_bytes()).await.unwrap();
                }
                let _ = stream.read(&mut block).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn large_bodies_pass_at_constant_memory() {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration to read it from")]
    let asked = std::env::var("TURNPIKE_BODY_MIB").ok().and_then(|mib| mib.parse().ok());
    let bytes = asked.unwrap_or(MIB) << 20;
    let backend = backend(&Tasks::default(), bytes).await;
    let resources = format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: large, version: \"1.0\" }}\nspec:\n  \
         context: /large\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n"
    );
    let gateway = Program::start(&resources, &[]);
    let before = gateway.resident();
    let mut most = before;

    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let block = vec![b'x'; BLOCK];
    let head = format!("PUT /large/1.0/x HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for number in 0..bytes / BLOCK {
        stream.write_all(&block).await.unwrap();
        if number % 256 == 0 {
            most = most.max(gateway.resident());
        }
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains(&format!("x-read: {bytes}\r\n")), "{answer}");

    stream.write_all(b"GET /large/1.0/x HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let (mut read, mut block, mut number) = (0, vec![0; BLOCK], 0);
    while read < bytes {
        read += stream.read(&mut block).await.unwrap();
        number += 1;
        if number % 256 == 0 {
            most = most.max(gateway.resident());
        }
    }
    eprintln!(
        "{} MiB up and down: {} KiB resident before, {} KiB at most",
        bytes >> 20,
        before >> 10,
        most >> 10
    );
    assert!(most < before + ROOM, "{before} bytes before, {most} at most");
}
