//! How is the analytics collector asked by those whom this control plane lets in?
//!
//! A call of one of its services is handed on as it came, and so is its answer. Whoever asks is known
//! here alone: the collector knows this control plane by its certificate, and never sees a token.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use chassis::{Host, telemetry};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use serde::Deserialize;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tower_service::Service;

/// Section `[collector]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorConfig {
    /// Its gRPC port, `https://host:port`; empty: there is none.
    pub address: String,
}

/// The analytics collector; cheap to clone.
#[derive(Clone, Debug)]
pub struct Collector {
    /// None: there is no collector.
    channel: Option<Channel>,
}

impl Collector {
    /// Connects when it is first needed.
    pub fn new(host: &Host, config: &CollectorConfig) -> Result<Self, chassis::rpc::Error> {
        let channel = (!config.address.is_empty())
            .then(|| chassis::rpc::channel(&host.tls, &config.address, "analytics-collector"));
        Ok(Self { channel: channel.transpose()? })
    }

    /// The service that `S` serves there.
    pub fn service<S: NamedService>(&self) -> Forward<S> {
        Forward { collector: self.clone(), service: PhantomData }
    }
}

/// A service of the collector, as if it were served here.
#[derive(Clone, Debug)]
pub struct Forward<S> {
    collector: Collector,
    service: PhantomData<S>,
}

impl<S: NamedService> NamedService for Forward<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Forward<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Whether the collector can be reached is a matter of each call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let channel = self.collector.channel.clone();
        request.headers_mut().remove(AUTHORIZATION);
        telemetry::inject(request.headers_mut());
        Box::pin(async move {
            let Some(channel) = channel else {
                let why = "there is no analytics collector here (collector.address)";
                return Ok(Status::unimplemented(why).into_http());
            };
            Ok(handed_on(channel, request).await.unwrap_or_else(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "no collector");
                Status::unavailable("the analytics collector cannot be reached").into_http()
            }))
        })
    }
}

async fn handed_on(
    mut channel: Channel,
    request: Request<Body>,
) -> Result<Response<Body>, tonic::transport::Error> {
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await?;
    channel.call(request).await
}
