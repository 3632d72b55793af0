//! What does one resource make a gateway do, and what is wrong with it by itself?
//!
//! Each kind is checked and compiled by the same function, so that what admission accepts is what
//! gateways run. What it takes to know other resources stands in `admission` and `table`.

mod access;
mod address;
mod alert;
mod alike;
mod analytics;
mod api;
mod api_key;
mod backend;
mod backend_jwt;
mod backend_tls;
mod backend_url;
mod balance;
mod built_in;
mod caching;
mod certificate;
mod claim_names;
mod cors;
mod counters;
mod credential;
mod custom;
mod decision_point;
mod deny;
mod head;
mod host;
mod key_manager;
mod matching;
mod mirror;
mod named;
mod oauth2;
mod operation;
mod origin;
mod places;
mod policies;
mod policy_set;
mod product;
mod provider;
mod range;
mod request_limits;
mod resilience;
mod resource;
mod restriction;
mod security;
mod subscriber;
mod template;
mod throttle;
mod tier;
mod tier_group;
mod token_pattern;
mod usual;
mod variant;
mod wire;
mod workflow;

pub use access::{AccessPlan, ClaimRule, ConditionPlan, CsrfPlan};
pub use analytics::{AnalyticsPlan, Shown};
pub use api::{ApiPlan, OperationMatch};
pub use api_key::ApiKeyPlan;
pub use backend::EndpointPlan;
pub use backend_jwt::{BackendJwtPlan, ClaimPlan};
pub use backend_tls::BackendTlsPlan;
pub use backend_url::BackendUrl;
pub use balance::{Balance, HashBy, ServerPlan, StickyPlan};
pub use built_in::is_built_in_tier;
pub use caching::CompressionPlan;
pub use certificate::{ClientAuthority, ListenerCertificate, key_digest};
pub use claim_names::ClaimNames;
pub use cors::CorsPlan;
pub use counters::{Counters, Keyed, LimitsPlan};
pub use credential::{AwsPlan, CredentialPlan};
pub use custom::CustomPlan;
pub use decision_point::{DecisionPointPlan, OnFailure, Protocol, ShownFields};
pub use deny::{DenyPlan, Visit, Visitor};
pub use key_manager::{IntrospectionPlan, KeyManagerPlan};
pub use mirror::MirrorPlan;
pub use named::SecretText;
pub use oauth2::OAuth2Plan;
pub use operation::{OperationPlan, Wants};
pub use policies::{HeaderRules, PoliciesPlan, Template, belongs_to_gateway};
pub use request_limits::RequestLimitsPlan;
pub use resilience::{BreakerPlan, BulkheadPlan, EjectionPlan, HealthCheckPlan, RetryPlan};
pub use restriction::{RestrictionPlan, Unfit};
pub use security::{
    ApiKeyPlaces, CallerRightsPlan, CallersPlan, SchemeSet, ScopeRoles, SecurityPlan,
};
pub use subscriber::{ApplicationPlan, ConsumerPlan, KeyType, SubscriptionPlan};
pub use template::{Part, Variable};
pub use throttle::ThrottlePlan;
pub use tier_group::Carried;
pub use variant::{SplitBy, VariantPlan, VariantsPlan};

pub(crate) use address::{Family, Network, above, number};
pub(crate) use alert::{MOST_ALERT_RULES, MOST_CHANNELS};
pub(crate) use alike::Alike;
pub(crate) use api::{MAX_DEFINITION_BYTES, broken_api, compile_api};
pub(crate) use backend::check_access;
pub(crate) use built_in::{
    SUBSCRIPTIONLESS, UNAUTHENTICATED, built_in_tier, built_in_tiers, is_of_other_level,
};
pub(crate) use certificate::{
    Authority, CertificateForm, check_pair, compile_certificate, read_private_key, validity,
};
pub(crate) use counters::USUAL_SUBJECTS;
pub(crate) use custom::{MAX_CUSTOM, compile_custom};
pub(crate) use deny::compile_deny;
pub(crate) use host::{GroupPlan, compile_group, selects};
pub(crate) use key_manager::{built_in_resident, compile_key_manager, is_of_resident};
pub(crate) use named::Named;
pub(crate) use operation::is_scope;
pub(crate) use policies::Kept;
pub use policy_set::PolicySetPlan;
pub(crate) use policy_set::compile_policy_set;
pub(crate) use product::{broken_product, compile_product};
pub(crate) use resource::compile_resource;
pub(crate) use security::compile_security;
pub(crate) use subscriber::{ApplicationForm, compile_application, compile_subscription};
pub use tier::USUAL_PRIORITY;
pub(crate) use tier::{TierPlan, compile_tier};
pub use token_pattern::TokenPattern;
pub(crate) use usual::usual_key_managers;
