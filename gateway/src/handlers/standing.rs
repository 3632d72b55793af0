//! Is the caller of an open call still who they were?
//!
//! Nothing is shown again while a call lasts. What was shown is looked at again: whether it has run
//! out or was revoked, and, in another generation, whether anybody still stands behind it.

use std::rc::Rc;

use plan::{SchemeSet, SecurityPlan};
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use super::authenticate::{certificate, refused, settled, trusts};
use super::caller::Caller;
use super::heard::check_heard;
use super::trial::Trial;
use crate::certificate::ClientCertificate;
use crate::credentials::{self, Grounds, Known, Question, Verified};
use crate::fault::{CredentialRefused, Fault, TokenRefused};
use crate::generation::Generation;
use crate::router::Matched;
use crate::rpc::introspection;

/// What is known of the caller of an open call.
#[derive(Debug)]
pub enum Standing {
    /// They may go on.
    Good,
    /// They may go on, and this is who they are now.
    Anew(Caller),
    /// The issuer of the token has to be asked again.
    Question(String, Question),
}

/// Asks the issuer of a token again. What comes of it stands among the tokens that are known.
pub async fn ask_again(
    (token, question): (&str, Question),
    issuers: &introspection::Handle,
    grounds: Grounds<'_>,
) -> Result<(), Fault> {
    settled((token, question), issuers, grounds).await.map(drop)
}

impl Caller {
    /// The same caller in another generation, where `matched` is called. `shown` is the certificate
    /// of their connection.
    pub fn again(
        &self,
        matched: &Matched<'_>,
        shown: Option<&Rc<ClientCertificate>>,
        grounds: Grounds<'_>,
    ) -> Result<Self, Fault> {
        if let Some(key) = &self.test_key {
            key.again(grounds).map_err(|_| Trial::refused())?;
            return Ok(self.clone());
        }
        if matched.is_open() {
            return Ok(Self::default());
        }
        let token = self.token.as_ref().map(|token| token_again(matched, token, grounds));
        let api_key = self.api_key.as_ref().map(|key| {
            let known = grounds.generation.plan.api_key(&key.digest);
            known.cloned().ok_or(Fault::InvalidCredential(CredentialRefused::ApiKey))
        });
        let certificate = self.certificate.as_ref().map(|_| {
            let rights = certificate(matched, shown, grounds);
            rights.ok_or(Fault::InvalidCredential(CredentialRefused::Certificate))
        });
        let caller = Self {
            token: token.transpose()?,
            api_key: api_key.transpose()?,
            person: self.person.clone(),
            certificate: certificate.transpose()?,
            test_key: None,
        };
        caller.stands(&matched.api().security, grounds)?;
        let has = caller.schemes();
        let enough = matched.api().security.alternatives.iter().any(|way| has.has_all(*way));
        if enough { Ok(caller) } else { Err(Fault::MissingCredentials) }
    }

    /// Whether the credentials of an open call have neither run out nor been revoked, and the API that
    /// is called finds that well enough known.
    pub fn stands(&self, security: &SecurityPlan, grounds: Grounds<'_>) -> Result<Standing, Fault> {
        let refused_as = |why| Err(Fault::InvalidCredential(why));
        if self.api_key.as_ref().is_some_and(|key| key.ends_at <= grounds.now_unix) {
            return refused_as(CredentialRefused::ApiKeyExpired);
        }
        if self.person.as_ref().is_some_and(|person| grounds.revocations.has_ended(person)) {
            return refused_as(CredentialRefused::Password);
        }
        if let Some(key) = &self.test_key {
            key.stands(grounds).map_err(|_| Trial::refused())?;
        }
        if let Some(token) = &self.token {
            token.stands(grounds).map_err(refused)?;
        }
        check_heard(security, self, grounds)?;
        let Some(token) = &self.token else { return Ok(Standing::Good) };
        if token.to_ask(grounds.now_unix).is_none() {
            return Ok(Standing::Good);
        }
        // Another call may have asked meanwhile.
        Ok(match credentials::verify(token.text(), grounds).map_err(refused)? {
            Verified::Good(known) => Standing::Anew(Self { token: Some(known), ..self.clone() }),
            Verified::Ask(question) => Standing::Question(token.text().to_owned(), question),
        })
    }

    /// Whether it takes a verification to say who the caller is now.
    pub fn has_to_be_verified(&self, generation: &Generation) -> bool {
        self.token.as_ref().is_some_and(|token| !token.enter(generation))
    }

    fn schemes(&self) -> SchemeSet {
        let all = [
            (self.token.is_some(), Scheme::Oauth2),
            (self.person.is_some(), Scheme::Basic),
            (self.api_key.is_some(), Scheme::ApiKey),
            (self.certificate.is_some(), Scheme::MutualTls),
        ];
        SchemeSet::of_those(all)
    }
}

fn token_again(
    matched: &Matched<'_>,
    token: &Rc<Known>,
    grounds: Grounds<'_>,
) -> Result<Rc<Known>, Fault> {
    let token = if token.enter(grounds.generation) {
        Rc::clone(token)
    } else {
        match credentials::verify(token.text(), grounds).map_err(refused)? {
            Verified::Good(known) => known,
            // Whoever calls shows it again, and then its issuer is asked.
            Verified::Ask(_) => return Err(Fault::InvalidToken(TokenRefused::Inactive)),
        }
    };
    if !trusts(matched, token.key_manager()) {
        return Err(Fault::InvalidToken(TokenRefused::Issuer));
    }
    Ok(token)
}
