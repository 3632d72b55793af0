//! How does each worker get listeners of its own on the same addresses?
//!
//! `SO_REUSEPORT`: the kernel spreads connections over the workers' sockets. Because it would also
//! let a second gateway join in unnoticed, every address is tried without it first.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per worker and address.
const BACKLOG: i32 = 4096;

/// The addresses to listen on.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// In the clear.
    pub http: Vec<SocketAddr>,
    /// Under TLS.
    pub https: Vec<SocketAddr>,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub cause: io::Error,
}

/// The listeners of one worker.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) http: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
}

/// Listens for `workers`. The bound addresses come back too: port 0 has become a real one.
pub(super) fn listen(
    listen: &Listen,
    workers: usize,
) -> Result<(Vec<Listeners>, Listen), ListenError> {
    let mut all: Vec<Listeners> = (0..workers).map(|_| Listeners::default()).collect();
    let mut bound = Listen::default();
    for address in &listen.http {
        let (address, sockets) = shared(*address, workers)?;
        bound.http.push(address);
        all.iter_mut().zip(sockets).for_each(|(worker, socket)| worker.http.push(socket));
    }
    for address in &listen.https {
        let (address, sockets) = shared(*address, workers)?;
        bound.https.push(address);
        all.iter_mut().zip(sockets).for_each(|(worker, socket)| worker.https.push(socket));
    }
    Ok((all, bound))
}

fn shared(
    wanted: SocketAddr,
    workers: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), ListenError> {
    let failed = |cause| ListenError { address: wanted, cause };
    let alone = bind(wanted, false).map_err(failed)?;
    let address = alone.local_addr().map_err(failed)?.as_socket().unwrap_or(wanted);
    drop(alone);
    let sockets = (0..workers).map(|_| {
        let socket = bind(address, true)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from(socket))
    });
    let sockets: io::Result<Vec<TcpListener>> = sockets.collect();
    Ok((address, sockets.map_err(failed)?))
}

/// A bound socket. Nothing is accepted on it before it listens.
fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_share_the_port_that_was_found() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let wanted = Listen { http: vec![any], https: vec![any, any] };
        let (workers, bound) = listen(&wanted, 2).unwrap();
        assert_eq!(workers.len(), 2);
        for worker in &workers {
            let port = |socket: &TcpListener| socket.local_addr().unwrap();
            assert_eq!(worker.http.iter().map(port).collect::<Vec<_>>(), bound.http);
            assert_eq!(worker.https.iter().map(port).collect::<Vec<_>>(), bound.https);
        }
        assert_ne!(bound.http[0].port(), 0);
    }

    #[test]
    fn an_address_that_is_taken_is_refused_although_it_could_be_shared() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (_first, bound) = listen(&Listen { http: vec![any], https: vec![] }, 1).unwrap();
        let error = listen(&bound, 1).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
    }
}
