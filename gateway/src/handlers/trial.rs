//! Does somebody who answers for the API try it out?
//!
//! A call that shows a test key is made with it where no other credential of the API is shown. Where one
//! is, that one decides, as if there were no test key: its owner then only sees why.

use std::rc::Rc;

use http::HeaderName;
use plan::{ApiPlan, Hit, Plan};
use turnpike_proto::config::v1::lifecycle::State;

use super::authenticate::{Means, Seen, authenticate, certificate};
use super::caller::Caller;
use super::heard::check_heard;
use crate::credentials::{self, Grounds, TestKey};
use crate::fault::{BadRequest, CredentialRefused, Fault, TokenRefused};
use crate::identity::{DEBUG, EXPLAIN, TEST_KEY};
use crate::received::Received;
use crate::router::{self, Matched};

static SHOWN: HeaderName = HeaderName::from_static(TEST_KEY);

/// A call that shows a test key, good or not.
#[derive(Debug)]
pub struct Trial {
    key: Result<Rc<TestKey>, TokenRefused>,
    debugs: bool,
    explains: bool,
}

/// Whether the field called `name` shows a test key.
pub fn is_test_key(name: &HeaderName) -> bool {
    *name == SHOWN
}

/// What a call shows of being a trial that has the field for it.
pub fn trial(received: &Received, grounds: Grounds<'_>) -> Result<Box<Trial>, Fault> {
    let headers = &received.headers;
    let mut fields = headers.get_all(&SHOWN).iter();
    let (field, None) = (fields.next(), fields.next()) else {
        return Err(Fault::BadRequest(BadRequest::TestKey));
    };
    let text = field.and_then(|field| str::from_utf8(field.as_bytes()).ok()).unwrap_or_default();
    let wants = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
    Ok(Box::new(Trial {
        key: TestKey::verify(text.trim_ascii(), grounds).map(Rc::new),
        debugs: wants(DEBUG),
        explains: wants(EXPLAIN),
    }))
}

impl Trial {
    /// The API that is called; one that is not published yet is there for those who test it.
    pub fn find_api<'g>(&self, plan: &'g Plan, received: &'g Received) -> Result<Hit<'g>, Fault> {
        router::find_api_for_test(plan, received, |api| self.opens(api))
    }

    /// Whether its key is good for this API.
    pub fn opens(&self, api: &ApiPlan) -> bool {
        self.key.as_ref().is_ok_and(|key| key.opens(api))
    }

    /// Whether its key is good for every API.
    pub fn opens_all(&self) -> bool {
        self.key.as_ref().is_ok_and(|key| key.opens_all())
    }

    /// Whether an explanation is asked for in place of an answer.
    pub const fn explains(&self) -> bool {
        self.explains
    }

    /// Whether an explanation is asked for beside the answer.
    pub const fn debugs(&self) -> bool {
        self.debugs
    }

    /// What is said of a key that is not good, or not for this API.
    pub const fn refused() -> Fault {
        Fault::InvalidCredential(CredentialRefused::TestKey)
    }

    /// Looks at the credentials that `matched` asks for, or takes the test key in their place.
    pub fn authenticate<'r>(
        &self,
        matched: &Matched<'_>,
        received: &'r Received,
        means: Means<'_>,
    ) -> Result<Seen<'r>, Fault> {
        let api = matched.api();
        let key = self.key.as_ref().ok().filter(|key| key.opens(api));
        let with_key = match key {
            Some(key) => !key.explains_only() && !shows_another(matched, received, means)?,
            // It is not good, and nothing else is shown that could be.
            None if !matched.is_open() && !shows_another(matched, received, means)? => {
                return Err(Self::refused());
            }
            None => false,
        };
        if let Some(key) = key.filter(|_| with_key) {
            let caller = Caller::testing(Rc::clone(key));
            check_heard(&api.security, &caller, means.grounds)?;
            return Ok(Seen::Caller(caller));
        }
        if api.lifecycle == State::Created {
            return Err(Fault::NoApi);
        }
        authenticate(matched, received, means)
    }
}

/// Whether another credential is shown that the operation would look at.
fn shows_another(
    matched: &Matched<'_>,
    received: &Received,
    means: Means<'_>,
) -> Result<bool, Fault> {
    if matched.is_open() {
        return Ok(false);
    }
    let shown = credentials::shown(&received.headers, &matched.api().security);
    let shown = shown.map_err(Fault::BadRequest)?;
    let any = shown.token.is_some() || shown.password.is_some() || shown.api_key.is_some();
    let certified = || certificate(matched, received.peer.certificate.as_ref(), means.grounds);
    Ok(any || certified().is_some())
}
