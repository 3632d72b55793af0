//! How does the answer of an authorization reach its client? (OAuth 2.0 Multiple Response Types
//! section 2.1, Form Post Response Mode, JARM)
//!
//! By the browser, which everybody can watch and steer: each answer names its issuer (RFC 9207), or is
//! signed by it.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use url::form_urlencoded::Serializer;

use super::{Authority, Refusal, Reply, pages};
use crate::domain::{Client, ResponseType, TokenAlgorithm};

/// A signed answer is read at once (JARM section 2.1: at most ten minutes).
const SIGNED_SECONDS: i64 = 600;

/// Which part of the request that goes to the client carries the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Carrier {
    Query,
    Fragment,
    Form,
}

/// The `response_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mode {
    carrier: Carrier,
    /// Whether the answer is a JWT (JARM).
    signed: bool,
}

impl Mode {
    /// Where nothing was asked: the query, because a code is not good in the browser.
    pub(super) const USUAL: Self = Self { carrier: Carrier::Query, signed: false };

    /// Where nothing was asked, for an answer that is good in the browser: the fragment is not sent to
    /// servers.
    const FRAGMENT: Self = Self { carrier: Carrier::Fragment, signed: false };

    /// By their names on the wire. `jwt` is `query.jwt`, where a code is answered.
    const NAMED: [(&'static str, Self); 7] = [
        ("query", Self::USUAL),
        ("fragment", Self { carrier: Carrier::Fragment, signed: false }),
        ("form_post", Self { carrier: Carrier::Form, signed: false }),
        ("jwt", Self { carrier: Carrier::Query, signed: true }),
        ("query.jwt", Self { carrier: Carrier::Query, signed: true }),
        ("fragment.jwt", Self { carrier: Carrier::Fragment, signed: true }),
        ("form_post.jwt", Self { carrier: Carrier::Form, signed: true }),
    ];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(name, _)| *name == text).map(|(_, mode)| mode)
    }

    /// Where a request names none.
    pub(super) const fn usual(kind: ResponseType) -> Self {
        if kind.is_legacy() { Self::FRAGMENT } else { Self::USUAL }
    }

    /// The mode that a request names, or the usual one of its type. `None`: there is none of that
    /// name, or a token would stand in an address that servers write down.
    pub(super) fn of(text: Option<&str>, kind: ResponseType) -> Option<Self> {
        let usual = Self::usual(kind);
        let mode = match text {
            None => usual,
            Some("jwt") => Self { signed: true, ..usual },
            Some(name) => Self::parse(name)?,
        };
        (!kind.is_legacy() || mode.carrier != Carrier::Query).then_some(mode)
    }

    pub(super) fn names() -> [&'static str; 7] {
        Self::NAMED.map(|(name, _)| name)
    }
}

/// The way back to a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'w> {
    pub(super) client_id: &'w str,
    /// How the client wants signatures; `None`: the default in force.
    pub(super) algorithm: Option<TokenAlgorithm>,
    /// One of its own addresses.
    pub(super) redirect_uri: &'w str,
    pub(super) mode: Mode,
    pub(super) state: Option<&'w str>,
}

impl<'w> Way<'w> {
    /// To `client`, as a request asks for it.
    pub(super) fn to(
        client: &'w Client,
        redirect_uri: &'w str,
        mode: Mode,
        state: Option<&'w str>,
    ) -> Self {
        let (client_id, algorithm) = (client.id.as_str(), client.algorithm);
        Self { client_id, algorithm, redirect_uri, mode, state }
    }

    /// Sends the browser there with `pairs`.
    pub(super) async fn send(
        &self,
        authority: &Authority,
        pairs: &[(&str, &str)],
    ) -> Result<Reply, Refusal> {
        let mut all = pairs.to_vec();
        all.extend(self.state.map(|state| ("state", state)));
        all.push(("iss", authority.issuer.as_str()));
        let signed;
        if self.mode.signed {
            signed = self.sign(authority, &all).await?;
            all = vec![("response", signed.as_str())];
        }
        let mark = match self.mode.carrier {
            Carrier::Form => return Ok(pages::post_back(self.redirect_uri, &all)),
            Carrier::Fragment => '#',
            Carrier::Query if self.redirect_uri.contains('?') => '&',
            Carrier::Query => '?',
        };
        let mut query = Serializer::new(String::new());
        query.extend_pairs(all);
        see_other(&format!("{}{mark}{}", self.redirect_uri, query.finish()))
    }

    async fn sign(&self, authority: &Authority, pairs: &[(&str, &str)]) -> Result<String, Refusal> {
        let now = authority.clock.unix_seconds();
        let mut claims: Map<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        claims.insert("aud".to_owned(), json!(self.client_id));
        claims.insert("exp".to_owned(), json!(now.saturating_add(SIGNED_SECONDS)));
        let ring = authority.keeper.ring();
        let signer = ring.signer(self.algorithm.unwrap_or(authority.rules.algorithm))?;
        Ok(signer.sign("JWT", &claims).await?)
    }
}

/// 303: whatever brought the browser here, it goes on with a GET and without the password.
pub(super) fn see_other(location: &str) -> Result<Reply, Refusal> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| Refusal::invalid("the request holds characters that a URL has not"))?;
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::SEE_OTHER;
    let headers = reply.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, mode: Option<(Carrier, bool)>) {
        let found = Mode::parse(text).map(|mode| (mode.carrier, mode.signed));
        assert_eq!(found, mode, "{text}");
    }

    #[test]
    fn a_mode_is_a_carrier_signed_or_not() {
        check("query", Some((Carrier::Query, false)));
        check("fragment", Some((Carrier::Fragment, false)));
        check("form_post", Some((Carrier::Form, false)));
        check("jwt", Some((Carrier::Query, true)));
        check("fragment.jwt", Some((Carrier::Fragment, true)));
        check("form_post.jwt", Some((Carrier::Form, true)));
        for text in ["", "QUERY", "web_message", "query.jwt.jwt"] {
            check(text, None);
        }
    }
}
