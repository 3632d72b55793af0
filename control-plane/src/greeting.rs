//! Who opens a stream?

use std::time::Duration;

use chassis::Clock;
use tonic::{Status, Streaming};

/// A gateway that connects and says nothing is not kept.
const WITHIN: Duration = Duration::from_secs(10);

/// The first message of a gateway's stream, which has to be its `hello`; `node` is the name in it.
pub(crate) async fn hello<M, H>(
    clock: &Clock,
    incoming: &mut Streaming<M>,
    hello: impl FnOnce(M) -> Option<H>,
    node: impl FnOnce(&H) -> &str,
) -> Result<H, Status> {
    let first = clock.timeout(WITHIN, incoming.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no `hello`"))??;
    let said = first.and_then(hello);
    let said = said.ok_or_else(|| Status::invalid_argument("the first message must be `hello`"))?;
    if is_name(node(&said)) {
        Ok(said)
    } else {
        Err(Status::invalid_argument(
            "`node` must be 1 to 253 letters, digits, `.`, `_`, `-` or `:`",
        ))
    }
}

fn is_name(node: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    !node.is_empty() && node.len() <= 253 && node.bytes().all(plain)
}
