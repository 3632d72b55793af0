//! How are the gRPC services of administrators called from this process itself?
//!
//! Through the same doors as from outside: the bearer token of the caller goes along, and the service's
//! door judges it. So a service that is added is offered over REST without being opened there.

use bytes::{Buf as _, BufMut as _, Bytes};
use chassis::rpc::MESSAGE_BYTES;
use http::HeaderValue;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Routes;
use tonic::{Code, Request, Status, Streaming};

/// The services of administrators. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inside {
    routes: Routes,
}

impl Inside {
    pub(super) const fn new(routes: Routes) -> Self {
        Self { routes }
    }

    /// The answer of `package.Service/Method` to an encoded message.
    pub(super) async fn call(
        &self,
        method: &str,
        authorization: Option<&HeaderValue>,
        message: Vec<u8>,
    ) -> Result<Bytes, Status> {
        let (mut client, path, request) = self.prepared(method, authorization, message).await?;
        Ok(client.unary(request, path, Encoded).await?.into_inner())
    }

    /// The same of a method that answers more than once.
    pub(super) async fn stream(
        &self,
        method: &str,
        authorization: Option<&HeaderValue>,
        message: Vec<u8>,
    ) -> Result<Streaming<Bytes>, Status> {
        let (mut client, path, request) = self.prepared(method, authorization, message).await?;
        Ok(client.server_streaming(request, path, Encoded).await?.into_inner())
    }

    async fn prepared(
        &self,
        method: &str,
        authorization: Option<&HeaderValue>,
        message: Vec<u8>,
    ) -> Result<(Grpc<Routes>, PathAndQuery, Request<Bytes>), Status> {
        let broken = |_| Status::new(Code::Internal, "the method has no path");
        let path = PathAndQuery::try_from(format!("/{method}")).map_err(broken)?;
        let mut request = Request::new(Bytes::from(message));
        let field = authorization.map(|field| AsciiMetadataValue::try_from(field.as_bytes()));
        if let Some(Ok(field)) = field {
            request.metadata_mut().insert("authorization", field);
        }
        let mut client = Grpc::new(self.routes.clone()).max_decoding_message_size(MESSAGE_BYTES);
        // The services of this process are always ready.
        let _ = client.ready().await;
        Ok((client, path, request))
    }
}

/// Messages are encoded and read by whoever knows their descriptors.
#[derive(Clone, Copy, Debug)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
