//! Which gateways share limits now?
//!
//! One row per node. A node that comes back takes its row over, and the stream that it had before ends. A
//! gateway that does not read what it is told loses its row, so that nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tonic::Status;
use turnpike_proto::config::v1::share_response::Message;
use turnpike_proto::config::v1::{ShareResponse, ShareState, ShareWelcome};

/// More nodes than any fleet has; a peer that invents names is refused beyond.
const MOST: usize = 10_000;

pub(super) type Out = mpsc::Sender<Result<ShareResponse, Status>>;

/// Names a stream among all that this process has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Stream(u64);

impl Stream {
    /// Its number among them.
    pub(super) const fn number(self) -> u64 {
        self.0
    }

    #[cfg(test)]
    pub(super) const fn of(number: u64) -> Self {
        Self(number)
    }
}

/// The gateways that are there.
#[derive(Debug, Default)]
pub(super) struct Members {
    rows: BTreeMap<Stream, Row>,
    latest: u64,
}

#[derive(Debug)]
struct Row {
    node: Arc<str>,
    out: Out,
    /// The configuration that it asks by.
    state: ShareState,
    /// The number of its latest report.
    report: u64,
    /// Dropped with the row: its session ends then.
    _held: watch::Sender<()>,
}

impl Members {
    /// Enters a gateway; what comes back is closed when its row is taken away. `None`: there are too many.
    pub(super) fn enter(
        &mut self,
        node: &str,
        state: ShareState,
        out: Out,
    ) -> Option<(Stream, watch::Receiver<()>)> {
        self.rows.retain(|_, row| *row.node != *node);
        if self.rows.len() >= MOST {
            return None;
        }
        self.latest = self.latest.saturating_add(1);
        let (stream, (held, ends)) = (Stream(self.latest), watch::channel(()));
        self.rows.insert(stream, Row { node: node.into(), out, state, report: 0, _held: held });
        self.greet();
        Some((stream, ends))
    }

    /// Takes a gateway out; false: it had gone already.
    pub(super) fn leave(&mut self, stream: Stream) -> bool {
        let gone = self.rows.remove(&stream).is_some();
        if gone {
            self.greet();
        }
        gone
    }

    /// Takes all of them out.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The name of the node behind a stream.
    pub(super) fn node(&self, stream: Stream) -> Option<Arc<str>> {
        self.rows.get(&stream).map(|row| Arc::clone(&row.node))
    }

    /// By which configuration a gateway asks.
    pub(super) fn state(&self, stream: Stream) -> Option<&ShareState> {
        self.rows.get(&stream).map(|row| &row.state)
    }

    /// It asks by another one from now on.
    pub(super) fn set_state(&mut self, stream: Stream, state: ShareState) {
        if let Some(row) = self.rows.get_mut(&stream) {
            row.state = state;
        }
    }

    /// The number of a gateway's latest report.
    pub(super) fn report(&self, stream: Stream) -> u64 {
        self.rows.get(&stream).map_or(0, |row| row.report)
    }

    /// A gateway has reported.
    pub(super) fn set_report(&mut self, stream: Stream, report: u64) {
        if let Some(row) = self.rows.get_mut(&stream) {
            row.report = report;
        }
    }

    /// Tells one of them something.
    pub(super) fn tell(&mut self, stream: Stream, message: Message) {
        let told = |row: &Row| row.out.try_send(Ok(ShareResponse { message: Some(message) }));
        if self.rows.get(&stream).is_some_and(|row| told(row).is_err()) {
            self.leave(stream);
        }
    }

    /// Tells all of them something; their names. One that does not read is named as well.
    pub(super) fn tell_all(&mut self, message: &Message) -> Vec<String> {
        let names = self.rows.values().map(|row| row.node.to_string()).collect();
        let streams: Vec<_> = self.rows.keys().copied().collect();
        for stream in streams {
            self.tell(stream, message.clone());
        }
        names
    }

    /// Tells all of them how many there are.
    fn greet(&mut self) {
        let welcome = Message::Welcome(ShareWelcome { gateways: self.count().max(1) });
        let response = ShareResponse { message: Some(welcome) };
        // Who does not read goes when it is told something of its own.
        self.rows.values().for_each(|row| drop(row.out.try_send(Ok(response.clone()))));
    }
}
