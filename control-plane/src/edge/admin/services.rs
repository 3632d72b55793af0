//! Which services stand on the gRPC port, and who is let in to each?
//!
//! Services of ours are known by their certificate. Whoever administers is known by that of an
//! administrator or by a token, and needs no certificate for it.

use std::convert::Infallible;
use std::sync::Arc;

use chassis::rpc::{Allow, MESSAGE_BYTES, Services};
use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tower_service::Service;
use turnpike_proto::admin::v1::alert_rules_server::AlertRulesServer;
use turnpike_proto::admin::v1::api_products_server::ApiProductsServer;
use turnpike_proto::admin::v1::apis_server::ApisServer;
use turnpike_proto::admin::v1::application_keys_server::ApplicationKeysServer;
use turnpike_proto::admin::v1::applications_server::ApplicationsServer;
use turnpike_proto::admin::v1::apply_server::ApplyServer;
use turnpike_proto::admin::v1::audit_server::AuditServer;
use turnpike_proto::admin::v1::certificates_server::CertificatesServer;
use turnpike_proto::admin::v1::custom_throttles_server::CustomThrottlesServer;
use turnpike_proto::admin::v1::deny_policies_server::DenyPoliciesServer;
use turnpike_proto::admin::v1::gateway_groups_server::GatewayGroupsServer;
use turnpike_proto::admin::v1::gateways_server::GatewaysServer;
use turnpike_proto::admin::v1::history_server::HistoryServer;
use turnpike_proto::admin::v1::key_managers_server::KeyManagersServer;
use turnpike_proto::admin::v1::lifecycle_server::LifecycleServer;
use turnpike_proto::admin::v1::limits_server::LimitsServer;
use turnpike_proto::admin::v1::notification_channels_server::NotificationChannelsServer;
use turnpike_proto::admin::v1::people_server::PeopleServer;
use turnpike_proto::admin::v1::policies_server::PoliciesServer;
use turnpike_proto::admin::v1::publish_server::PublishServer;
use turnpike_proto::admin::v1::rollouts_server::RolloutsServer;
use turnpike_proto::admin::v1::secrets_server::SecretsServer;
use turnpike_proto::admin::v1::states_server::StatesServer;
use turnpike_proto::admin::v1::subscriptions_server::SubscriptionsServer;
use turnpike_proto::admin::v1::test_keys_server::TestKeysServer;
use turnpike_proto::admin::v1::tiers_server::TiersServer;
use turnpike_proto::admin::v1::tokens_server::TokensServer;
use turnpike_proto::admin::v1::workflow_requests_server::WorkflowRequestsServer;
use turnpike_proto::admin::v1::workflows_server::WorkflowsServer;
use turnpike_proto::admin::v1::xacml_policy_sets_server::XacmlPolicySetsServer;
use turnpike_proto::config::v1::alert_blocks_server::AlertBlocksServer;
use turnpike_proto::config::v1::alerting_server::AlertingServer;
use turnpike_proto::config::v1::config_sync_server::ConfigSyncServer;
use turnpike_proto::config::v1::limit_sync_server::LimitSyncServer;
use turnpike_proto::config::v1::providers_server::ProvidersServer;
use turnpike_proto::usage::v1::alerts_server::AlertsServer;
use turnpike_proto::usage::v1::analytics_server::AnalyticsServer;
use turnpike_proto::usage::v1::reports_server::ReportsServer;

use super::administrators::Administrators;
use crate::distribute::{Alerting, Export, Providers, Sync};
use crate::edge::authorize::{Who, of_service};
use crate::edge::desk::Desk;
use crate::edge::inside::Inside;
use crate::limits::Share;
use crate::people::People;
use crate::rpc::{Collector, Forward};

/// What other services of ours follow.
#[derive(Debug)]
pub struct Streams {
    /// The configuration of gateways.
    pub sync: Sync,
    /// The same for files.
    pub export: Export,
    /// What gateways count together.
    pub share: Share,
    /// Whom key managers ask.
    pub providers: Providers,
    /// What is an alert, for collectors.
    pub alerting: Alerting,
}

/// The gRPC services of the control plane, added to `services`, and those for administrators once more
/// for REST, which calls them without a port between, with those of the collector.
pub fn services(
    services: Services,
    desk: &Desk,
    streams: Streams,
    people: &Arc<People>,
    collector: &Collector,
) -> (Services, Inside) {
    let services = Doors { services, inside: RoutesBuilder::default() };
    let Streams { sync, export, share, providers, alerting } = streams;
    let sync = ConfigSyncServer::new(sync).max_decoding_message_size(MESSAGE_BYTES);
    let services = services.add(callers_of(&sync), sync);
    let share = LimitSyncServer::new(share).max_decoding_message_size(MESSAGE_BYTES);
    let services = services.add(callers_of(&share), share);
    let providers = ProvidersServer::new(providers);
    let services = services.add(callers_of(&providers), providers);
    let alerting = AlertingServer::new(alerting);
    let services = services.add(callers_of(&alerting), alerting);
    let blocks = AlertBlocksServer::new(desk.clone());
    let services = services.add(callers_of(&blocks), blocks);
    let services = admin(
        services,
        people,
        ApisServer::new(desk.clone()).max_decoding_message_size(MESSAGE_BYTES),
    );
    let services = admin(services, people, ApiProductsServer::new(desk.clone()));
    let services = admin(services, people, ApplicationsServer::new(desk.clone()));
    let services = admin(services, people, SubscriptionsServer::new(desk.clone()));
    let services = admin(services, people, TiersServer::new(desk.clone()));
    let services = admin(services, people, KeyManagersServer::new(desk.clone()));
    let services = admin(services, people, GatewayGroupsServer::new(desk.clone()));
    let services = admin(services, people, CertificatesServer::new(desk.clone()));
    let services = admin(services, people, SecretsServer::new(desk.clone()));
    let services = admin(services, people, DenyPoliciesServer::new(desk.clone()));
    let services = admin(services, people, CustomThrottlesServer::new(desk.clone()));
    let services = admin(services, people, PoliciesServer::new(desk.clone()));
    let services = admin(
        services,
        people,
        XacmlPolicySetsServer::new(desk.clone()).max_decoding_message_size(MESSAGE_BYTES),
    );
    let services = admin(services, people, WorkflowsServer::new(desk.clone()));
    let services = admin(services, people, AlertRulesServer::new(desk.clone()));
    let services = admin(services, people, NotificationChannelsServer::new(desk.clone()));
    let services = admin(services, people, WorkflowRequestsServer::new(desk.clone()));
    let services = admin(services, people, LifecycleServer::new(desk.clone()));
    let services = admin(
        services,
        people,
        ApplyServer::new(desk.clone()).max_decoding_message_size(MESSAGE_BYTES),
    );
    let services = admin(services, people, StatesServer::new(export));
    let services = admin(services, people, PublishServer::new(desk.clone()));
    let services = admin(services, people, RolloutsServer::new(desk.clone()));
    let services = admin(services, people, GatewaysServer::new(desk.clone()));
    let services = admin(services, people, ApplicationKeysServer::new(desk.clone()));
    let services = admin(services, people, HistoryServer::new(desk.clone()));
    let services = admin(services, people, AuditServer::new(desk.clone()));
    let services = admin(services, people, TestKeysServer::new(desk.clone()));
    let services = admin(services, people, LimitsServer::new(desk.clone()));
    let services = admin(services, people, PeopleServer::new(desk.clone()));
    let services = admin(services, people, TokensServer::new(desk.clone()));
    let services = of_collector(services, people, collector.service::<AnalyticsServer<()>>());
    let services = of_collector(services, people, collector.service::<AlertsServer<()>>());
    let services = of_collector(services, people, collector.service::<ReportsServer<()>>());
    let Doors { services, inside } = services;
    (services, Inside::new(inside.routes()))
}

/// The services of the port, and those that REST reaches.
struct Doors {
    services: Services,
    inside: RoutesBuilder,
}

impl Doors {
    fn add<S>(self, allow: Allow, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + std::marker::Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self { services: self.services.add(allow, service), ..self }
    }
}

/// Adds a service for administrators.
fn admin<S>(services: Doors, people: &Arc<People>, service: S) -> Doors
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + std::marker::Sync
        + 'static,
    S::Future: Send + 'static,
{
    let allow = callers_of(&service);
    let service = Administrators::only(service, people.clone());
    let mut doors = services.add(allow, service.clone());
    // Whoever asks over REST has no certificate: the same door looks at the token.
    doors.inside.add_service(service);
    doors
}

/// Adds a service of the collector, for REST alone: over gRPC the collector is asked itself.
fn of_collector<S>(mut doors: Doors, people: &Arc<People>, service: Forward<S>) -> Doors
where
    S: NamedService + Clone + Send + std::marker::Sync + 'static,
{
    doors.inside.add_service(Administrators::only(service, people.clone()));
    doors
}

/// What the table says; a service that is not in it is nobody's.
fn callers_of<S: NamedService>(_service: &S) -> Allow {
    match of_service(S::NAME) {
        Some(Who::Gateway) => Allow::only(&["gateway"]),
        Some(Who::KeyManager) => Allow::only(&["key-manager"]),
        Some(Who::Collector) => Allow::only(&["analytics-collector"]),
        // Who asks is looked at behind this door, and whether they may, method by method.
        Some(_) => Allow::everybody(),
        None => Allow::only(&[]),
    }
}
