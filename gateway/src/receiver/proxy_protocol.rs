//! Whose connection does a proxy in front hand on?
//!
//! The PROXY protocol, versions 1 (a line of text) and 2 (binary): a connection starts with the
//! address of the client, before TLS and HTTP. It is read only where it is configured, and only from
//! proxies that are trusted. Nothing beyond the header is read, and its additions (TLV) are skipped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// How version 2 begins. No other protocol begins so.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is taken, behind its first 16 bytes.
const LONGEST_REST: usize = 4096;

/// Why a connection does not start as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the connection failed before it said whose it is")]
    Io(#[source] io::Error),
    #[error("no PROXY header, but {0}")]
    Malformed(&'static str),
}

/// Reads the header off `stream`. `None`: the proxy speaks for itself.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await.map_err(ProxyError::Io)?;
    if start == SIGNATURE {
        return binary(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(ProxyError::Malformed("something else"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() >= LONGEST_LINE {
            return Err(ProxyError::Malformed("a line without end"));
        }
        // A byte at a time, a few dozen times per connection: what follows is somebody else's.
        line.push(stream.read_u8().await.map_err(ProxyError::Io)?);
    }
    text(&line)
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443`, or `PROXY UNKNOWN` and anything.
fn text(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let line = line.strip_suffix(b"\r\n").and_then(|line| str::from_utf8(line).ok());
    let line = line.ok_or(ProxyError::Malformed("a line that is no text"))?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let wrong = || ProxyError::Malformed("a line of another form");
    let mut address = |four: bool| {
        let address: IpAddr = words.next()?.parse().ok()?;
        (address.is_ipv4() == four).then_some(address)
    };
    let four = match family {
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(wrong()),
    };
    let (client, _ours) = (address(four).ok_or_else(wrong)?, address(four).ok_or_else(wrong)?);
    let mut port = || {
        let digits = words.next()?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok())?
    };
    let (port, _ours) = (port().ok_or_else(wrong)?, port().ok_or_else(wrong)?);
    if words.next().is_some() {
        return Err(wrong());
    }
    Ok(Some(SocketAddr::new(client, port)))
}

async fn binary(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut next = [0; 4];
    stream.read_exact(&mut next).await.map_err(ProxyError::Io)?;
    let [version_and_command, family, high, low] = next;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_REST {
        return Err(ProxyError::Malformed("a header beyond all reason"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.map_err(ProxyError::Io)?;
    source(version_and_command, family, &rest)
}

/// What version 2 says: a command, a family, and addresses in front of what may follow.
fn source(
    version_and_command: u8,
    family: u8,
    rest: &[u8],
) -> Result<Option<SocketAddr>, ProxyError> {
    const SHORT: ProxyError = ProxyError::Malformed("a header that is too short");
    match version_and_command {
        // LOCAL: a health check of the proxy's own.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyError::Malformed("an unknown version or command")),
    }
    match family {
        // TCP over IPv4: source, destination, ports.
        0x11 => {
            let fields = rest.first_chunk::<12>().ok_or(SHORT)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *fields;
            let port = u16::from_be_bytes([high, low]);
            Ok(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)))
        }
        // TCP over IPv6.
        0x21 => {
            let fields = rest.first_chunk::<36>().ok_or(SHORT)?;
            let address = fields.first_chunk::<16>().ok_or(SHORT)?;
            let port = fields.get(32..34).and_then(|port| port.first_chunk::<2>()).ok_or(SHORT)?;
            let address = Ipv6Addr::from(*address);
            Ok(Some(SocketAddr::new(address.into(), u16::from_be_bytes(*port))))
        }
        // UNSPEC, datagrams and local sockets: nobody who can be named.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(None),
        _ => Err(ProxyError::Malformed("an unknown family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: &Result<Option<SocketAddr>, ProxyError>, expected: &str) {
        let shown = match read {
            Ok(Some(address)) => address.to_string(),
            Ok(None) => "itself".to_owned(),
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_line_names_the_client() {
        check(&text(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"), "192.0.2.1:4711");
        check(&text(b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n"), "[2001:db8::1]:4711");
        check(&text(b"PROXY UNKNOWN\r\n"), "itself");
        check(&text(b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n"), "itself");
    }

    #[test]
    fn a_line_of_another_form_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 1\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 4711 443\r\n",
            "PROXY TCP4 2001:db8::1 ::1 4711 443\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 4711 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +711 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
            "PROXY TCP4 a 192.0.2.2 4711 443\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 4711 443\r\n",
            "PROXY \r\n",
        ] {
            check(&text(line.as_bytes()), "refused");
        }
    }

    #[test]
    fn a_binary_header_names_the_client_whatever_follows_its_addresses() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 1, 187, 4, 0, 1, 9];
        check(&source(0x21, 0x11, &four), "192.0.2.1:4711");
        check(&source(0x21, 0x11, &four[..11]), "refused");
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        six[15] = 1;
        six[33] = 80;
        check(&source(0x21, 0x21, &six), "[2001:db8::1]:80");
        check(&source(0x21, 0x21, &six[..35]), "refused");
    }

    #[test]
    fn a_proxy_may_speak_for_itself_or_for_nobody_in_particular() {
        check(&source(0x20, 0x00, &[]), "itself");
        check(&source(0x20, 0x11, &[1]), "itself");
        check(&source(0x21, 0x00, &[]), "itself");
        check(&source(0x21, 0x31, &[]), "itself");
        check(&source(0x11, 0x11, &[0; 12]), "refused");
        check(&source(0x22, 0x11, &[0; 12]), "refused");
        check(&source(0x21, 0x41, &[0; 12]), "refused");
    }
}
