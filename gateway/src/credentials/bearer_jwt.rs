//! Is this bearer token good?
//!
//! A JWT by the keys of the issuer that it names. Another token belongs to the key manager whose
//! pattern it matches, and to nobody otherwise; what it is worth is for its issuer to say.

use std::cell::RefCell;
use std::rc::Rc;

use super::known::{Known, Tokens};
use super::revoked::Revocations;
use super::word::Question;
use crate::cells::Cells;
use crate::fault::TokenRefused;
use crate::generation::Generation;
use crate::rpc::missing_keys;

/// What tokens are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'w> {
    /// Keys and rules in force.
    pub generation: &'w Generation,
    /// What has ended.
    pub revocations: &'w Revocations,
    /// What was verified before.
    pub tokens: &'w RefCell<Tokens>,
    /// Where verifications are counted.
    pub cells: &'w Cells,
    /// Who hears of keys that are not known.
    pub missing: &'w missing_keys::Handle,
    /// The time in seconds.
    pub now_unix: i64,
}

/// How far a token can be judged here.
#[derive(Debug)]
pub enum Verified {
    /// It is good.
    Good(Rc<Known>),
    /// Its issuer has to be asked.
    Ask(Question),
}

/// Verifies `token`, or recognises it. The signature is checked once; the end, the revocations, the
/// keys in force and whether its issuer still stands by it are looked at on every call.
pub fn verify(token: &str, grounds: Grounds<'_>) -> Result<Verified, TokenRefused> {
    let Grounds { generation, tokens, cells, now_unix, .. } = grounds;
    let known = tokens.borrow().get(token);
    let known = if let Some(known) = known.filter(|known| known.enter(generation)) {
        cells.tokens_known.add(1);
        known
    } else {
        let known = match judge(token, grounds)? {
            Verified::Good(known) => known,
            ask @ Verified::Ask(_) => return Ok(ask),
        };
        cells.tokens_verified.add(1);
        tokens.borrow_mut().insert(Rc::clone(&known));
        known.enter(generation);
        known
    };
    known.stands(grounds)?;
    match known.to_ask(now_unix) {
        Some(question) => Ok(Verified::Ask(question)),
        None => Ok(Verified::Good(known)),
    }
}

/// The issuer that the token names is only used to choose the keys: it counts once they fit.
fn judge(token: &str, grounds: Grounds<'_>) -> Result<Verified, TokenRefused> {
    let Grounds { generation, missing, now_unix, .. } = grounds;
    let Some(named) = jose::issuer_unverified(token) else {
        let owner = generation.plan.key_manager_by_pattern(token);
        let owner = owner.ok_or(TokenRefused::Unreadable)?;
        if !owner.enabled {
            return Err(TokenRefused::Disabled);
        }
        return Ok(Verified::Ask(Question::about(std::sync::Arc::clone(owner), None)));
    };
    let issuer = generation.issuer(&named)?;
    let claims = jose::verify(token, issuer.keys, issuer.expectation, now_unix);
    let mut claims = claims.map_err(|refusal| {
        if let jose::Refusal::UnknownKey { kid } = &refusal
            && issuer.key_manager.keys.is_none()
        {
            missing.tell(&issuer.key_manager.name, kid);
        }
        TokenRefused::Refused(refusal)
    })?;
    issuer.key_manager.names.translate(&mut claims);
    Ok(Verified::Good(Rc::new(Known::new(token, claims, issuer)?)))
}

#[cfg(test)]
#[path = "bearer_jwt_tests.rs"]
mod tests;
