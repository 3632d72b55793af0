//! How does a running gateway let another one take its place?

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::task::Tasks;
use chassis::{Host, operations};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::error::{HandoverError, VERSION};
use super::fds::pass;
use super::word::{Passed, Role, Word, hear, say};
use crate::counters::Counters;
use crate::receiver::Lender;

/// A new gateway that says nothing for so long is not waited for.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the last writings to the data directory may take.
const WRITINGS: Duration = Duration::from_secs(10);

/// What a running gateway can pass on.
#[derive(Debug)]
pub struct Offer {
    /// This process.
    pub host: Host,
    /// The sockets of the workers.
    pub lender: Lender,
    /// The operations port.
    pub operations: operations::Open,
    /// Who writes to the data directory, the recording of usage events apart.
    pub writers: Tasks,
    /// The counters, whose file is this process's own.
    pub counters: Counters,
    /// Told `true` while somebody takes over: nothing of usage events but the own place is held.
    pub held_back: watch::Sender<bool>,
    /// How long the new gateway may take until it serves.
    pub patience: Duration,
}

impl Offer {
    /// Opens the socket at `path`. Only processes of the same user and of root are heard.
    pub fn open(path: &Path) -> Result<UnixListener, HandoverError> {
        let failed = |cause| HandoverError::Socket { path: path.to_owned(), cause };
        // Aside and renamed: who asks meanwhile meets the old socket or the new one, never none.
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        let aside = PathBuf::from(aside);
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = UnixListener::bind(&aside).map_err(failed)?;
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&aside, path).map_err(failed)?;
        Ok(socket)
    }

    /// Answers on `socket` until somebody has taken over or the process is asked to stop.
    pub async fn run(self, socket: UnixListener) {
        let shutdown = self.host.shutdown.clone();
        loop {
            let stream = tokio::select! {
                () = shutdown.wait() => return,
                accepted = socket.accept() => accepted,
            };
            let handed_over = match stream {
                Ok((stream, _)) => self.answer(stream).await,
                Err(error) => {
                    self.host.clock.sleep(Duration::from_secs(1)).await;
                    Err(error.into())
                }
            };
            match handed_over {
                Ok(()) => return,
                Err(error) => {
                    self.held_back.send_replace(false);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "nobody took over, this gateway goes on");
                }
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> Result<(), HandoverError> {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            // It stops anyway: the new one finds the addresses free or is asked again.
            () = shutdown.wait() => return Err(HandoverError::NotReady("it stops".to_owned())),
            serves = self.until_it_serves(&mut stream) => serves?,
        }
        tracing::info!("another gateway has taken over, draining");
        self.lender.lent();
        self.operations.give_up();
        self.host.shutdown.request();
        let told = say(&mut stream, &Word::Yours).await;
        // Asked to stop, whoever writes ends by itself.
        let ended = self.host.clock.timeout(WRITINGS, self.writers.finished()).await;
        if ended.is_err() {
            tracing::error!("the data directory is still written to, and released all the same");
        }
        if told.is_ok() {
            // Who took over is gone, or writes the data directory when it has waited long enough.
            let _ = say(&mut stream, &Word::Released).await;
        }
        Ok(())
    }

    async fn until_it_serves(&self, stream: &mut UnixStream) -> Result<(), HandoverError> {
        let clock = &self.host.clock;
        let (user, own) = (stream.peer_cred()?.uid(), geteuid().as_raw());
        if user != own && user != 0 {
            return Err(HandoverError::Stranger(user));
        }
        match clock.timeout(SILENCE, hear(stream)).await?? {
            Word::Take { version: VERSION } => {}
            Word::Take { version } => return Err(HandoverError::Version(version)),
            word => return Err(HandoverError::Word(format!("{word:?}"))),
        }
        self.held_back.send_replace(true);
        // What it reads when it begins; it reads on behind that.
        self.counters.write().await;
        let (passed, sockets): (Vec<Passed>, Vec<TcpListener>) =
            self.sockets()?.into_iter().unzip();
        say(stream, &Word::Offer { version: VERSION, sockets: passed }).await?;
        for socket in &sockets {
            clock.timeout(SILENCE, pass(stream, socket)).await??;
        }
        drop(sockets);
        match clock.timeout(self.patience, hear(stream)).await?? {
            Word::Serving => Ok(()),
            word => Err(HandoverError::Word(format!("{word:?}"))),
        }
    }

    fn sockets(&self) -> io::Result<Vec<(Passed, TcpListener)>> {
        let calls = self.lender.sockets()?.into_iter();
        let mut all: Vec<_> = calls
            .map(|lent| (Passed { role: Role::Calls, address: lent.address }, lent.socket))
            .collect();
        let address = self.operations.address();
        all.push((Passed { role: Role::Operations, address }, self.operations.socket()?));
        Ok(all)
    }
}
