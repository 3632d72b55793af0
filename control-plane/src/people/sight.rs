//! Which resources does somebody see, and which may they change?
//!
//! Of their own tenant, as far as one of their roles reaches: administrators everything, auditors
//! everything but secrets, publishers what is theirs and what is shared with them, subscribers their
//! applications and the APIs that are published. Of the operator, a tenant sees what is for all.

use plan::{Kind, Resource, kind, metadata};
use turnpike_proto::config::v1::Metadata;
use turnpike_proto::config::v1::lifecycle::State;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::caller::Caller;
use super::rights::{Access, may, stays_in_tenant};
use super::role::Role;

/// How much of a resource somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// For them it is not there.
    Nothing,
    /// What one needs to call it, and not how it is served.
    Outline,
    /// All.
    Whole,
}

impl Caller {
    /// How much of a stored resource they see.
    pub fn sees(&self, resource: &Resource) -> Sight {
        if self.may_everything() {
            return Sight::Whole;
        }
        let Some((kind, metadata, key)) = parts(resource) else { return Sight::Nothing };
        let ours = metadata.tenant == self.tenant();
        let for_all = metadata.tenant.is_empty() && plan::is_for_all_tenants(kind);
        if !(ours || for_all || self.sees_everything()) || !self.limits().admit(&key, Access::Read)
        {
            return Sight::Nothing;
        }
        let reading = may(kind, Access::Read);
        let roles = self.roles().iter().filter(|role| reading.contains(role));
        let seen = roles.map(|role| self.seen_as(role, kind, metadata, resource));
        seen.max().unwrap_or(Sight::Nothing)
    }

    fn seen_as(&self, role: Role, kind: Kind, metadata: &Metadata, resource: &Resource) -> Sight {
        let is_theirs = || self.is_shared(metadata, Access::Read);
        let whole = |seen: bool| if seen { Sight::Whole } else { Sight::Nothing };
        match (role, kind) {
            (
                Role::Publisher,
                Kind::Api | Kind::ApiProduct | Kind::Secret | Kind::Policy | Kind::XacmlPolicySet,
            ) => whole(is_theirs()),
            (Role::Admin | Role::Auditor | Role::Publisher, _) | (Role::Subscriber, Kind::Tier) => {
                Sight::Whole
            }
            (Role::Subscriber, Kind::Api | Kind::ApiProduct) => match is_theirs() {
                true => Sight::Whole,
                false if is_offered(resource) => Sight::Outline,
                false => Sight::Nothing,
            },
            (Role::Subscriber, _) => whole(is_theirs()),
        }
    }

    /// Whether they are told what became of resources while these were a tenant's; empty: the operator's. A
    /// tenant is told of its own alone, and not of what is the operator's and for all.
    pub fn sees_past_of(&self, tenant: &str) -> bool {
        let looks = self.roles().has_any(&[Role::Admin, Role::Auditor]) && !self.limits().narrow();
        self.sees_everything() || (looks && tenant == self.tenant())
    }

    /// Whether they see a resource as it was.
    pub fn sees_past(&self, form: &Resource) -> bool {
        let tenant = metadata(form).map_or("", |metadata| metadata.tenant.as_str());
        self.sees_past_of(tenant) && self.sees(form) == Sight::Whole
    }

    /// Whether all of a kind is for them to look at, as far as it is their tenant's.
    pub fn looks_at(&self, kind: Kind) -> bool {
        let reading = may(kind, Access::Read);
        let looks = |role: &Role| self.roles().has(*role) && reading.contains(role);
        [Role::Admin, Role::Auditor].iter().any(looks)
    }

    /// Whether they may change a resource of this form, be it the stored or the wanted one.
    pub fn may_change(&self, resource: &Resource) -> bool {
        if self.may_everything() {
            return true;
        }
        let Some((kind, metadata, key)) = parts(resource) else { return false };
        let reaches_tenant = self.is_of_operator() && self.roles().has(Role::Admin);
        let ours =
            metadata.tenant == self.tenant() && (self.is_of_operator() || stays_in_tenant(kind));
        if !(ours || reaches_tenant) || !self.limits().admit(&key, Access::Write) {
            return false;
        }
        let writing = may(kind, Access::Write);
        let mut roles = self.roles().iter().filter(|role| writing.contains(role));
        roles.any(|role| role == Role::Admin || self.is_shared(metadata, Access::Write))
    }

    /// Whether it is theirs, or was shared with them.
    fn is_shared(&self, metadata: &Metadata, access: Access) -> bool {
        let (read, write) = metadata
            .access
            .as_ref()
            .map_or((&[][..], &[][..]), |access| (&access.read[..], &access.write[..]));
        let reads = |name: &String| name == "*" || self.is_named(name);
        self.owns(metadata)
            || write.iter().any(|name| self.is_named(name))
            || (access == Access::Read && read.iter().any(reads))
    }

    /// Whether it is theirs.
    pub(super) fn owns(&self, metadata: &Metadata) -> bool {
        self.is_named(&metadata.owner)
    }
}

fn parts(resource: &Resource) -> Option<(Kind, &Metadata, plan::ResourceKey)> {
    Some((kind(resource)?, metadata(resource)?, plan::key(resource)?))
}

/// Whether consumers are meant to find it.
fn is_offered(resource: &Resource) -> bool {
    let state = match &resource.resource {
        Some(Any::Api(api)) => api.spec.as_ref().map(|spec| spec.lifecycle),
        Some(Any::ApiProduct(product)) => product.spec.as_ref().map(|spec| spec.lifecycle),
        _ => None,
    };
    let state = state.and_then(|state| State::try_from(state).ok());
    matches!(state, Some(State::Published | State::Prototyped | State::Deprecated))
}
