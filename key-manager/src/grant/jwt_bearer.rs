//! JWT bearer: another server says who somebody is, and its word is taken (RFC 7523 section 2.1,
//! KM-039).
//!
//! Whose word counts is configured, with its keys and its algorithms. An assertion is good once, and
//! soon over; it names a person who has an account here and has agreed to what the client wants.

use std::sync::Arc;

use jose::{Algorithm, Claims, Expectation, KeySet, Refusal};

use super::approval::Approval;
use super::error::GrantError;
use super::means::{Asked, Means};
use super::saml2_bearer::SamlIssuer;
use super::word::Word;
use crate::client_auth::RemoteKeys;

/// The longest assertion, in bytes.
const LONGEST: usize = 16 * 1024;
/// The longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// A server whose word is taken.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The `iss`, byte for byte.
    pub issuer: String,
    pub keys: IssuerKeys,
    /// How it signs; nothing else counts.
    pub algorithms: Vec<Algorithm>,
    /// The claim that holds the name of the person here.
    pub subject: String,
    /// How far away the end of an assertion may be, in seconds.
    pub longest_seconds: i64,
}

#[derive(Clone, Debug)]
pub enum IssuerKeys {
    Here(Arc<KeySet>),
    /// Behind an https URL.
    There(String),
}

/// Whose words are taken.
#[derive(Debug)]
pub struct Trust {
    pub issuers: Vec<TrustedIssuer>,
    /// Those that speak SAML.
    pub saml: Vec<SamlIssuer>,
    /// The `aud` that an assertion may have.
    pub audiences: [String; 2],
    pub skew_seconds: u32,
    /// How many used assertions of one issuer are remembered (KM-122).
    pub remembered: u32,
    pub remote: Arc<RemoteKeys>,
}

pub(super) async fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let invalid = GrantError::Invalid;
    let assertion = asked.form.find("assertion").ok_or(GrantError::Missing("assertion"))?;
    if assertion.len() > LONGEST {
        return Err(invalid("the assertion is too long"));
    }
    let trust = means.trust;
    let (issuer, claims) = trust.verify(assertion, means.now).await?;
    let latest = means.now.saturating_add(issuer.longest_seconds);
    if claims.expires_at > latest {
        return Err(invalid("the assertion ends too late"));
    }
    let jti = claims.jti.as_deref().filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
    let jti = jti.ok_or(invalid("the assertion has no jti, or one that is too long"))?;
    let word = Word {
        name: claims.text(&issuer.subject).unwrap_or_default(),
        at: claims.issued_at.unwrap_or(means.now),
        id: jti,
        owner: format!("issuer/{}", issuer.issuer),
        until: claims.expires_at,
    };
    word.accept(asked, means).await
}

impl Trust {
    /// The issuer of an assertion that holds. Each is tried with its own rules, so that none can be
    /// taken for another.
    async fn verify(
        &self,
        assertion: &str,
        now: i64,
    ) -> Result<(&TrustedIssuer, Claims), GrantError> {
        for issuer in &self.issuers {
            let expect = Expectation {
                issuer: issuer.issuer.clone(),
                audiences: self.audiences.to_vec(),
                algorithms: issuer.algorithms.clone(),
                skew_seconds: self.skew_seconds,
                types: vec!["jwt".to_owned()],
                type_may_be_absent: true,
            };
            let mut judged = self.judge(issuer, assertion, &expect, false, now).await;
            if matches!(judged, Err(Refusal::UnknownKey { .. })) {
                judged = self.judge(issuer, assertion, &expect, true, now).await;
            }
            match judged {
                Ok(claims) => return Ok((issuer, claims)),
                Err(refusal) => {
                    tracing::debug!(issuer = issuer.issuer, %refusal, "assertion refused");
                }
            }
        }
        Err(GrantError::Invalid("the assertion does not hold"))
    }

    async fn judge(
        &self,
        issuer: &TrustedIssuer,
        assertion: &str,
        expect: &Expectation,
        anew: bool,
        now: i64,
    ) -> Result<Claims, Refusal> {
        let keys = match &issuer.keys {
            IssuerKeys::Here(keys) => Arc::clone(keys),
            IssuerKeys::There(uri) => {
                let unknown = || Refusal::UnknownKey { kid: String::new() };
                self.remote.at(uri, anew, now).await.map_err(|_| unknown())?
            }
        };
        jose::verify(assertion, &keys, expect, now)
    }
}
