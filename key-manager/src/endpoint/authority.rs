//! What do the endpoints work with?

use std::sync::Arc;

use chassis::clock::Clock;

use super::Issuer;
use crate::binding::ProofRules;
use crate::client_auth::Authenticator;
use crate::issue::{Keeper, TokenRules};
use crate::meter::Meter;
use crate::revocation::RevocationLog;
use crate::store::Store;
use crate::vault::Pepper;

/// The parts, as `bootstrap` put them together; cheap to clone.
#[derive(Clone, Debug)]
pub struct Authority {
    pub issuer: Arc<Issuer>,
    pub rules: Arc<TokenRules>,
    pub store: Arc<dyn Store>,
    pub pepper: Arc<Pepper>,
    pub keeper: Arc<Keeper>,
    pub log: Arc<RevocationLog>,
    /// Who proves clients.
    pub clients: Arc<Authenticator>,
    /// What holds for proofs of possession.
    pub proofs: Arc<ProofRules>,
    /// Where clients that show certificates find the endpoints, if that is elsewhere.
    pub certificate_base: Option<Arc<Issuer>>,
    pub meter: Meter,
    pub clock: Clock,
}
