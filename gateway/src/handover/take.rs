//! How does a new gateway take the place of a running one?

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use chassis::clock::Clock;
use tokio::net::UnixStream;

use super::error::{HandoverError, VERSION};
use super::fds;
use super::word::{Passed, Role, Word, hear, say};

/// The running gateway answers within this.
const SILENCE: Duration = Duration::from_secs(10);
/// Its last writings to the data directory may take so long.
const WRITINGS: Duration = Duration::from_secs(15);

/// What was passed on, and the way to the gateway that did. When it is dropped before
/// [`Taken::serve`], that gateway goes on serving.
#[derive(Debug)]
pub struct Taken {
    stream: UnixStream,
    clock: Clock,
    sockets: Vec<(Passed, TcpListener)>,
}

impl Taken {
    /// Asks at `path`; `None`: no gateway runs there.
    pub async fn from(path: &Path, clock: &Clock) -> Result<Option<Self>, HandoverError> {
        let mut stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(cause) => {
                return match cause.kind() {
                    // A gateway that was killed leaves its socket behind.
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(HandoverError::Socket { path: path.to_owned(), cause }),
                };
            }
        };
        say(&mut stream, &Word::Take { version: VERSION }).await?;
        let passed = match clock.timeout(SILENCE, hear(&mut stream)).await?? {
            Word::Offer { version: VERSION, sockets } => sockets,
            Word::Offer { version, .. } => return Err(HandoverError::Version(version)),
            word => return Err(HandoverError::Word(format!("{word:?}"))),
        };
        let mut sockets = Vec::new();
        for passed in passed {
            let socket = clock.timeout(SILENCE, fds::taken(&stream)).await??;
            socket.set_nonblocking(true)?;
            sockets.push((passed, socket));
        }
        tracing::info!(sockets = sockets.len(), "the sockets of the running gateway are here");
        Ok(Some(Self { stream, clock: clock.clone(), sockets }))
    }

    /// The sockets of calls.
    pub fn calls(&mut self) -> Vec<TcpListener> {
        let calls = self.sockets.extract_if(.., |(passed, _)| passed.role == Role::Calls);
        calls.map(|(_, socket)| socket).collect()
    }

    /// The socket of the operations port, if it listens at `address`.
    pub fn operations(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let wanted = Passed { role: Role::Operations, address };
        let place = self.sockets.iter().position(|(passed, _)| *passed == wanted)?;
        Some(self.sockets.swap_remove(place).1)
    }

    /// Says that this gateway serves, so that the other one drains; returns when that one accepts
    /// nothing any more.
    pub async fn serve(&mut self) -> Result<(), HandoverError> {
        say(&mut self.stream, &Word::Serving).await?;
        self.wait(SILENCE, &Word::Yours).await
    }

    /// Returns when the other one writes the data directory no more.
    pub async fn released(mut self) -> Result<(), HandoverError> {
        self.wait(WRITINGS, &Word::Released).await
    }

    async fn wait(&mut self, limit: Duration, wanted: &Word) -> Result<(), HandoverError> {
        match self.clock.timeout(limit, hear(&mut self.stream)).await? {
            Ok(word) if word == *wanted => Ok(()),
            Ok(word) => Err(HandoverError::Word(format!("{word:?}"))),
            Err(error) => Err(error),
        }
    }
}
