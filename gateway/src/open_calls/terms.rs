//! Would this call be let in again?
//!
//! It is asked the same questions by the same code as a call that comes now, but for how often it may
//! call and who serves it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue};
use plan::{ApiPlan, OperationPlan};

use crate::certificate::ClientCertificate;
use crate::credentials::{Grounds, Question};
use crate::fault::{Fault, TokenRefused};
use crate::handlers::{self, Caller, Standing, Whence};
use crate::router;

/// How long an issuer may take to stand by a token again.
const PATIENCE_SECONDS: i64 = 5;

/// What an open call was let in by.
#[derive(Debug)]
pub struct Terms {
    /// The API or product that is called.
    pub api: Arc<ApiPlan>,
    /// Its operation.
    pub operation: Arc<OperationPlan>,
    /// Who calls.
    pub caller: Caller,
    /// The address of the client.
    pub client: IpAddr,
    /// The certificate of its connection.
    pub certificate: Option<Rc<ClientCertificate>>,
    /// The fields that say which page it is made by.
    pub pages: HeaderMap,
    /// Until when the issuer of the token may take to stand by it again, and when it was asked last;
    /// `None`: nobody was asked.
    pub asked_until: Option<(i64, i64)>,
}

/// A token whose issuer has to be asked again.
pub type Asked = (String, Question);

/// The fields that say which page a call is made by.
pub fn pages(origin: Option<&HeaderValue>, referer: Option<&HeaderValue>) -> HeaderMap {
    let fields = [(ORIGIN, origin), (REFERER, referer)];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))).collect()
}

impl Terms {
    /// Asks everything anew, under the configuration in force.
    pub fn judge(&mut self, grounds: Grounds<'_>) -> Result<(), Fault> {
        let plan = &grounds.generation.plan;
        let for_test = self.caller.test_key().is_some();
        let matched = router::find_again(plan, &self.api, &self.operation, for_test)?;
        handlers::deny_place(plan, &matched, self.client, grounds.now_unix)?;
        let whence = Whence { client: self.client, headers: &self.pages };
        let caller = self.caller.again(&matched, self.certificate.as_ref(), grounds)?;
        let permit = handlers::authorize(plan, matched, caller, whence)?;
        handlers::deny_caller(plan, &permit, self.client, grounds.now_unix)?;
        let (api, operation) = (Arc::clone(matched.api()), Arc::clone(matched.operation()));
        let caller = permit.caller().clone();
        (self.api, self.operation, self.caller) = (api, operation, caller);
        Ok(())
    }

    /// Asks what time and revocations change.
    pub(super) fn check(&mut self, grounds: Grounds<'_>) -> Result<Option<Asked>, Fault> {
        let (token, question) = match self.caller.stands(&self.api.security, grounds)? {
            Standing::Question(token, question) => (token, question),
            Standing::Good => return Ok(None),
            Standing::Anew(caller) => {
                (self.caller, self.asked_until) = (caller, None);
                return Ok(None);
            }
        };
        let now = grounds.now_unix;
        let until = self.asked_until.map_or(now.saturating_add(PATIENCE_SECONDS), |asked| asked.0);
        match self.asked_until.replace((until, now)) {
            Some((_, last)) if now == last => Ok(None),
            // It may have been away for a moment only.
            asked if asked.is_none() || now < until => Ok(Some((token, question))),
            // Nobody has said that it is bad.
            _ => Err(Fault::KeyManagerAway(Box::new(TokenRefused::NotHeard))),
        }
    }

    /// Whether judging it takes a signature to be verified.
    pub(super) fn is_costly(&self, grounds: Grounds<'_>) -> bool {
        self.caller.has_to_be_verified(grounds.generation)
    }
}
