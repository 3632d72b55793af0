//! How are many resources applied, gateways waited for and listed, and keys made over gRPC?

use std::time::Duration;

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::application_keys_server::ApplicationKeys;
use turnpike_proto::admin::v1::apply_server::Apply;
use turnpike_proto::admin::v1::gateways_server::Gateways;
use turnpike_proto::admin::v1::publish_server::Publish;
use turnpike_proto::admin::v1::test_keys_server::TestKeys;
use turnpike_proto::admin::v1::{
    ApplyRequest, ApplyResponse, GenerateApiKeyRequest, GenerateApiKeyResponse, GenerateKeyRequest,
    GenerateKeyResponse, GenerateTestKeyRequest, GenerateTestKeyResponse, ListGatewaysRequest,
    ListGatewaysResponse, RevokeApiKeyRequest, RevokeApiKeyResponse, WaitRequest, WaitResponse,
    wait_for,
};

use super::administrators::caller;
use super::rollouts;
use crate::distribute::Whom;
use crate::edge::desk::{ApplyOptions, Desk, WaitOptions, wait_limit};
use crate::edge::status;
use crate::manage::{ManageError, Prune};
use crate::rollout::Begin;

#[tonic::async_trait]
impl Apply for Desk {
    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let by = caller(&request)?;
        let ApplyRequest {
            resources,
            dry_run,
            wait,
            timeout,
            partial,
            rollout,
            reason,
            prune,
            fields,
        } = request.into_inner();
        if let Some(plan) = rollout {
            if prune.is_some() {
                return Err(Status::invalid_argument(
                    "a rollout removes nothing: `prune` is not for it",
                ));
            }
            if partial {
                let what = "a rollout is of all resources or none: `partial` is not for it";
                return Err(Status::invalid_argument(what));
            }
            let begin = Begin { upserts: resources, plan, dry_run, reason };
            return rollouts::begin(self, &by, begin).await;
        }
        let prune = prune
            .map(|wanted| Prune { labels: wanted.labels, only: wanted.only.into_iter().collect() });
        if partial && prune.is_some() {
            let what = "`partial` and `prune` exclude each other: what is refused would be removed";
            return Err(Status::invalid_argument(what));
        }
        let wait = limit(wait, timeout)?;
        let options = ApplyOptions { dry_run, prune, reason, fields, partial, wait };
        match Self::apply(self, &by, resources, options).await {
            Ok(response) => Ok(Response::new(response)),
            // Problems are an answer here, so that all of them arrive.
            Err(ManageError::Refused(problems)) => {
                let revision = self.manager.catalog().current().map_or(0, |state| state.revision);
                Ok(Response::new(ApplyResponse { revision, problems, ..ApplyResponse::default() }))
            }
            Err(error) => Err(status::of(&error)),
        }
    }
}

#[tonic::async_trait]
impl Publish for Desk {
    async fn wait(&self, request: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        let by = caller(&request)?;
        let WaitRequest { wait, timeout } = request.into_inner();
        let waited = Self::wait(self, &by, limit(wait, timeout)?).await;
        waited.map(Response::new).map_err(|error| status::of(&error))
    }
}

#[tonic::async_trait]
impl Gateways for Desk {
    async fn list(
        &self,
        request: Request<ListGatewaysRequest>,
    ) -> Result<Response<ListGatewaysResponse>, Status> {
        self.gateways(&caller(&request)?).map(Response::new).map_err(|error| status::of(&error))
    }
}

#[tonic::async_trait]
impl ApplicationKeys for Desk {
    async fn generate(
        &self,
        request: Request<GenerateKeyRequest>,
    ) -> Result<Response<GenerateKeyResponse>, Status> {
        let by = caller(&request)?;
        let made = self.generate_key(&by, request.into_inner()).await;
        made.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn generate_api_key(
        &self,
        request: Request<GenerateApiKeyRequest>,
    ) -> Result<Response<GenerateApiKeyResponse>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let refuse = |_| Status::invalid_argument("`lifetime` is not a span of time");
        let lifetime = request.lifetime.map(Duration::try_from).transpose().map_err(refuse)?;
        let made = self.generate_api_key(&by, request, lifetime).await;
        made.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<RevokeApiKeyResponse>, Status> {
        let by = caller(&request)?;
        let revoked = self.revoke_api_key(&by, request.into_inner()).await;
        revoked.map(Response::new).map_err(|error| status::of(&error))
    }
}

#[tonic::async_trait]
impl TestKeys for Desk {
    async fn generate(
        &self,
        request: Request<GenerateTestKeyRequest>,
    ) -> Result<Response<GenerateTestKeyResponse>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let refuse = |_| Status::invalid_argument("`lifetime` is not a span of time");
        let lifetime = request.lifetime.map(Duration::try_from).transpose().map_err(refuse)?;
        let made = self.generate_test_key(&by, request, lifetime).await;
        made.map(Response::new).map_err(|error| status::of(&error))
    }
}

/// Which gateways to wait for, and how long; none: for nobody.
fn limit(wait: i32, timeout: Option<prost_types::Duration>) -> Result<Option<WaitOptions>, Status> {
    let refuse = |what| Err(Status::invalid_argument(what));
    let timeout = match timeout.map(Duration::try_from) {
        Some(Err(_)) => return refuse("`timeout` is not a span of time"),
        Some(Ok(timeout)) => Some(timeout),
        None => None,
    };
    let limit = wait_limit(timeout);
    match wait_for::Gateways::try_from(wait) {
        Ok(wait_for::Gateways::None) => Ok(None),
        Ok(wait_for::Gateways::All) => Ok(Some(WaitOptions { whom: Whom::All, limit })),
        Ok(wait_for::Gateways::Quorum) => Ok(Some(WaitOptions { whom: Whom::Quorum, limit })),
        Err(_) => refuse("`wait` is none, all or quorum"),
    }
}
