//! Who wants to know of calls that were refused?

use std::fmt::Debug;
use std::net::SocketAddr;

use crate::pki::Peer;

/// Hears of refused calls. It is told on the way to the answer, so it must not wait.
pub trait Ear: Debug + Send + Sync {
    /// A call was refused.
    fn refused(&self, refused: Refused<'_>);
}

/// A call that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'r> {
    /// Who called; none: no service that its certificate names.
    pub peer: Option<&'r Peer>,
    /// From where; none: it is not known.
    pub address: Option<SocketAddr>,
    /// `/package.Service/Method`.
    pub path: &'r str,
    /// Why, as the caller is told.
    pub why: &'r str,
}
