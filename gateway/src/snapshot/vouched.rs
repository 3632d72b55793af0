//! Who says that this is what the gateway should hold?
//!
//! A control plane, by a signature that is looked at before anything is put in force: also what is
//! read from a file, where no connection says who is at the other end. What nobody vouches for is
//! not served.

use std::collections::BTreeMap;

use chassis::pki::{Identity, NotSaid, Signature};
use plan::Statement;

/// A control plane's word for a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The labels of the gateways that it is for.
    pub labels: BTreeMap<String, String>,
    /// The word.
    pub signature: Signature,
}

/// Why a state is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum Unvouched {
    /// It comes without a signature.
    #[error("nobody vouches for it: it is not signed")]
    Nobody,
    /// The signature is none of a control plane of ours over this state.
    #[error("no control plane of ours vouches for it")]
    NotSaid(#[from] NotSaid),
}

impl Vouched {
    /// The word `signature` for what gateways with `labels` should hold, once it is seen to be one.
    pub fn by(
        signature: Option<Signature>,
        statement: &Statement<'_>,
        identity: &Identity,
    ) -> Result<Self, Unvouched> {
        let signature = signature.ok_or(Unvouched::Nobody)?;
        let (domain, content) = (Statement::DOMAIN, statement.to_bytes());
        identity.has_said("control-plane", domain, &content, &signature)?;
        Ok(Self { labels: statement.labels.clone(), signature })
    }

    /// Whether another certificate vouches than for `other`.
    pub(super) fn is_by_another(&self, other: &Self) -> bool {
        self.signature.chain != other.signature.chain
    }
}
