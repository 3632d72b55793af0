//! What does a request bind its token to, and is its proof still good when the token is made?
//!
//! Two steps around the grant: `Bound::read` before it, so that nothing is used up by a request that
//! has to be made again with a nonce; `Bound::spend` after it, so that only requests that would get a
//! token take room among the proofs that are remembered.

use http::HeaderValue;

use super::{Authority, Refusal, Reply, Request};
use crate::binding::{Possession, confirm};
use crate::domain::{Client, Confirmation};

/// Where a nonce for the next proof stands (RFC 9449 section 8).
pub(super) const NONCE: &str = "dpop-nonce";

pub(super) struct Bound {
    pub(super) confirmation: Confirmation,
    proof: Option<Possession>,
}

impl Bound {
    /// Reads the proof for the endpoint `name` and judges it, and the certificate.
    pub(super) fn read(
        authority: &Authority,
        request: &Request,
        client: &Client,
        name: &str,
        now: i64,
    ) -> Result<Self, Refusal> {
        let proof = authority.proofs.read(&request.headers, "POST", name, now)?;
        let certificate = authority.clients.certificate(request.peer.certificate.as_deref());
        let confirmation = confirm(client, proof.as_ref(), certificate)?;
        Ok(Self { confirmation, proof })
    }

    pub(super) async fn spend(
        &self,
        authority: &Authority,
        client: &Client,
        now: i64,
    ) -> Result<(), Refusal> {
        let Some(proof) = &self.proof else { return Ok(()) };
        authority.proofs.spend(authority.store.as_ref(), &client.id, proof, now).await?;
        Ok(())
    }

    /// Gives the nonce for the next proof along.
    pub(super) fn renew(&self, authority: &Authority, reply: &mut Reply, now: i64) {
        let nonces = authority.proofs.nonces.as_ref().filter(|_| self.proof.is_some());
        let nonce = nonces.map(|nonces| nonces.current(now));
        if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
            reply.headers_mut().insert(NONCE, nonce);
        }
    }
}
