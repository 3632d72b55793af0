//! The keys: for those who watch them, and for those who change them.

use std::pin::Pin;

use chassis::Shutdown;
use futures_util::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::keys_server::Keys;
use turnpike_proto::identity::v1::{
    EnrolGatewayKeysRequest, EnrolGatewayKeysResponse, KeySet, ListKeysRequest, ListKeysResponse,
    MissingKeyRequest, MissingKeyResponse, ProviderKeys, RevokeKeyRequest, RotateKeysRequest,
    WatchGatewayKeysRequest, WatchKeysRequest, WatchProviderKeysRequest,
};

use super::{caller, gateway_keys, status, to_proto};
use crate::endpoint::Authority;
use crate::issue::{Ring, Wish};

#[derive(Debug)]
pub(super) struct KeySets {
    authority: Authority,
    shutdown: Shutdown,
}

impl KeySets {
    pub(super) const fn new(authority: Authority, shutdown: Shutdown) -> Self {
        Self { authority, shutdown }
    }
}

#[tonic::async_trait]
impl Keys for KeySets {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<KeySet, Status>> + Send>>;

    async fn watch(
        &self,
        _request: Request<WatchKeysRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut rings = self.authority.keeper.watch();
        rings.mark_changed();
        let issuer = self.authority.issuer.as_str().to_owned();
        // A watcher that is slow gets the newest set and none of those between.
        let sets = stream::unfold((rings, issuer), |(mut rings, issuer)| async move {
            rings.changed().await.ok()?;
            let set = to_proto::key_set(&issuer, &rings.borrow_and_update());
            Some((Ok(set), (rings, issuer)))
        });
        Ok(Response::new(self.shutdown.ends(sets).boxed()))
    }

    async fn list(
        &self,
        _request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.authority.keeper.list().await;
        let keys = keys.map_err(|error| status::of_issue(&error))?;
        let keys = keys.into_iter().map(to_proto::signing_key).collect();
        Ok(Response::new(ListKeysResponse { keys }))
    }

    type WatchProvidersStream = Pin<Box<dyn Stream<Item = Result<ProviderKeys, Status>> + Send>>;

    async fn watch_providers(
        &self,
        _request: Request<WatchProviderKeysRequest>,
    ) -> Result<Response<Self::WatchProvidersStream>, Status> {
        let federation = self.authority.federation.clone();
        let mut news = federation.news();
        news.mark_changed();
        let start = (federation, news, None);
        let sets = stream::unfold(start, |(federation, mut news, mut said)| async move {
            loop {
                news.changed().await.ok()?;
                let set = to_proto::provider_keys(&federation.keys());
                // Most readings find what was there before.
                if said.as_ref() != Some(&set) {
                    said = Some(set.clone());
                    return Some((Ok(set), (federation, news, said)));
                }
            }
        });
        Ok(Response::new(self.shutdown.ends(sets).boxed()))
    }

    async fn missing(
        &self,
        request: Request<MissingKeyRequest>,
    ) -> Result<Response<MissingKeyResponse>, Status> {
        let MissingKeyRequest { key_manager, kid } = request.into_inner();
        self.authority.federation.missing(&key_manager, &kid);
        Ok(Response::new(MissingKeyResponse {}))
    }

    async fn enrol_gateway_keys(
        &self,
        request: Request<EnrolGatewayKeysRequest>,
    ) -> Result<Response<EnrolGatewayKeysResponse>, Status> {
        gateway_keys::enrol(&self.authority, request).await?;
        Ok(Response::new(EnrolGatewayKeysResponse {}))
    }

    type WatchGatewayKeysStream = gateway_keys::Sets;

    async fn watch_gateway_keys(
        &self,
        _request: Request<WatchGatewayKeysRequest>,
    ) -> Result<Response<Self::WatchGatewayKeysStream>, Status> {
        Ok(Response::new(gateway_keys::watch(self.authority.clone(), &self.shutdown)))
    }

    async fn rotate(
        &self,
        request: Request<RotateKeysRequest>,
    ) -> Result<Response<KeySet>, Status> {
        let by = caller(&request);
        let keeper = &self.authority.keeper;
        if !request.get_ref().at_once {
            keeper.may_rotate().await.map_err(|error| status::of_issue(&error))?;
        }
        let rotated = keeper.change_for(&by, Wish::Rotate).await;
        let ring = rotated.map_err(|error| status::of_issue(&error))?;
        tracing::info!(by, "signing keys rotated on demand");
        Ok(Response::new(self.set(&ring)))
    }

    async fn revoke(&self, request: Request<RevokeKeyRequest>) -> Result<Response<KeySet>, Status> {
        let by = caller(&request);
        let kid = request.into_inner().kid;
        let revoked = self.authority.keeper.change_for(&by, Wish::Revoke(kid.clone())).await;
        let ring = revoked.map_err(|error| status::of_issue(&error))?;
        tracing::warn!(by, kid, "signing key revoked");
        Ok(Response::new(self.set(&ring)))
    }
}

impl KeySets {
    fn set(&self, ring: &Ring) -> KeySet {
        to_proto::key_set(self.authority.issuer.as_str(), ring)
    }
}
