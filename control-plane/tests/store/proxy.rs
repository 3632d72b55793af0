//! A way to etcd that can be cut: a small TCP proxy.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    to: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// Keeps connections open and passes nothing on.
    frozen: Arc<Mutex<bool>>,
    /// Passes on what is asked and loses each answer.
    mute: Arc<Mutex<bool>>,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            to,
            open: Arc::default(),
            frozen: Arc::default(),
            mute: Arc::default(),
        };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                accepting.carry(client);
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        *self.frozen.lock().unwrap() = frozen;
    }

    pub(crate) fn mute(&self, mute: bool) {
        *self.mute.lock().unwrap() = mute;
    }

    fn carry(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.to) else { return };
        let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        self.open.lock().unwrap().extend(both);
        let asked = (client.try_clone().unwrap(), server.try_clone().unwrap());
        for ((mut from, mut to), mute) in
            [(asked, Arc::default()), ((server, client), self.mute.clone())]
        {
            let frozen = self.frozen.clone();
            thread::spawn(move || {
                let mut piece = [0; 16 * 1024];
                while let Ok(read @ 1..) = from.read(&mut piece) {
                    let lost = *frozen.lock().unwrap() || *mute.lock().unwrap();
                    if !lost && to.write_all(&piece[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
            });
        }
    }
}
