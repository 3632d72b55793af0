//! Is this bearer token a good JWT of a known issuer?

use std::cell::RefCell;
use std::rc::Rc;

use super::known::{Known, Tokens};
use super::revoked::Revocations;
use crate::cells::Cells;
use crate::fault::TokenRefused;
use crate::generation::Generation;

/// Verifies `token`, or recognises it. The signature is checked once; the end, the revocations and
/// the keys in force are looked at on every call.
pub fn verify(
    token: &str,
    generation: &Generation,
    revocations: &Revocations,
    tokens: &RefCell<Tokens>,
    cells: &Cells,
    now_unix: i64,
) -> Result<Rc<Known>, TokenRefused> {
    let known = tokens.borrow().get(token);
    let known = if let Some(known) = known.filter(|known| known.enter(generation)) {
        cells.tokens_known.add(1);
        known
    } else {
        let known = Rc::new(judge(token, generation, now_unix)?);
        cells.tokens_verified.add(1);
        tokens.borrow_mut().insert(Rc::clone(&known));
        known.enter(generation);
        known
    };
    if !known.lasts(now_unix) {
        return Err(TokenRefused::Refused(jose::Refusal::Expired));
    }
    known.is_alive(revocations)?;
    Ok(known)
}

/// The issuer that the token names is only used to choose the keys: it counts once they fit.
fn judge(token: &str, generation: &Generation, now_unix: i64) -> Result<Known, TokenRefused> {
    let named = jose::issuer_unverified(token).ok_or(TokenRefused::Unreadable)?;
    let issuer = generation.issuer(&named)?;
    let claims = jose::verify(token, issuer.keys, issuer.expectation, now_unix)
        .map_err(TokenRefused::Refused)?;
    if claims.other.contains_key("cnf") {
        return Err(TokenRefused::Bound);
    }
    Ok(Known::new(token, claims, issuer))
}

#[cfg(test)]
#[path = "bearer_jwt_tests.rs"]
mod tests;
