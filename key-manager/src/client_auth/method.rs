//! By which method does a request authenticate its client?
//!
//! Exactly one per request (RFC 6749 section 2.3, KM-051). A certificate counts as none here: a
//! client may show one only to have its tokens bound to it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::domain::{AuthMethod, ClientId};
use crate::form;

/// The `client_assertion_type` of RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

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
    /// `client_assertion` of the form.
    pub assertion: Option<&'r str>,
    /// `client_assertion_type` of the form.
    pub assertion_type: Option<&'r str>,
    /// In DER, as the connection or the gateway has it.
    pub certificate: Option<&'r [u8]>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// A client's name and what shall prove it.
pub struct Credentials<'r> {
    /// `None`: not even the form of an identifier.
    pub id: Option<ClientId>,
    pub shown: Shown<'r>,
}

/// What a request shows, apart from a certificate.
pub enum Shown<'r> {
    /// By `client_secret_basic` or `client_secret_post`.
    Secret(AuthMethod, Zeroizing<String>),
    Assertion(&'r str),
    /// Only a name.
    Nothing,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(..)")
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
    #[error("client_assertion and client_assertion_type belong together, of type jwt-bearer")]
    AssertionType,
}

impl<'r> Presented<'r> {
    pub fn credentials(&self) -> Result<Credentials<'r>, MethodError> {
        let asserts = self.assertion.is_some() || self.assertion_type.is_some();
        let ways = [self.authorization.is_some(), self.client_secret.is_some(), asserts];
        if self.several || ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(MethodError::Several);
        }
        if let Some(header) = self.authorization {
            let (id, secret) = basic(header)?;
            if self.client_id.is_some_and(|named| named != id) {
                return Err(MethodError::Contradiction);
            }
            return Ok(Credentials::new(&id, Shown::Secret(AuthMethod::SecretBasic, secret)));
        }
        if asserts {
            return self.asserted();
        }
        let id = self.client_id.ok_or(MethodError::Missing)?;
        let secret = self.client_secret.map(|secret| Zeroizing::new(secret.to_owned()));
        let shown = secret.map(|secret| Shown::Secret(AuthMethod::SecretPost, secret));
        Ok(Credentials::new(id, shown.unwrap_or(Shown::Nothing)))
    }

    /// `client_id` may be left out beside an assertion (RFC 7521 section 4.2).
    fn asserted(&self) -> Result<Credentials<'r>, MethodError> {
        let (Some(assertion), Some(ASSERTION_TYPE)) = (self.assertion, self.assertion_type) else {
            return Err(MethodError::AssertionType);
        };
        let shown = Shown::Assertion(assertion);
        // What it says of itself decides only whose keys to verify it with.
        let named = self.client_id.map(str::to_owned);
        let id = named.or_else(|| jose::issuer_unverified(assertion)).unwrap_or_default();
        Ok(Credentials::new(&id, shown))
    }
}

impl<'r> Credentials<'r> {
    fn new(id: &str, shown: Shown<'r>) -> Self {
        Self { id: ClientId::parse(id).ok(), shown }
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

    /// `header` is "SCHEME|plain credentials" or empty; `form` is identifier, secret, assertion and
    /// its type (`jwt`: the right one), `-` or nothing for one that is left out; `found` is method,
    /// identifier and secret, or the refusal.
    #[track_caller]
    fn check(header: &str, form: &str, found: &str) {
        let value = header.split_once('|').map(|(scheme, plain)| {
            HeaderValue::from_str(&format!("{scheme} {}", BASE64.encode(plain))).expect("a value")
        });
        let mut fields = form.split(' ').map(|field| (field != "-").then_some(field));
        let mut next = || fields.next().flatten();
        let presented = Presented {
            authorization: value.as_ref(),
            client_id: next(),
            client_secret: next(),
            assertion: next(),
            assertion_type: next().map(|of| if of == "jwt" { ASSERTION_TYPE } else { of }),
            ..Presented::default()
        };
        let said = match presented.credentials() {
            Ok(Credentials { id, shown }) => {
                let id = id.map_or("?".to_owned(), |id| id.to_string());
                match shown {
                    Shown::Secret(method, secret) => {
                        format!("{} {id} {}", method.name(), secret.as_str())
                    }
                    Shown::Assertion(text) => format!("assertion {id} {text}"),
                    Shown::Nothing => format!("nothing {id}"),
                }
            }
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(said, found);
    }

    #[test]
    fn an_assertion_names_its_client_itself_or_the_form_does() {
        check("", "ann - a.b.c jwt", "assertion ann a.b.c");
        // {"iss":"ben"}
        check("", "- - e30.eyJpc3MiOiJiZW4ifQ.x jwt", "assertion ben e30.eyJpc3MiOiJiZW4ifQ.x");
        check("", "- - a.b.c jwt", "assertion ? a.b.c");
        check("", "ann - a.b.c", "AssertionType");
        check("", "ann - a.b.c saml", "AssertionType");
        check("", "ann - - jwt", "AssertionType");
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
        check("Basic|ann:s", "ann - a.b.c jwt", "Several");
        check("", "ann s a.b.c jwt", "Several");
        check("", "ann s - jwt", "Several");
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        check("", "- -", "Missing");
        check("", "ann -", "nothing ann");
        check("", "- s", "Missing");
        check("Bearer|x", "- -", "Scheme");
        check("Basic|ann", "- -", "Malformed");
        check("Basic|a b:s", "- -", "client_secret_basic ? s");
    }
}
