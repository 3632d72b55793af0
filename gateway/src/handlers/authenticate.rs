//! Who calls?
//!
//! A `Caller` is the proof that the credential was looked at as the operation asks. Where it asks
//! for none, none is looked at, and the Authorization field goes on to the backend.

use std::rc::Rc;

use http::HeaderMap;

use crate::credentials::{self, Grounds, Known, Question, Shown, Verified};
use crate::fault::{BadRequest, Fault, TokenRefused};
use crate::router::Matched;
use crate::rpc::introspection;

/// Proof that the caller is known, as far as the operation wants to know them.
#[derive(Clone, Debug)]
pub struct Caller {
    token: Option<Rc<Known>>,
}

/// How far a caller is known without asking anybody.
#[derive(Debug)]
pub enum Seen<'h> {
    /// As far as is wanted.
    Caller(Caller),
    /// The issuer of the token has to be asked.
    Question(&'h str, Question),
}

/// Looks at the credential that `matched` asks for.
pub fn authenticate<'h>(
    matched: &Matched<'_>,
    headers: &'h HeaderMap,
    grounds: Grounds<'_>,
) -> Result<Seen<'h>, Fault> {
    if matched.is_open() {
        return Ok(Seen::Caller(Caller { token: None }));
    }
    let token = match credentials::shown(headers) {
        Shown::Nothing => return Err(Fault::MissingCredentials),
        Shown::TooMuch => return Err(Fault::BadRequest(BadRequest::Authorization)),
        Shown::Bearer(token) => token,
    };
    // A good token of an issuer that another API trusts is no token here, and nobody is asked about it.
    let trusts = |name: &str| matched.api().key_managers.iter().any(|trusted| **trusted == *name);
    match credentials::verify(token, grounds).map_err(refused)? {
        Verified::Good(known) if trusts(known.key_manager()) => {
            Ok(Seen::Caller(Caller { token: Some(known) }))
        }
        Verified::Ask(question) if trusts(&question.key_manager().name) => {
            Ok(Seen::Question(token, question))
        }
        Verified::Good(_) | Verified::Ask(_) => Err(Fault::InvalidToken(TokenRefused::Issuer)),
    }
}

/// Nobody can say of a token that it is bad where the keys to judge it are missing.
fn refused(refused: TokenRefused) -> Fault {
    match refused {
        TokenRefused::NoKeys => Fault::KeyManagerAway(Box::new(refused)),
        refused => Fault::InvalidToken(refused),
    }
}

/// Asks the issuer of `token`.
pub async fn ask(
    (token, question): (&str, Question),
    issuers: &introspection::Handle,
    grounds: Grounds<'_>,
) -> Result<Caller, Fault> {
    let name = std::sync::Arc::clone(&question.key_manager().name);
    let word = issuers.ask(name, token.to_owned(), question.cache_seconds()).await;
    let word = word.map_err(|error| Fault::KeyManagerAway(Box::new(error)))?;
    let Grounds { generation, revocations, tokens, now_unix, .. } = grounds;
    let known = question.settle(token, &word, generation, revocations, tokens, now_unix);
    Ok(Caller { token: Some(known.map_err(refused)?) })
}

impl Caller {
    /// The token that was shown; `None` where none is asked for.
    pub const fn token(&self) -> Option<&Rc<Known>> {
        self.token.as_ref()
    }
}
