//! What is known of a request, and what is an answer?

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use super::Refusal;
use crate::client_auth::Presented;
use crate::domain::ClientId;
use crate::form::Form;

/// The largest body of a request (KM-022).
pub const LARGEST_BODY: usize = 64 * 1024;

/// An HTTP request as the client sent it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Without the query, as it came.
    pub path: String,
    /// Without the question mark, as it came.
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// At most `LARGEST_BODY`, or `None`: it was larger.
    pub body: Option<Bytes>,
    pub peer: Peer,
}

/// Who sent it: from the connection, or from the gateway that has the connection; never from a
/// header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: Option<IpAddr>,
    /// In DER.
    pub certificate: Option<Bytes>,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// The answer to be sent as it is.
pub type Reply = http::Response<Bytes>;

impl Request {
    /// The form of a POST. Parameters in the URL are refused: they would end up in logs.
    pub fn form(&self) -> Result<Form, Refusal> {
        if self.query.as_deref().is_some_and(|query| !query.is_empty()) {
            return Err(Refusal::invalid("parameters belong into the body, not into the URL"));
        }
        let mut types = self.headers.get_all(header::CONTENT_TYPE).iter();
        let form = types.next().is_some_and(is_form);
        if !form || types.next().is_some() {
            return Err(Refusal::invalid("the body is not application/x-www-form-urlencoded"));
        }
        if self.headers.get(header::CONTENT_ENCODING).is_some() {
            return Err(Refusal::invalid("the body is encoded"));
        }
        let body = self.body.as_ref().ok_or(Refusal::TooLarge)?;
        Form::parse(body).map_err(Refusal::from)
    }

    /// Whom its client says to be, whether it proves that or not.
    pub fn claimed(&self) -> Option<ClientId> {
        let form = self.form().ok()?;
        self.presented(&form).credentials().ok()?.id
    }

    /// What it shows of its client.
    pub fn presented<'r>(&'r self, form: &'r Form) -> Presented<'r> {
        let mut authorizations = self.headers.get_all(header::AUTHORIZATION).iter();
        Presented {
            authorization: authorizations.next(),
            several: authorizations.next().is_some(),
            client_id: form.find("client_id"),
            client_secret: form.find("client_secret"),
            assertion: form.find("client_assertion"),
            assertion_type: form.find("client_assertion_type"),
            certificate: self.peer.certificate.as_deref(),
            address: self.peer.address,
        }
    }
}

fn is_form(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
