//! How are resources of one kind got, listed, put and deleted over gRPC?
//!
//! The services of all kinds are the same but for their types, which the generated code keeps
//! apart; the macro writes down that sameness once instead of a dozen times.

use plan::{Kind, Resource};
use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::{
    self as wire, DeleteRequest, DeleteResponse, GetRequest, ListRequest,
};
use turnpike_proto::config::v1 as config;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::administrators::caller;
use crate::edge::desk::{Desk, PutOptions, key};
use crate::edge::status;
use crate::manage::{Page, PageRequest};
use crate::people::Caller;

macro_rules! service_of_kind {
    ($server:ident::$Service:ident, $Kind:ident, $ListResponse:ident) => {
        #[tonic::async_trait]
        impl wire::$server::$Service for Desk {
            async fn get(
                &self,
                request: Request<GetRequest>,
            ) -> Result<Response<config::$Kind>, Status> {
                let by = caller(&request)?;
                match one(self, &by, Kind::$Kind, &request.into_inner())? {
                    Any::$Kind(one) => Ok(Response::new(one)),
                    _ => Err(other_kind()),
                }
            }

            async fn list(
                &self,
                request: Request<ListRequest>,
            ) -> Result<Response<wire::$ListResponse>, Status> {
                let by = caller(&request)?;
                let Page { items, next, revision } =
                    page(self, &by, Kind::$Kind, request.into_inner())?;
                let items = items.into_iter().filter_map(|item| match item.resource {
                    Some(Any::$Kind(one)) => Some(one),
                    _ => None,
                });
                let items = items.collect();
                Ok(Response::new(wire::$ListResponse { items, next_page_token: next, revision }))
            }

            async fn put(
                &self,
                request: Request<config::$Kind>,
            ) -> Result<Response<config::$Kind>, Status> {
                let by = caller(&request)?;
                match put(self, &by, Any::$Kind(request.into_inner())).await? {
                    Any::$Kind(one) => Ok(Response::new(one)),
                    _ => Err(other_kind()),
                }
            }

            async fn delete(
                &self,
                request: Request<DeleteRequest>,
            ) -> Result<Response<DeleteResponse>, Status> {
                let by = caller(&request)?;
                delete(self, &by, Kind::$Kind, &request.into_inner()).await
            }
        }
    };
}

service_of_kind!(apis_server::Apis, Api, ListApisResponse);
service_of_kind!(api_products_server::ApiProducts, ApiProduct, ListApiProductsResponse);
service_of_kind!(applications_server::Applications, Application, ListApplicationsResponse);
service_of_kind!(subscriptions_server::Subscriptions, Subscription, ListSubscriptionsResponse);
service_of_kind!(tiers_server::Tiers, Tier, ListTiersResponse);
service_of_kind!(key_managers_server::KeyManagers, KeyManager, ListKeyManagersResponse);
service_of_kind!(gateway_groups_server::GatewayGroups, GatewayGroup, ListGatewayGroupsResponse);
service_of_kind!(certificates_server::Certificates, Certificate, ListCertificatesResponse);
service_of_kind!(secrets_server::Secrets, Secret, ListSecretsResponse);
service_of_kind!(deny_policies_server::DenyPolicies, DenyPolicy, ListDenyPoliciesResponse);
service_of_kind!(
    custom_throttles_server::CustomThrottles,
    CustomThrottle,
    ListCustomThrottlesResponse
);
service_of_kind!(policies_server::Policies, Policy, ListPoliciesResponse);
service_of_kind!(
    xacml_policy_sets_server::XacmlPolicySets,
    XacmlPolicySet,
    ListXacmlPolicySetsResponse
);
service_of_kind!(alert_rules_server::AlertRules, AlertRule, ListAlertRulesResponse);
service_of_kind!(
    notification_channels_server::NotificationChannels,
    NotificationChannel,
    ListNotificationChannelsResponse
);
service_of_kind!(workflows_server::Workflows, Workflow, ListWorkflowsResponse);

fn one(desk: &Desk, by: &Caller, kind: Kind, request: &GetRequest) -> Result<Any, Status> {
    let key = key(kind, &request.name, &request.version);
    let resource = desk.get(by, &key).map_err(|error| status::of(&error))?;
    resource.resource.ok_or_else(other_kind)
}

fn page(desk: &Desk, by: &Caller, kind: Kind, request: ListRequest) -> Result<Page, Status> {
    let unknown = |_| Status::invalid_argument("`lifecycles` has a state that is not known");
    let lifecycles = request.lifecycles.iter().map(|state| Lifecycle::try_from(*state)).collect();
    let wanted = PageRequest {
        labels: request.labels,
        owner: request.owner,
        name_prefix: request.name_prefix,
        context: request.context,
        lifecycles: Result::map_err(lifecycles, unknown)?,
        size: usize::try_from(request.page_size).unwrap_or(usize::MAX),
        token: request.page_token,
    };
    desk.list(by, kind, &wanted).map_err(|error| status::of(&error))
}

async fn put(desk: &Desk, by: &Caller, resource: Any) -> Result<Any, Status> {
    let resource = Resource { resource: Some(resource) };
    let (stored, _) =
        desk.put(by, resource, PutOptions::default()).await.map_err(|error| status::of(&error))?;
    stored.resource.ok_or_else(other_kind)
}

async fn delete(
    desk: &Desk,
    by: &Caller,
    kind: Kind,
    request: &DeleteRequest,
) -> Result<Response<DeleteResponse>, Status> {
    let key = key(kind, &request.name, &request.version);
    let deleted = desk.delete(by, key, request.revision).await;
    deleted.map(Response::new).map_err(|error| status::of(&error))
}

/// A key leads to a resource of its own kind; anything else is a defect of ours.
fn other_kind() -> Status {
    Status::internal("the stored resource is of another kind")
}
