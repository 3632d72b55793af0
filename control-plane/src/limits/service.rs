//! How does a gateway enter?

use std::pin::Pin;
use std::sync::Arc;

use chassis::Host;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::config::v1::limit_sync_server::LimitSync;
use turnpike_proto::config::v1::share_request::Message;
use turnpike_proto::config::v1::{ShareHello, ShareRequest, ShareResponse};

use super::session::Session;
use super::sharing::Sharing;
use crate::greeting;

/// Messages that may wait for the connection to take them.
const UNDER_WAY: usize = 1024;

/// The service that gateways count together by.
#[derive(Debug)]
pub struct Share {
    host: Host,
    sharing: Arc<Sharing>,
}

impl Share {
    /// Serves what `sharing` decides.
    pub const fn new(host: Host, sharing: Arc<Sharing>) -> Self {
        Self { host, sharing }
    }
}

fn hello(request: ShareRequest) -> Option<ShareHello> {
    match request.message {
        Some(Message::Hello(hello)) => Some(hello),
        _ => None,
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<ShareResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LimitSync for Share {
    type ShareStream = Answers;

    async fn share(
        &self,
        request: Request<Streaming<ShareRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut incoming = request.into_inner();
        let clock = &self.host.clock;
        let hello = greeting::hello(clock, &mut incoming, hello, |hello| &hello.node).await?;
        let (out, answers) = mpsc::channel(UNDER_WAY);
        let state = hello.state.unwrap_or_default();
        let (stream, ends) = self.sharing.enter(&hello.node, state, out.clone())?;
        tracing::info!(node = hello.node, build = hello.build, "gateway shares limits");
        let session = Session { sharing: self.sharing.clone(), stream, incoming, out, ends };
        let shutdown = self.host.shutdown.clone();
        self.host.tasks.spawn("limit stream", async move {
            tokio::select! {
                () = session.hold() => {}
                () = shutdown.wait() => {}
            }
        });
        let answers = self.host.shutdown.ends(ReceiverStream::new(answers));
        Ok(Response::new(Box::pin(answers)))
    }
}
