//! Who is there, and who decides about what they say?

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tonic::Status;
use turnpike_proto::config::v1::share_response::Message;
use turnpike_proto::config::v1::{
    LimitAnswer, LimitAnswers, LimitAsks, LimitReports, LimitReturns, ShareState,
};

use super::members::{Members, Out, Stream};

/// What all streams share.
#[derive(Debug, Default)]
pub struct Sharing {
    members: Mutex<Members>,
}

impl Sharing {
    /// A gateway enters.
    pub(super) fn enter(
        &self,
        node: &str,
        state: ShareState,
        out: Out,
    ) -> Result<(Stream, watch::Receiver<()>), Status> {
        let entered = self.members().enter(node, state, out);
        entered.ok_or_else(|| Status::resource_exhausted("too many gateways"))
    }

    /// A gateway leaves.
    pub(super) fn leave(&self, stream: Stream) {
        self.members().leave(stream);
    }

    /// A gateway knows its limits by another configuration.
    pub(super) fn changed(&self, stream: Stream, state: ShareState) {
        self.members().set_state(stream, state);
    }

    /// A gateway asks for units.
    pub(super) fn asked(&self, stream: Stream, asks: LimitAsks) {
        let uncounted = |ask| LimitAnswer { ask, uncounted: true, ..LimitAnswer::default() };
        let answers = asks.asks.into_iter().map(|ask| uncounted(ask.ask)).collect();
        self.members().tell(stream, Message::Answers(LimitAnswers { answers }));
    }

    /// A gateway gives units back.
    pub(super) fn returned(&self, _returns: LimitReturns) {}

    /// A gateway says how much was asked of it.
    pub(super) fn reported(&self, _stream: Stream, _reports: LimitReports) {}

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
