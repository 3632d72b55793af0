//! Does an assertion prove its client? (RFC 7523 section 3, KM-052)
//!
//! Issuer and subject are the client, the audience is one text and it is us, the end is near, and
//! its identifier was not seen before.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Algorithm, Claims, Expectation};

use crate::domain::{Client, ClientId};
use crate::store::{Store, StoreError, Use, Used};

/// How assertions may be signed with a private key. RS256 serves only clients that were registered
/// with it; the others are what FAPI 2.0 allows, and their longer kin.
pub const ASSERTION_ALGORITHMS: [Algorithm; 7] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::EdDSA,
    Algorithm::RS256,
];

/// Whether FAPI 2.0 Security Profile section 5.4.1 has it.
pub const fn is_fapi2(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::PS256 | Algorithm::ES256 | Algorithm::EdDSA)
}

/// The longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// What holds for every assertion.
#[derive(Clone, Debug)]
pub struct AssertionRules {
    /// The `aud` that it may have: the issuer, and then the token endpoint.
    pub audiences: [String; 2],
    /// How far away its end may be, in seconds.
    pub longest_seconds: u32,
    /// How far clocks may differ, in seconds.
    pub skew_seconds: u32,
    /// How many identifiers of one client are remembered at a time (KM-122).
    pub remembered: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    #[error("the assertion does not hold: {0}")]
    Refused(#[from] jose::Refusal),
    #[error("the assertion's subject is not the client")]
    Subject,
    #[error("the assertion's audience is not the issuer alone, nor the token endpoint alone")]
    Audience,
    #[error("the assertion ends too late")]
    Long,
    #[error("the assertion has no jti, or one that is too long")]
    Jti,
    #[error("the assertion was used before")]
    Replayed,
    #[error("the client uses more assertions than are remembered")]
    Full,
    #[error("its use could not be noted")]
    Store(#[from] StoreError),
}

impl AssertionRules {
    /// What the signature is verified against.
    pub(super) fn expectation(&self, client: &Client, algorithms: Vec<Algorithm>) -> Expectation {
        // FAPI 2.0 Security Profile section 5.3.2.1: the issuer, and nothing else.
        let most = if client.terms.fapi2 { 1 } else { self.audiences.len() };
        Expectation {
            issuer: client.id.as_str().to_owned(),
            audiences: self.audiences.iter().take(most).cloned().collect(),
            algorithms,
            skew_seconds: self.skew_seconds,
            // The latter is what RFC 7523bis gives it, so that nothing else passes for one.
            types: vec!["jwt".to_owned(), "client-authentication+jwt".to_owned()],
            type_may_be_absent: true,
        }
    }

    /// What a signature alone does not say. Afterwards the assertion is used up.
    pub(super) async fn accept(
        &self,
        store: &dyn Store,
        client: &ClientId,
        claims: &Claims,
        now: i64,
    ) -> Result<(), AssertionError> {
        if claims.subject.as_deref() != Some(client.as_str()) {
            return Err(AssertionError::Subject);
        }
        // `Expectation` found one of ours among them; that there is no other makes it ours alone.
        if claims.audience_is_list || claims.audience.len() != 1 {
            return Err(AssertionError::Audience);
        }
        if claims.expires_at > now.saturating_add(i64::from(self.longest_seconds)) {
            return Err(AssertionError::Long);
        }
        let jti = claims.jti.as_deref().filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
        let jti = jti.ok_or(AssertionError::Jti)?;
        let used = Used {
            owner: client.as_str(),
            name: &digest_of(jti),
            until: claims.expires_at.saturating_add(i64::from(self.skew_seconds)),
            now,
            most: self.remembered,
        };
        match store.use_once(&used).await? {
            Use::First => Ok(()),
            Use::Again => Err(AssertionError::Replayed),
            Use::Full => Err(AssertionError::Full),
        }
    }
}

/// An identifier that somebody else chose, at a length that we chose.
fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
