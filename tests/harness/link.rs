//! A cable between two programs, which a test can cut or freeze.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    Whole,
    /// Connections break, and new ones do too.
    Cut,
    /// Nothing arrives, and nobody is told.
    Frozen,
}

/// A cable to a server; it ends with the test.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    cable: watch::Sender<Cable>,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// A cable to `https://HOST:PORT` as `Stack::rpc` says it.
    pub async fn to(server: &str) -> Self {
        let server = server.strip_prefix("https://").expect("an address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let cable = watch::Sender::new(Cable::Whole);
        let state = cable.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() == Cable::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&server).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, state.subscribe()));
                tokio::spawn(carry(far_in, near_out, state.subscribe()));
            }
        });
        Self { address, cable, task }
    }

    /// Where its near end is.
    pub fn address(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn set(&self, cable: Cable) {
        self.cable.send_replace(cable);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cable: watch::Receiver<Cable>) {
    let mut cut = cable.clone();
    let carried = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut bytes).await.unwrap_or(0);
            let whole = cable.wait_for(|cable| *cable == Cable::Whole).await.is_ok();
            if read == 0 || !whole || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = carried => {}
        _ = cut.wait_for(|cable| *cable == Cable::Cut) => {}
    }
}
