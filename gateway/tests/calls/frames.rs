//! A client that writes HTTP/2 frame by frame, also those that no library would write.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stand::{LIMIT, Stand};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// What a call in the usual form says of itself.
pub(crate) const USUAL: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/open/1.0/echo"), (":authority", "a")];

/// A connection; it has said hello.
pub(crate) struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
    /// Data that was received on any stream.
    pub(crate) body: Vec<u8>,
}

/// A frame that was received.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frames {
    pub(crate) async fn connect(stand: &Stand) -> Self {
        let mut stream = TcpStream::connect(stand.serving.http()[0]).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream, read: Vec::new(), body: Vec::new() };
        assert!(frames.say(&frame(SETTINGS, 0, 0, b"")).await);
        frames
    }

    /// Whether the gateway still takes bytes.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        let written = tokio::time::timeout(LIMIT, self.stream.write_all(bytes)).await;
        written.is_ok_and(|written| written.is_ok())
    }

    /// The next frame; `None`: the connection is closed.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        let heard = tokio::time::timeout(LIMIT, self.hear_any()).await;
        heard.expect("a frame or the end in time")
    }

    /// As [`Frames::hear`]; also `None` when nothing comes for a while.
    pub(crate) async fn hear_within(&mut self, limit: Duration) -> Option<Heard> {
        tokio::time::timeout(limit, self.hear_any()).await.ok().flatten()
    }

    async fn hear_any(&mut self) -> Option<Heard> {
        loop {
            if let Some(head) = self.read.first_chunk::<9>() {
                let [l0, l1, l2, kind, _, s0, s1, s2, s3] = *head;
                let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                if self.read.len() >= 9 + length {
                    let payload = self.read[9..9 + length].to_vec();
                    self.read.drain(..9 + length);
                    if kind == DATA {
                        self.body.extend_from_slice(&payload);
                    }
                    return Some(Heard {
                        kind,
                        stream: u32::from_be_bytes([s0, s1, s2, s3]),
                        payload,
                    });
                }
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// What became of the stream: "200", "answered", "reset 1", "goaway 11" or "closed". Waits for
    /// the end of a good answer.
    pub(crate) async fn fate(&mut self, stream: u32) -> String {
        let mut good = false;
        while let Some(heard) = self.hear().await {
            let code =
                |at: usize| u32::from_be_bytes(heard.payload[at..at + 4].try_into().unwrap());
            match heard.kind {
                GOAWAY => return format!("goaway {}", code(4)),
                _ if heard.stream != stream => {}
                RST_STREAM => return format!("reset {}", code(0)),
                // RFC 7541 appendix A: 8 stands for `:status: 200`.
                HEADERS if heard.payload.first() == Some(&0x88) => good = true,
                HEADERS if !good => return "answered".to_owned(),
                DATA if good && heard.payload.is_empty() => return "200".to_owned(),
                DATA if good => {
                    // Bodies here end with their own frame or with an empty one.
                    let more = self.hear_within(Duration::from_millis(50)).await;
                    if more.is_none_or(|more| more.kind != DATA) {
                        return "200".to_owned();
                    }
                }
                _ => {}
            }
        }
        "closed".to_owned()
    }
}

/// A frame in its form on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A header block of literals that are remembered nowhere (RFC 7541 §6.2.2).
pub(crate) fn block<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            length(&mut out, text.len());
            // Latin-1 would be as good; what matters is that no byte is left out.
            out.extend(text.bytes());
        }
    }
    out
}

/// RFC 7541 §5.1 with a prefix of seven bits.
fn length(out: &mut Vec<u8>, mut length: usize) {
    if length < 127 {
        out.push(u8::try_from(length).unwrap());
        return;
    }
    out.push(127);
    length -= 127;
    while length >= 128 {
        out.push(u8::try_from(length % 128 + 128).unwrap());
        length /= 128;
    }
    out.push(u8::try_from(length).unwrap());
}
