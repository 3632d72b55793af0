//! How does a gateway enter?

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

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

/// A gateway that connects and says nothing is not kept.
const HELLO: Duration = Duration::from_secs(10);
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

    async fn hello(&self, incoming: &mut Streaming<ShareRequest>) -> Result<ShareHello, Status> {
        let first = self.host.clock.timeout(HELLO, incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no `hello`"))??;
        match first.and_then(|first| first.message) {
            Some(Message::Hello(hello)) if is_name(&hello.node) => Ok(hello),
            Some(Message::Hello(_)) => Err(Status::invalid_argument(
                "`node` must be 1 to 253 letters, digits, `.`, `_`, `-` or `:`",
            )),
            _ => Err(Status::invalid_argument("the first message must be `hello`")),
        }
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
        let hello = self.hello(&mut incoming).await?;
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

fn is_name(node: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    !node.is_empty() && node.len() <= 253 && node.bytes().all(plain)
}
