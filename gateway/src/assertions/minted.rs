//! Which JWTs for backends has this worker signed a moment ago?
//!
//! What a JWT says, without its times, is written anew for every call, into the same memory and far
//! cheaper than a signature; by exactly these bytes the finished JWT is found. So two callers share
//! one only if nobody could tell them apart by it, whatever kind of credential they have. Old and new
//! halves bound the memory: what is not asked for while one half fills is gone.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use jose::{Algorithm, SigningError};
use plan::Encoding;

use super::published::Signers;

/// What says more than this is signed for every call: a few callers must not fill the memory.
const MAX_KEPT_BYTES: usize = 8 * 1024;

/// The JWTs that one worker remembers.
pub struct Minted {
    signers: Arc<Signers>,
    /// The most in each half.
    most: usize,
    /// The configuration that they were signed under.
    generation: u64,
    young: HashMap<Box<[u8]>, Kept, ahash::RandomState>,
    old: HashMap<Box<[u8]>, Kept, ahash::RandomState>,
    /// Where what is wanted is written, and what it is put together in; kept for their room.
    said: Vec<u8>,
    scratch: Vec<u8>,
    issuer: Rc<str>,
}

/// A finished JWT. Times are Unix seconds.
#[derive(Clone)]
struct Kept {
    text: Rc<str>,
    /// When it is to be signed anew.
    until: i64,
    expires_at: i64,
}

/// What is wanted of a JWT beside its claims.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What it is signed with.
    pub algorithm: Algorithm,
    /// How its parts are written.
    pub encoding: Encoding,
    /// How long it is good, in seconds.
    pub lifetime: i64,
    /// When the caller's credential ends, in Unix seconds; `None`: it does not.
    pub ends_at: Option<i64>,
    /// The number of the configuration in force.
    pub generation: u64,
    /// The time, in Unix seconds.
    pub now: i64,
}

/// A JWT for a call.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// As it stands in the field.
    pub text: Rc<str>,
    /// Whether it was signed for this call.
    pub fresh: bool,
}

/// Why there is no JWT.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// No key signs with the algorithm yet.
    #[error("no key signs with {0} yet")]
    Missing(Algorithm),
    /// It does not sign.
    #[error("the key does not sign")]
    Signing(#[from] SigningError),
}

impl Minted {
    /// Remembers at most `most`.
    pub fn new(signers: Arc<Signers>, most: usize) -> Self {
        let most = most.div_ceil(2).max(1);
        let (young, old) = Default::default();
        let (said, scratch, issuer) = (Vec::new(), Vec::new(), Rc::from(&*signers.issuer));
        Self { signers, most, generation: 0, young, old, said, scratch, issuer }
    }

    /// Who signs.
    pub const fn signers(&self) -> &Arc<Signers> {
        &self.signers
    }

    /// In whose name.
    pub const fn issuer(&self) -> &Rc<str> {
        &self.issuer
    }

    /// The JWT with the claims that `fill` writes as members of a JSON object, at least one and no
    /// times. It gets a second buffer to put values together in.
    pub fn assertion(
        &mut self,
        wanted: Wanted,
        fill: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<Assertion, NoKey> {
        if self.generation != wanted.generation {
            self.generation = wanted.generation;
            self.young.clear();
            self.old.clear();
        }
        let mut said = std::mem::take(&mut self.said);
        said.clear();
        fill(&mut said, &mut self.scratch);
        let claims = said.len();
        // Whatever makes another JWT of the same claims.
        said.extend_from_slice(wanted.algorithm.name().as_bytes());
        said.extend_from_slice(&i32::from(wanted.encoding).to_le_bytes());
        said.extend_from_slice(&wanted.lifetime.to_le_bytes());
        let found = self.find(&said, wanted);
        let made = match found {
            Some(text) => Ok(Assertion { text, fresh: false }),
            None => self.sign(said.get(..claims).unwrap_or_default(), wanted).map(|kept| {
                let text = Rc::clone(&kept.text);
                self.keep(said.as_slice().into(), kept);
                Assertion { text, fresh: true }
            }),
        };
        self.said = said;
        made
    }

    fn find(&mut self, said: &[u8], wanted: Wanted) -> Option<Rc<str>> {
        let ends_at = wanted.ends_at.unwrap_or(i64::MAX);
        // One that was signed for a caller who stays longer would outlive the credential of this one.
        let good = |kept: &&Kept| wanted.now < kept.until && kept.expires_at <= ends_at;
        if let Some(kept) = self.young.get(said) {
            return Some(kept).filter(good).map(|kept| Rc::clone(&kept.text));
        }
        let (said, kept) = self.old.remove_entry(said)?;
        let text = Some(&kept).filter(good).map(|kept| Rc::clone(&kept.text));
        if text.is_some() {
            self.keep(said, kept);
        }
        text
    }

    fn keep(&mut self, said: Box<[u8]>, kept: Kept) {
        if said.len() > MAX_KEPT_BYTES {
            return;
        }
        if self.young.len() >= self.most && !self.young.contains_key(&said) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(said, kept);
    }

    fn sign(&self, claims: &[u8], wanted: Wanted) -> Result<Kept, NoKey> {
        let Wanted { algorithm, encoding, lifetime, now, .. } = wanted;
        let signer = self.signers.signer(algorithm).ok_or(NoKey::Missing(algorithm))?;
        let expires_at = now.saturating_add(lifetime).min(wanted.ends_at.unwrap_or(i64::MAX));
        let jti = chassis::random::token(16);
        let times = format!(r#","iat":{now},"nbf":{now},"exp":{expires_at},"jti":"{jti}"}}"#);
        let whole = [b"{", claims, times.as_bytes()].concat();
        let text = signer.sign(&whole, encoding)?.into();
        let half = now.saturating_add(lifetime / 2);
        Ok(Kept { text, until: half.min(expires_at), expires_at })
    }
}

/// JWTs are credentials.
impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("kept", &self.young.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "minted_tests.rs"]
mod tests;
