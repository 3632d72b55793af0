//! What does everybody see of the keys: calls that sign with them, and backends that verify by them?

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response};
use jose::Algorithm;

use super::signer::Signer;
use crate::body::Body;
use crate::fault::Fault;

/// Where the key set of all gateways is found.
pub const JWKS: &str = "/.well-known/turnpike/backend-jwks";
/// How long who reads it may keep it, in seconds; less than the next key is published for.
const KEPT: &str = "public, max-age=300";
/// The media type of RFC 7517 §8.5.
const KEY_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// The keys in force, and in whose name they sign.
#[derive(Debug)]
pub struct Signers {
    /// The `iss`.
    pub issuer: Box<str>,
    published: ArcSwap<Published>,
}

/// The keys at one moment.
#[derive(Default)]
pub struct Published {
    /// Those that sign.
    pub(super) signing: Vec<Arc<Signer>>,
    /// The key set of all gateways, as JSON.
    pub jwks: Bytes,
    /// The keys of this gateway, for operators.
    pub own: Vec<Shown>,
    /// How many keys there are of all gateways.
    pub fleet: usize,
}

/// A key of this gateway, without its private half.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Shown {
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: &'static str,
    /// `next`, `active` or `retiring`.
    pub state: &'static str,
    /// Whether all gateways were told of it.
    pub told: bool,
}

impl Signers {
    /// Nothing is signed yet.
    pub fn new(issuer: &str) -> Self {
        let published =
            Published { jwks: Bytes::from_static(b"{\"keys\":[]}"), ..Published::default() };
        Self { issuer: issuer.into(), published: ArcSwap::from_pointee(published) }
    }

    /// The keys now.
    pub fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    pub(super) fn publish(&self, published: Published) {
        self.published.store(Arc::new(published));
    }

    /// The key that signs with `algorithm`.
    pub(super) fn signer(&self, algorithm: Algorithm) -> Option<Arc<Signer>> {
        let published = self.published.load();
        let signs = |signer: &&Arc<Signer>| signer.key().algorithm() == algorithm;
        published.signing.iter().find(signs).cloned()
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("own", &self.own)
            .field("fleet", &self.fleet)
            .finish_non_exhaustive()
    }
}

/// Answers who asks for the key set.
pub fn answer(signers: &Signers, method: &Method) -> Result<Response<Body>, Fault> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Fault::MethodNotAllowed { allow: "GET, HEAD".to_owned() });
    }
    let mut response = Response::new(Body::full(signers.published().jwks.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, KEY_SET);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
