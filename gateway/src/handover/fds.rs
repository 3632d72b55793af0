//! How does an open socket get from one process into another?
//!
//! With one byte on a Unix socket (`SCM_RIGHTS`), one descriptor each: the kernel makes a second
//! name for the same socket, with everything that waits in it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

const SPACE: usize = cmsg_space!(ScmRights(1));

/// Passes `socket` on; it stays open here.
pub(super) async fn pass(stream: &UnixStream, socket: &TcpListener) -> io::Result<()> {
    stream.async_io(Interest::WRITABLE, || send(stream.as_fd(), socket.as_fd())).await
}

fn send(stream: BorrowedFd<'_>, passed: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let passed = [passed];
    if !control.push(SendAncillaryMessage::ScmRights(&passed)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes the next socket.
pub(super) async fn taken(stream: &UnixStream) -> io::Result<TcpListener> {
    stream.async_io(Interest::READABLE, || receive(stream.as_fd())).await.map(TcpListener::from)
}

fn receive(stream: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let bytes = &mut [IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(stream, bytes, &mut control, flags)?;
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut all) => all.next(),
        _ => None,
    });
    passed.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_in_a_socket_is_accepted_where_it_was_passed_to() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let waiting = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        pass(&here, &socket).await.unwrap();
        drop(socket);
        let (_, from) = taken(&there).await.unwrap().accept().unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_side_that_left_passes_nothing() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(here);
        assert_eq!(taken(&there).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
