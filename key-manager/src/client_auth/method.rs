//! By which method does a request authenticate its client?
//!
//! Exactly one per request (RFC 6749 section 2.3, KM-051).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::domain::ClientId;
use crate::form;

/// The methods that work, by their registered names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod {
    Basic,
    Post,
}

impl SecretMethod {
    pub const ALL: [Self; 2] = [Self::Basic, Self::Post];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

/// What a request shows of its client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'r> {
    /// `Authorization`, if there is exactly one.
    pub authorization: Option<&'r HeaderValue>,
    /// Whether `Authorization` came more than once.
    pub several: bool,
    /// `client_id` of the form.
    pub client_id: Option<&'r str>,
    /// `client_secret` of the form.
    pub client_secret: Option<&'r str>,
}

/// A client's name and the secret that shall prove it.
pub struct Credentials {
    pub method: SecretMethod,
    /// `None`: not even the form of an identifier.
    pub id: Option<ClientId>,
    pub secret: Zeroizing<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    #[error("the request does not authenticate its client")]
    Missing,
    #[error("the request authenticates its client in more than one way")]
    Several,
    #[error("the client cannot authenticate with this scheme")]
    Scheme,
    #[error("the Authorization header is not well-formed")]
    Malformed,
    #[error("the form names another client than the Authorization header")]
    Contradiction,
}

impl Presented<'_> {
    /// The client that a request names without any proof: `none` of RFC 7591 section 2.
    pub fn public(&self) -> Option<ClientId> {
        let bare = !self.several && self.authorization.is_none() && self.client_secret.is_none();
        self.client_id.filter(|_| bare).and_then(|id| ClientId::parse(id).ok())
    }

    pub fn credentials(&self) -> Result<Credentials, MethodError> {
        if self.several || (self.authorization.is_some() && self.client_secret.is_some()) {
            return Err(MethodError::Several);
        }
        match (self.authorization, self.client_id, self.client_secret) {
            (Some(header), named, _) => {
                let (id, secret) = basic(header)?;
                if named.is_some_and(|named| named != id) {
                    return Err(MethodError::Contradiction);
                }
                Ok(Credentials::new(SecretMethod::Basic, &id, secret))
            }
            (None, Some(id), Some(secret)) => {
                let secret = Zeroizing::new(secret.to_owned());
                Ok(Credentials::new(SecretMethod::Post, id, secret))
            }
            // A public client was looked at before, see `public`.
            (None, _, _) => Err(MethodError::Missing),
        }
    }
}

impl Credentials {
    fn new(method: SecretMethod, id: &str, secret: Zeroizing<String>) -> Self {
        Self { method, id: ClientId::parse(id).ok(), secret }
    }
}

/// RFC 7617, with both halves form-encoded as RFC 6749 section 2.3.1 asks.
fn basic(header: &HeaderValue) -> Result<(String, Zeroizing<String>), MethodError> {
    /// Clients differ in whether they pad; the decoded bytes are the same.
    const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = header.to_str().map_err(|_| MethodError::Malformed)?;
    let (scheme, credentials) = text.split_once(' ').ok_or(MethodError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(MethodError::Scheme);
    }
    let bytes = PADDED_OR_NOT
        .decode(credentials.trim_start_matches(' '))
        .map(Zeroizing::new)
        .map_err(|_| MethodError::Malformed)?;
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or(MethodError::Malformed)?;
    let (id, secret) = bytes.split_at_checked(colon).ok_or(MethodError::Malformed)?;
    let secret = secret.strip_prefix(b":").unwrap_or_default();
    let decoded = |half| form::decode(half).map_err(|_| MethodError::Malformed);
    Ok((decoded(id)?, Zeroizing::new(decoded(secret)?)))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    /// `header` is "SCHEME|plain credentials" or empty; `form` is identifier and secret, `-`
    /// for one that is left out; `found` is method, identifier and secret, or the refusal.
    #[track_caller]
    fn check(header: &str, form: &str, found: &str) {
        let value = header.split_once('|').map(|(scheme, plain)| {
            HeaderValue::from_str(&format!("{scheme} {}", BASE64.encode(plain))).expect("a value")
        });
        let mut fields = form.split(' ').map(|field| (field != "-").then_some(field));
        let presented = Presented {
            authorization: value.as_ref(),
            several: false,
            client_id: fields.next().flatten(),
            client_secret: fields.next().flatten(),
        };
        let said = match presented.credentials() {
            Ok(Credentials { method, id, secret }) => {
                let id = id.map_or("?".to_owned(), |id| id.to_string());
                format!("{} {id} {}", method.name(), secret.as_str())
            }
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(said, found);
    }

    #[test]
    fn each_method_is_read_as_its_standard_says() {
        check("Basic|ann:s", "- -", "client_secret_basic ann s");
        check("bAsIc|ann:s", "ann -", "client_secret_basic ann s");
        check("", "ann s", "client_secret_post ann s");
    }

    #[test]
    fn both_halves_of_basic_are_form_decoded() {
        check("Basic|a%6En:s%3A%2B+%25", "- -", "client_secret_basic ann s:+ %");
        check("Basic|ann:a:b", "- -", "client_secret_basic ann a:b");
        check("Basic|ann:%zz", "- -", "Malformed");
        check("Basic|ann:%00", "- -", "Malformed");
    }

    #[test]
    fn more_than_one_method_is_refused() {
        check("Basic|ann:s", "ann s", "Several");
        check("Bearer|x", "ann s", "Several");
        check("Basic|ann:s", "ben -", "Contradiction");
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        check("", "- -", "Missing");
        check("", "ann -", "Missing");
        check("", "- s", "Missing");
        check("Bearer|x", "- -", "Scheme");
        check("Basic|ann", "- -", "Malformed");
        check("Basic|a b:s", "- -", "client_secret_basic ? s");
    }
}
