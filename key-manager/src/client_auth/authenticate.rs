//! Do the credentials prove the client?
//!
//! By the method that was agreed with it, and by no other (KM-051). An unknown client costs what a
//! wrong secret costs: one look into the store and one digest.

use std::sync::Arc;

use jose::{Claims, Expectation, KeySet};

use super::assertion::{ASSERTION_ALGORITHMS, AssertionError, AssertionRules, is_fapi2};
use super::certificate::Certificates;
use super::guesses::Guesses;
use super::keys::{KeysError, RemoteKeys};
use super::known::KnownClients;
use super::method::{MethodError, Presented, Shown};
use super::secret::sealed_for;
use crate::domain::{AuthMethod, Client};
use crate::store::{Store, StoreError, StoredClient, StoredSecret};
use crate::vault::{Pepper, Sealer};

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Says the same of an unknown client, a wrong secret and a secret that has ended.
    #[error("the client is unknown or its secret is wrong")]
    Wrong,
    #[error("the client is registered for {registered}")]
    OtherMethod { registered: &'static str },
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    #[error("no certificate was shown, or not the client's")]
    Certificate,
    #[error("the client's keys cannot be read")]
    Keys(#[from] KeysError),
    #[error("the client could not be looked up")]
    Store(#[from] StoreError),
}

impl AuthError {
    /// Whether somebody who does not know the secret hears this.
    const fn is_a_guess(&self) -> bool {
        matches!(
            self,
            Self::Wrong | Self::Assertion(AssertionError::Refused(jose::Refusal::Signature))
        )
    }
}

/// Who proves clients, as `bootstrap` put it together.
#[derive(Debug)]
pub struct Authenticator {
    pub store: Arc<dyn Store>,
    pub known: KnownClients,
    pub pepper: Arc<Pepper>,
    pub sealer: Sealer,
    pub rules: AssertionRules,
    pub certificates: Certificates,
    /// The keys of clients that keep them themselves.
    pub remote: Arc<RemoteKeys>,
    /// Who guesses secrets.
    pub guesses: Guesses,
}

impl Authenticator {
    /// The methods that work here, by the names that discovery gives them.
    pub fn methods(&self) -> impl Iterator<Item = AuthMethod> {
        AuthMethod::NAMED.into_iter().filter(|method| self.works(*method))
    }

    /// Whether a client may be registered for this method.
    pub(super) fn works(&self, method: AuthMethod) -> bool {
        match method {
            AuthMethod::Tls => self.certificates.has_authority(),
            AuthMethod::SelfSignedTls => self.certificates.are_accepted(),
            _ => true,
        }
    }

    /// The client that a request is from. A public client proves nothing: what it may do is for
    /// the endpoint to say.
    pub async fn authenticate(
        &self,
        presented: Presented<'_>,
        now: i64,
    ) -> Result<Client, AuthError> {
        let credentials = presented.credentials()?;
        let stored = match &credentials.id {
            Some(id) => self.known.find(id).await?,
            None => None,
        };
        let owner = credentials.id.as_ref().map_or("", |id| id.as_str());
        let Some(stored) = stored else {
            if let Shown::Secret(_, secret) = &credentials.shown {
                self.pepper.matches(owner, secret, "");
            }
            return Err(AuthError::Wrong);
        };
        let StoredClient { client, secrets, .. } = stored.as_ref();
        let guessable = client.authentication.method.has_secret()
            && !matches!(credentials.shown, Shown::Nothing);
        let attempt = guessable.then(|| self.guesses.begin(&client.id, presented.address, now));
        let proven = self.prove(client, secrets, &presented, &credentials.shown, now).await;
        match attempt {
            None => proven?,
            // Too many were wrong: whoever has to wait hears nothing else, also of a right one.
            Some(None) => return Err(AuthError::Wrong),
            Some(Some(attempt)) => {
                if !proven.as_ref().is_err_and(AuthError::is_a_guess) {
                    attempt.succeeded();
                }
                proven?;
            }
        }
        Ok(client.clone())
    }

    /// By the method that was agreed with the client.
    async fn prove(
        &self,
        client: &Client,
        secrets: &[StoredSecret],
        presented: &Presented<'_>,
        shown: &Shown<'_>,
        now: i64,
    ) -> Result<(), AuthError> {
        let (method, owner) = (client.authentication.method, client.id.as_str());
        match (method, shown) {
            (AuthMethod::Secret, Shown::Secret(_, secret)) => {
                self.prove_secret(owner, secret, secrets, now)?;
            }
            (AuthMethod::SecretBasic | AuthMethod::SecretPost, Shown::Secret(by, secret))
                if *by == method =>
            {
                self.prove_secret(owner, secret, secrets, now)?;
            }
            (AuthMethod::PrivateKeyJwt, Shown::Assertion(assertion)) => {
                self.prove_signature(client, assertion, now).await?;
            }
            (AuthMethod::SecretJwt, Shown::Assertion(assertion)) => {
                self.prove_mac(client, assertion, secrets, now).await?;
            }
            (AuthMethod::Tls, Shown::Nothing) => {
                let name = client.authentication.certificate_name.as_ref();
                let (der, name) = presented.certificate.zip(name).ok_or(AuthError::Certificate)?;
                let known = self.certificates.name(der, name, now);
                known.then_some(()).ok_or(AuthError::Certificate)?;
            }
            (AuthMethod::SelfSignedTls, Shown::Nothing) => {
                let der = presented.certificate.ok_or(AuthError::Certificate)?;
                let holds = |keys: &KeySet| self.certificates.hold_key(der, keys, now);
                let known = holds(&*self.keys(client, false, now).await?)
                    || holds(&*self.keys(client, true, now).await?);
                known.then_some(()).ok_or(AuthError::Certificate)?;
            }
            (AuthMethod::None, Shown::Nothing) => {}
            (AuthMethod::Secret, _) => return Err(AuthError::Wrong),
            (other, _) => return Err(AuthError::OtherMethod { registered: other.name() }),
        }
        Ok(())
    }

    /// A certificate that counts: where none are accepted, none was shown.
    pub fn certificate<'r>(&self, shown: Option<&'r [u8]>) -> Option<&'r [u8]> {
        shown.filter(|_| self.certificates.are_accepted())
    }

    fn prove_secret(
        &self,
        owner: &str,
        secret: &str,
        secrets: &[StoredSecret],
        now: i64,
    ) -> Result<(), AuthError> {
        let mut proven = false;
        for known in secrets.iter().filter(|known| is_alive(known, now)) {
            proven |= self.pepper.matches(owner, secret, &known.digest);
        }
        if secrets.is_empty() {
            self.pepper.matches(owner, secret, "");
        }
        if proven { Ok(()) } else { Err(AuthError::Wrong) }
    }

    async fn prove_signature(
        &self,
        client: &Client,
        assertion: &str,
        now: i64,
    ) -> Result<(), AuthError> {
        let agreed = client.authentication.algorithm;
        let mut algorithms = agreed.map_or(ASSERTION_ALGORITHMS.to_vec(), |one| vec![one]);
        algorithms.retain(|one| !client.terms.fapi2 || is_fapi2(*one));
        let expect = self.rules.expectation(client, algorithms);
        let claims = self.verify(client, assertion, &expect, now).await?;
        Ok(self.rules.accept(self.store.as_ref(), &client.id, &claims, now).await?)
    }

    /// Verifies what a client has signed, with the keys that it has now.
    pub async fn verify(
        &self,
        client: &Client,
        signed: &str,
        expect: &Expectation,
        now: i64,
    ) -> Result<Claims, AuthError> {
        let keys = self.keys(client, false, now).await?;
        let verified = match jose::verify(signed, &keys, expect, now) {
            Err(jose::Refusal::UnknownKey { .. }) if client.authentication.jwks_uri.is_some() => {
                jose::verify(signed, &*self.keys(client, true, now).await?, expect, now)
            }
            other => other,
        };
        Ok(verified.map_err(AssertionError::from)?)
    }

    /// The keys of a client; `anew`: one was asked for that is not among them.
    async fn keys(&self, client: &Client, anew: bool, now: i64) -> Result<Arc<KeySet>, KeysError> {
        match &client.authentication.jwks_uri {
            Some(uri) => self.remote.at(uri, anew, now).await,
            // They were read when the client was registered; an empty set proves nobody.
            None => Ok(KeySet::parse(&client.authentication.jwks).unwrap_or_default().into()),
        }
    }

    async fn prove_mac(
        &self,
        client: &Client,
        assertion: &str,
        secrets: &[StoredSecret],
        now: i64,
    ) -> Result<(), AssertionError> {
        let expect = self.rules.expectation(client, Vec::new());
        let purpose = sealed_for(&client.id);
        let mut judged = Err(jose::Refusal::UnknownKey { kid: String::new() });
        for known in secrets.iter().filter(|known| is_alive(known, now)) {
            let Ok(secret) = self.sealer.open(&purpose, &known.sealed) else { continue };
            judged = jose::verify_hs256(assertion, &secret, &expect, now);
            // Another secret of the client changes nothing about what the assertion says.
            if !matches!(judged, Err(jose::Refusal::Signature)) {
                break;
            }
        }
        self.rules.accept(self.store.as_ref(), &client.id, &judged?, now).await
    }
}

fn is_alive(secret: &StoredSecret, now: i64) -> bool {
    secret.expires_at.is_none_or(|at| now < at)
}
