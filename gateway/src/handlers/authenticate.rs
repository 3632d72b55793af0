//! Who calls?
//!
//! A `Caller` is the proof that the credential was looked at as the operation asks. Where it asks
//! for none, none is looked at, and the Authorization field goes on to the backend.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderMap;

use crate::cells::Cells;
use crate::credentials::{self, Known, Revocations, Shown, Tokens};
use crate::fault::{BadRequest, Fault, TokenRefused};
use crate::generation::Generation;
use crate::router::Matched;

/// Proof that the caller is known, as far as the operation wants to know them.
#[derive(Clone, Debug)]
pub struct Caller {
    token: Option<Rc<Known>>,
}

/// What credentials are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'w> {
    /// Keys and rules in force.
    pub generation: &'w Generation,
    /// What has ended.
    pub revocations: &'w Revocations,
    /// What was verified before.
    pub tokens: &'w RefCell<Tokens>,
    /// Where verifications are counted.
    pub cells: &'w Cells,
    /// The time in seconds.
    pub now_unix: i64,
}

/// Looks at the credential that `matched` asks for.
pub fn authenticate(
    matched: &Matched<'_>,
    headers: &HeaderMap,
    evidence: Evidence<'_>,
) -> Result<Caller, Fault> {
    if matched.is_open() {
        return Ok(Caller { token: None });
    }
    let token = match credentials::shown(headers) {
        Shown::Nothing => return Err(Fault::MissingCredentials),
        Shown::TooMuch => return Err(Fault::BadRequest(BadRequest::Authorization)),
        Shown::Bearer(token) => token,
    };
    let Evidence { generation, revocations, tokens, cells, now_unix } = evidence;
    let known = credentials::verify(token, generation, revocations, tokens, cells, now_unix)
        .map_err(Fault::InvalidToken)?;
    // A good token of an issuer that another API trusts is no token here.
    if !matched.api().key_managers.iter().any(|name| **name == *known.key_manager()) {
        return Err(Fault::InvalidToken(TokenRefused::Issuer));
    }
    Ok(Caller { token: Some(known) })
}

impl Caller {
    /// The token that was shown; `None` where none is asked for.
    pub const fn token(&self) -> Option<&Rc<Known>> {
        self.token.as_ref()
    }
}
