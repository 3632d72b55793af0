//! How does a request that a gateway hands on become a request of the endpoints?
//!
//! Who sent it is what the gateway says of its own connection: certificate, address and TLS. No
//! header says anything about that.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tonic::{Request as Call, Response, Status};
use turnpike_proto::identity::v1::token_endpoint_server::TokenEndpoint;
use turnpike_proto::identity::v1::{ForwardRequest, ForwardResponse, HeaderField};

use super::{address, to_proto};
use crate::endpoint::{Authority, LARGEST_BODY, Peer, Request, answer};

#[derive(Debug)]
pub(super) struct Forwarded(Authority);

impl Forwarded {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

#[tonic::async_trait]
impl TokenEndpoint for Forwarded {
    async fn forward(
        &self,
        call: Call<ForwardRequest>,
    ) -> Result<Response<ForwardResponse>, Status> {
        let request = request(call.into_inner())?;
        let reply = answer(&self.0, &request).await;
        let with_body = request.method != Method::HEAD;
        Ok(Response::new(to_proto::response(reply, with_body)))
    }
}

fn request(forwarded: ForwardRequest) -> Result<Request, Status> {
    let method = Method::from_bytes(forwarded.method.as_bytes())
        .map_err(|_| Status::invalid_argument("method: not a method"))?;
    let (path, query) = match forwarded.target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (forwarded.target.as_str(), None),
    };
    let address = address(&forwarded.client_address)?;
    let certificate = Some(Bytes::from(forwarded.peer_certificate));
    Ok(Request {
        method,
        path: path.to_owned(),
        query,
        headers: headers(&forwarded.headers)?,
        body: Some(Bytes::from(forwarded.body)).filter(|body| body.len() <= LARGEST_BODY),
        peer: Peer {
            address,
            certificate: certificate.filter(|der| !der.is_empty()),
            secure: forwarded.secure,
        },
    })
}

fn headers(fields: &[HeaderField]) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for HeaderField { name, value } in fields {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Status::invalid_argument("headers: not a name"))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| Status::invalid_argument("headers: not a value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}
