//! How does each worker get listeners of its own on the same addresses?
//!
//! `SO_REUSEPORT`: the kernel spreads connections over the workers' sockets. Because it would also
//! let a second gateway join in unnoticed, every address is tried without it first. Sockets that the
//! gateway before passed on are used as they are, with the connections that wait in them.

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

/// A listening socket of a worker, for another process.
#[derive(Debug)]
pub struct Lent {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// Where it listens.
    pub address: SocketAddr,
    /// The socket.
    pub socket: TcpListener,
}

/// The listeners of one worker.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) http: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
}

impl Listeners {
    /// The sockets once more.
    pub(super) fn lend(&self) -> io::Result<Vec<Lent>> {
        let plain = self.http.iter().map(|socket| (socket, false));
        let tls = self.https.iter().map(|socket| (socket, true));
        let lent = plain.chain(tls).map(|(socket, secure)| {
            Ok(Lent { secure, address: socket.local_addr()?, socket: socket.try_clone()? })
        });
        lent.collect()
    }
}

/// Listens for `workers`. The bound addresses come back too: port 0 has become a real one. What is
/// `inherited` and not wanted is closed.
pub(super) fn listen(
    listen: &Listen,
    workers: usize,
    mut inherited: Vec<TcpListener>,
) -> Result<(Vec<Listeners>, Listen), ListenError> {
    let mut all: Vec<Listeners> = (0..workers).map(|_| Listeners::default()).collect();
    let mut bound = Listen::default();
    for address in &listen.http {
        let (address, sockets) = shared(*address, workers, &mut inherited)?;
        bound.http.push(address);
        deal(sockets, &mut all, |worker| &mut worker.http);
    }
    for address in &listen.https {
        let (address, sockets) = shared(*address, workers, &mut inherited)?;
        bound.https.push(address);
        deal(sockets, &mut all, |worker| &mut worker.https);
    }
    Ok((all, bound))
}

/// Gives each worker a socket, and those that are more than the workers to them once more: a socket
/// that nobody looks at would keep its clients waiting.
fn deal(
    sockets: Vec<TcpListener>,
    workers: &mut [Listeners],
    place: impl Fn(&mut Listeners) -> &mut Vec<TcpListener>,
) {
    let count = workers.len().max(1);
    for (number, socket) in sockets.into_iter().enumerate() {
        if let Some(worker) = workers.get_mut(number % count) {
            place(worker).push(socket);
        }
    }
}

/// At least one socket per worker on the same address.
fn shared(
    wanted: SocketAddr,
    workers: usize,
    inherited: &mut Vec<TcpListener>,
) -> Result<(SocketAddr, Vec<TcpListener>), ListenError> {
    let failed = |cause| ListenError { address: wanted, cause };
    let is_there = |socket: &mut TcpListener| socket.local_addr().is_ok_and(|at| at == wanted);
    let mut sockets: Vec<TcpListener> = inherited.extract_if(.., is_there).collect();
    let mut address = wanted;
    if sockets.is_empty() {
        let alone = bind(wanted, false).map_err(failed)?;
        address = alone.local_addr().map_err(failed)?.as_socket().unwrap_or(wanted);
    }
    while sockets.len() < workers {
        sockets.push(listening(address).map_err(failed)?);
    }
    Ok((address, sockets))
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address, true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from(socket))
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
        let (workers, bound) = listen(&wanted, 2, vec![]).unwrap();
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
        let (_first, bound) =
            listen(&Listen { http: vec![any], https: vec![] }, 1, vec![]).unwrap();
        let error = listen(&bound, 1, vec![]).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
    }

    /// Two workers pass their sockets on to `workers` others; each of those must have one, and all
    /// must be in use.
    #[track_caller]
    fn check(workers: usize, each: &[usize]) {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (first, bound) = listen(&Listen { http: vec![any], https: vec![] }, 2, vec![]).unwrap();
        let lent = first.iter().flat_map(|worker| worker.lend().unwrap());
        let inherited = lent.map(|lent| lent.socket).collect();
        let (next, again) = listen(&bound, workers, inherited).unwrap();
        assert_eq!(again.http, bound.http);
        assert_eq!(next.iter().map(|worker| worker.http.len()).collect::<Vec<_>>(), each);
    }

    #[test]
    fn every_inherited_socket_is_looked_after_and_no_worker_is_without_one() {
        check(2, &[1, 1]);
        check(1, &[2]);
        check(3, &[1, 1, 1]);
    }
}
