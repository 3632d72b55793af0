//! SAML 2.0 bearer: a server says in XML who somebody is, and its word is taken (RFC 7522 section 2.1,
//! KM-040).
//!
//! As with a JWT: whose word counts is configured, an assertion is good once and soon over, and it names
//! a person who has an account here and has agreed to what the client wants.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::approval::Approval;
use super::error::GrantError;
use super::means::{Asked, Means};
use super::word::Word;
use crate::saml::{Document, Expected, Said, SamlError, SignerKey, read, verify};

/// The longest assertion as it is sent, in bytes.
const LONGEST: usize = 32 * 1024;
/// The longest `ID`, in bytes.
const LONGEST_ID: usize = 256;

/// A server whose word is taken.
#[derive(Clone, Debug)]
pub struct SamlIssuer {
    /// Its entity identifier, byte for byte.
    pub issuer: String,
    /// What it signs with.
    pub keys: Vec<SignerKey>,
    /// The attribute that holds the name of the person here; empty: the `NameID`.
    pub subject: String,
    /// How far away the end of an assertion may be, in seconds.
    pub longest_seconds: i64,
}

pub(super) async fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let invalid = GrantError::Invalid;
    let assertion = asked.form.find("assertion").ok_or(GrantError::Missing("assertion"))?;
    if assertion.len() > LONGEST {
        return Err(invalid("the assertion is too long"));
    }
    let judged = judge(assertion, means);
    let (issuer, said) = judged.map_err(|refusal| {
        tracing::debug!(%refusal, "assertion refused");
        invalid("the assertion does not hold")
    })?;
    if said.until > means.now.saturating_add(issuer.longest_seconds) {
        return Err(invalid("the assertion ends too late"));
    }
    let word = Word {
        name: &said.subject,
        // Never later than now.
        at: said.at.unwrap_or(means.now).min(means.now),
        id: &said.id,
        owner: format!("saml/{}", issuer.issuer),
        until: said.until,
    };
    word.accept(asked, means).await
}

/// The issuer of an assertion that holds, and what it says.
fn judge<'m>(assertion: &str, means: &'m Means<'_>) -> Result<(&'m SamlIssuer, Said), SamlError> {
    let trust = means.trust;
    let bytes = URL_SAFE_NO_PAD.decode(assertion.trim_end_matches('='));
    let bytes = bytes.map_err(|_| SamlError::Xml)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SamlError::Xml)?;
    let document = Document::parse(text)?;
    let name = document.issuer()?;
    let issuer = trust.saml.iter().find(|known| known.issuer == name);
    let issuer = issuer.ok_or(SamlError::Signature)?;
    verify(&document, &issuer.keys)?;
    let [_, token_endpoint] = &trust.audiences;
    let expected = Expected {
        audiences: &trust.audiences,
        recipient: token_endpoint,
        subject: &issuer.subject,
        skew_seconds: i64::from(trust.skew_seconds),
        now: means.now,
    };
    let said = read(&document, expected)?;
    if (1..=LONGEST_ID).contains(&said.id.len()) {
        Ok((issuer, said))
    } else {
        Err(SamlError::Identifier)
    }
}
