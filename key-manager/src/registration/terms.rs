//! What else can be agreed with a client, beside what every client has?
//!
//! Raw texts in, terms out or the field that is wrong.

use serde_json::{Map, Value, json};
use url::Url;

use super::metadata::{MetadataError, Reader};
use crate::domain::{
    ResponseType, RestrictionError, Restrictions, Terms, TokenAlgorithm, UnknownAlgorithm,
    UnknownResponse,
};
use crate::endpoint::Authority;

/// The longest address, in bytes.
pub(super) const LONGEST_URI: usize = 2048;
/// The most addresses of requests of one client.
const MOST_REQUESTS: usize = 16;
/// The most origins of one client.
const MOST_ORIGINS: usize = 16;

/// As asked for; empty: left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedTerms {
    /// `jwt` or `opaque`.
    pub token_format: String,
    /// Types of authorization details.
    pub details: Vec<String>,
    /// Response types beside `code`.
    pub response_types: Vec<String>,
    /// Origins of its pages.
    pub origins: Vec<String>,
    /// The `frontchannel_logout_uri`.
    pub logout_frame: String,
    /// The `backchannel_client_notification_endpoint`.
    pub notify: String,
    /// The `request_uris`.
    pub request_uris: Vec<String>,
    /// `fapi2`, or none.
    pub profile: String,
    /// How userinfo is signed.
    pub userinfo_algorithm: String,
    /// Networks from which its tokens may be used.
    pub networks: Vec<String>,
    /// Hosts from whose pages they may.
    pub domains: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    #[error("access_token_format: it is `jwt` or `opaque`, and not `{0}`")]
    Format(String),
    #[error("authorization_details_types: `{0}` is not configured here")]
    Details(String),
    #[error("response_types: {0}")]
    Response(#[from] UnknownResponse),
    #[error("response_types: `{0}` takes clients.legacy_response_types, which is off")]
    Legacy(ResponseType),
    #[error("allowed_origins: `{0}` is no origin like https://app.example, or there are too many")]
    Origin(String),
    #[error(
        "frontchannel_logout_uri: it is an https URL of at most {LONGEST_URI} bytes, without a \
         fragment, at the origin of a redirect address"
    )]
    Frame,
    #[error(
        "backchannel_client_notification_endpoint: it is an https URL of at most {LONGEST_URI} \
         bytes, without a fragment"
    )]
    Notify,
    #[error(
        "request_uris: at most {MOST_REQUESTS} https URLs of at most {LONGEST_URI} bytes, without a \
         fragment"
    )]
    Requests,
    #[error("client_profile: it is `fapi2` or left out, and not `{0}`")]
    Profile(String),
    #[error("userinfo_signed_response_alg: {0}")]
    Userinfo(#[source] UnknownAlgorithm),
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
}

impl WantedTerms {
    /// `redirects` are the client's redirect addresses.
    pub(super) fn check(
        &self,
        authority: &Authority,
        redirects: &[String],
    ) -> Result<Terms, TermsError> {
        let opaque_tokens = match self.token_format.as_str() {
            "" | "jwt" => false,
            "opaque" => true,
            other => return Err(TermsError::Format(other.to_owned())),
        };
        if let Some(kind) = self.details.iter().find(|kind| !authority.details.knows(kind)) {
            return Err(TermsError::Details(kind.clone()));
        }
        let mut response_types = Vec::new();
        for text in &self.response_types {
            let kind: ResponseType = text.parse()?;
            if kind.is_legacy() && !authority.legacy_response_types {
                return Err(TermsError::Legacy(kind));
            }
            if kind.is_legacy() && !response_types.contains(&kind) {
                response_types.push(kind);
            }
        }
        let wrong = self.origins.iter().find(|text| !is_origin(text));
        let wrong = wrong.or(self.origins.get(MOST_ORIGINS));
        if let Some(text) = wrong {
            return Err(TermsError::Origin(text.chars().take(100).collect()));
        }
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let frame = given(&self.logout_frame);
        if frame.as_deref().is_some_and(|text| !is_frame(text, redirects)) {
            return Err(TermsError::Frame);
        }
        let notify = given(&self.notify);
        if notify.as_deref().is_some_and(|text| https(text).is_none()) {
            return Err(TermsError::Notify);
        }
        let addresses = &self.request_uris;
        if addresses.len() > MOST_REQUESTS || addresses.iter().any(|uri| https(uri).is_none()) {
            return Err(TermsError::Requests);
        }
        let fapi2 = match self.profile.as_str() {
            "" => false,
            "fapi2" => true,
            other => return Err(TermsError::Profile(other.to_owned())),
        };
        let algorithm = Some(self.userinfo_algorithm.as_str()).filter(|name| !name.is_empty());
        let algorithm = algorithm.map(str::parse::<TokenAlgorithm>).transpose();
        Ok(Terms {
            opaque_tokens,
            details: self.details.clone(),
            response_types,
            origins: self.origins.clone(),
            logout_frame: frame,
            notify,
            request_uris: addresses.clone(),
            fapi2,
            userinfo_algorithm: algorithm.map_err(TermsError::Userinfo)?,
            restrictions: Restrictions::parse(&self.networks, &self.domains)?,
        })
    }

    pub(super) fn read(read: &Reader<'_>) -> Result<Self, MetadataError> {
        let owned = |name| read.text(name).map(|text| text.unwrap_or_default().to_owned());
        Ok(Self {
            token_format: owned("access_token_format")?,
            details: read.texts("authorization_details_types")?.unwrap_or_default(),
            response_types: read.texts("response_types")?.unwrap_or_default(),
            origins: read.texts("allowed_origins")?.unwrap_or_default(),
            logout_frame: owned("frontchannel_logout_uri")?,
            notify: owned("backchannel_client_notification_endpoint")?,
            request_uris: read.texts("request_uris")?.unwrap_or_default(),
            profile: owned("client_profile")?,
            userinfo_algorithm: owned("userinfo_signed_response_alg")?,
            // They are for whoever runs the key manager to set, and not for the client.
            networks: Vec::new(),
            domains: Vec::new(),
        })
    }
}

/// As a browser writes it: scheme, host, and a port that is not the usual one.
fn is_origin(text: &str) -> bool {
    let url = Url::parse(text).ok();
    let loopback = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.is_some_and(|url| {
        let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback(&url));
        secure && url.origin().ascii_serialization() == text
    })
}

/// An address of a client that we, or a browser, ask: https, and nothing in it that is not sent there or
/// that should not stand in a registration.
pub(super) fn https(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| {
        let nobody = url.username().is_empty() && url.password().is_none();
        let short = text.len() <= LONGEST_URI;
        url.scheme() == "https" && url.fragment().is_none() && nobody && short
    })
}

/// Front-Channel Logout section 2: nobody makes a browser load what belongs to somebody else.
fn is_frame(text: &str, redirects: &[String]) -> bool {
    let Some(url) = https(text) else { return false };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>;,\\".contains(&byte);
    let same = |redirect: &String| {
        Url::parse(redirect).is_ok_and(|redirect| redirect.origin() == url.origin())
    };
    text.bytes().all(plain) && redirects.iter().any(same)
}

/// As they are told to the client.
pub(super) fn write(terms: &Terms, all: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    if terms.opaque_tokens {
        put("access_token_format", json!("opaque"));
    }
    if !terms.details.is_empty() {
        put("authorization_details_types", json!(terms.details));
    }
    if !terms.origins.is_empty() {
        put("allowed_origins", json!(terms.origins));
    }
    if let Some(uri) = &terms.logout_frame {
        put("frontchannel_logout_uri", json!(uri));
        put("frontchannel_logout_session_required", json!(true));
    }
    if let Some(uri) = &terms.notify {
        put("backchannel_client_notification_endpoint", json!(uri));
        put("backchannel_token_delivery_mode", json!("ping"));
    }
    if !terms.request_uris.is_empty() {
        put("request_uris", json!(terms.request_uris));
    }
    if terms.fapi2 {
        put("client_profile", json!("fapi2"));
    }
    if let Some(algorithm) = terms.userinfo_algorithm {
        put("userinfo_signed_response_alg", json!(algorithm.name()));
    }
}
