//! What does an issuer's word about a token mean here? (RFC 7662)
//!
//! A JWT was verified before, and the word can only end it. Of another token it is all that is known:
//! it must fit what is expected of the issuer's tokens as if it had been read from a JWT.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jose::{Claims, Expectation, Refusal};
use plan::KeyManagerPlan;
use serde_json::{Map, Value};

use super::known::{Known, Tokens};
use super::revoked::Revocations;
use crate::fault::TokenRefused;
use crate::generation::Generation;
use crate::rpc::introspection::Word;

/// A token whose issuer has to be asked.
#[derive(Clone, Debug)]
pub struct Question {
    key_manager: Arc<KeyManagerPlan>,
    /// What was verified already; `None`: the token says nothing by itself.
    verified: Option<Rc<Known>>,
}

impl Question {
    pub(super) const fn about(
        key_manager: Arc<KeyManagerPlan>,
        verified: Option<Rc<Known>>,
    ) -> Self {
        Self { key_manager, verified }
    }

    /// Who is asked.
    pub const fn key_manager(&self) -> &Arc<KeyManagerPlan> {
        &self.key_manager
    }

    /// How long an answer counts.
    pub fn cache_seconds(&self) -> u32 {
        self.key_manager.introspection.map_or(1, |asked| asked.cache_seconds)
    }

    /// What the token is worth after this word about it.
    pub fn settle(
        self,
        token: &str,
        word: &Word,
        generation: &Generation,
        revocations: &Revocations,
        tokens: &RefCell<Tokens>,
        now_unix: i64,
    ) -> Result<Rc<Known>, TokenRefused> {
        let said = word.claims.as_deref().ok_or(TokenRefused::Inactive)?;
        let until = word.until_us.div_euclid(1_000_000);
        if let Some(known) = self.verified {
            known.vouch(until);
            return Ok(known);
        }
        let issuer = generation.issuer_of(&self.key_manager.name).ok_or(TokenRefused::NoKeys)?;
        let claims = read(said, &self.key_manager, issuer, until, now_unix)?;
        let known = Rc::new(Known::told(token, claims, &self.key_manager)?);
        known.vouch(until);
        if !known.enter(generation) {
            return Err(TokenRefused::Issuer);
        }
        known.is_alive(revocations)?;
        tokens.borrow_mut().insert(Rc::clone(&known));
        Ok(known)
    }
}

/// The claims that an issuer states of a token, in our words.
fn read(
    said: &str,
    key_manager: &KeyManagerPlan,
    issuer: &str,
    until: i64,
    now_unix: i64,
) -> Result<Claims, TokenRefused> {
    let mut said: Map<String, Value> =
        serde_json::from_str(said).map_err(|_| TokenRefused::Unintelligible)?;
    said.remove("active");
    // Both may be left out (RFC 7662 section 2.2): it was the issuer who was asked, and a token that
    // does not say its end is asked about again.
    said.entry("iss").or_insert_with(|| Value::from(issuer));
    said.entry("exp").or_insert_with(|| Value::from(until.max(now_unix).saturating_add(1)));
    let mut claims = Claims::of_object(said).map_err(TokenRefused::Refused)?;
    let expected = Expectation { issuer: issuer.to_owned(), ..key_manager.expectation.clone() };
    claims.fits(&expected, now_unix).map_err(|refusal| match refusal {
        Refusal::Issuer => TokenRefused::Issuer,
        other => TokenRefused::Refused(other),
    })?;
    key_manager.names.translate(&mut claims);
    Ok(claims)
}
