//! Who vouches for what a gateway should hold?
//!
//! This control plane, with the key of its own certificate: gateways trust its authority already.
//! One signature for all gateways of a slice at one revision, and a new one when the certificate
//! has changed, so that what gateways have on their disks never stands on an authority that is about
//! to be given up.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chassis::Clock;
use chassis::pki::{Error, Identity};
use plan::Statement;
use tokio::sync::watch;
use turnpike_proto::config::v1::StateSignature;

use super::meters::Meters;
use super::slice::{Labels, SliceState};

/// How many signatures are kept for the next gateway of the same slice.
const SHARED: usize = 64;

/// Signs states.
#[derive(Debug)]
pub struct Signer {
    identity: Identity,
    clock: Clock,
    meters: Meters,
    made: Mutex<VecDeque<Made>>,
}

#[derive(Debug)]
struct Made {
    statement: Vec<u8>,
    /// The renewal of the certificate that it was made after.
    renewal: u64,
    signature: StateSignature,
}

impl Signer {
    /// Signs in the name of `identity`.
    pub fn new(identity: Identity, clock: Clock, meters: Meters) -> Self {
        Self { identity, clock, meters, made: Mutex::default() }
    }

    /// Hears whenever another certificate is in force.
    pub(super) fn renewals(&self) -> watch::Receiver<u64> {
        self.identity.renewals()
    }

    /// Vouches for what gateways with `labels` should hold.
    pub(super) fn vouch(
        &self,
        labels: &Labels,
        target: &SliceState,
    ) -> Result<StateSignature, Error> {
        let (epoch, revision, hash) = (&*target.epoch, target.revision, target.hash());
        let statement = Statement { epoch, revision, hash, labels }.to_bytes();
        let renewal = self.identity.reloads();
        // Held while it is made: gateways that come together share the work instead of doubling it.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |one: &&Made| one.renewal == renewal && one.statement == statement;
        if let Some(one) = made.iter().rev().find(fits) {
            return Ok(one.signature.clone());
        }
        let begun = self.clock.instant();
        let said = self.identity.sign(Statement::DOMAIN, &statement, self.clock.unix_seconds())?;
        self.meters.signed(self.clock.instant().saturating_duration_since(begun));
        let signature = StateSignature {
            scheme: said.scheme.into(),
            signature: said.bytes,
            chain: said.chain.iter().map(|certificate| certificate.to_vec()).collect(),
            signed_at: said.signed_at,
        };
        if made.len() >= SHARED {
            made.pop_front();
        }
        made.push_back(Made { statement, renewal, signature: signature.clone() });
        Ok(signature)
    }
}
