//! What do these resources make a gateway do, and what is wrong with them?
//!
//! Resources in, an executable plan or a list of problems out. The control plane asks before it
//! commits, the gateway before it swaps, the command line without either; there is no second
//! validator and no second compiler, so what was accepted is what runs. Pure: no I/O besides
//! [`files`], no clock, no tasks.
#![warn(missing_docs)]

mod admission;
mod compile;
mod difference;
mod document;
mod expression;
pub mod files;
#[cfg(test)]
mod fixtures;
mod hash_trie;
mod map;
mod names;
mod objects;
pub mod openapi;
mod problem;
mod resource;
mod router;
mod skew;
mod slice;
mod statement;
mod table;
mod threads;

pub use admission::{Admitted, Change, admit, admit_good, is_for_all_tenants};
pub use compile::{
    AccessPlan, AnalyticsPlan, ApiKeyPlaces, ApiKeyPlan, ApiPlan, ApplicationPlan, AwsPlan,
    BackendJwtPlan, BackendTlsPlan, BackendUrl, Balance, BreakerPlan, BulkheadPlan,
    CallerRightsPlan, CallersPlan, Carried, ClaimNames, ClaimPlan, ClaimRule, ClientAuthority,
    CompressionPlan, ConditionPlan, ConsumerPlan, CorsPlan, Counters, CredentialPlan, CsrfPlan,
    CustomPlan, DecisionPointPlan, DenyPlan, EjectionPlan, EndpointPlan, HashBy, HeaderRules,
    HealthCheckPlan, IntrospectionPlan, KeyManagerPlan, KeyType, Keyed, LimitsPlan,
    ListenerCertificate, MirrorPlan, OAuth2Plan, OnFailure, OperationMatch, OperationPlan, Part,
    PoliciesPlan, PolicySetPlan, Protocol, RequestLimitsPlan, RestrictionPlan, RetryPlan,
    SchemeSet, ScopeRoles, SecretText, SecurityPlan, ServerPlan, Shown, ShownFields, SplitBy,
    StickyPlan, SubscriptionPlan, Template, ThrottlePlan, TokenPattern, USUAL_PRIORITY, Unfit,
    Variable, VariantPlan, VariantsPlan, Visit, Visitor, Wants, belongs_to_gateway,
    is_built_in_tier, key_digest,
};
pub use difference::{Difference, differences};
pub use document::{from_json, message_from_json, read_document, read_values};
pub use expression::{EvaluationError, Expression, Fact, Facts, TextExpression, Wanted};
pub use objects::{
    Digests, Object, Objects, Reference, StateHash, bucket, is_built_in, references,
};
pub use problem::describe;
pub use resource::{
    Kind, ResourceKey, UnknownKey, decode, encode, is_name, key, kind, metadata, metadata_mut,
    to_json, to_yaml,
};
pub use router::{Asked, query_values};
pub use skew::{Distance, Known, TooMuch, distance};
pub use slice::{Slice, groups, slice};
pub use statement::Statement;
pub use table::{Hit, Plan};
pub use turnpike_proto::config::v1::api_type::Type as ApiType;
pub use turnpike_proto::config::v1::backend_jwt::{Dialect, Encoding};
pub use turnpike_proto::config::v1::{Problem, Rejected, Resource};
