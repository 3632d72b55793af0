//! Do references stay within a tenant?
//!
//! What belongs to a tenant names what belongs to the same, and of the operator's what is meant for
//! all: tiers, key managers and gateway groups. The operator's own resources name nobody's, but for
//! policies, which say how the calls of others are treated.

use turnpike_proto::config::v1::Resource;

use crate::objects::{Objects, Reference};
use crate::problem::Problems;
use crate::resource::{Kind, kind, metadata};

/// Whether every tenant may name the operator's resources of this kind.
pub const fn is_for_all_tenants(kind: Kind) -> bool {
    matches!(kind, Kind::Tier | Kind::KeyManager | Kind::GatewayGroup)
}

/// References of `resource` that cross from a tenant into another.
pub(super) fn check_tenants(
    after: &Objects,
    resource: &Resource,
    references: &[Reference],
    problems: &mut Problems,
) {
    let own = tenant(resource);
    let is_policy = matches!(kind(resource), Some(Kind::DenyPolicy | Kind::CustomThrottle));
    if own.is_empty() && is_policy {
        return;
    }
    for Reference { to, field } in references {
        let Some(kind) = to.kind() else { continue };
        let Some(object) = after.get(to) else { continue };
        let theirs = object.resource().map(|held| tenant(&held).to_owned()).unwrap_or_default();
        let shared = theirs.is_empty() && is_for_all_tenants(kind);
        if theirs != own && !shared && !problems.has(field) {
            let suggestion = "name what belongs to the same tenant";
            problems.add_at(field, format!("{to} is not of the same tenant"), suggestion);
        }
    }
}

fn tenant(resource: &Resource) -> &str {
    metadata(resource).map_or("", |metadata| &metadata.tenant)
}

#[cfg(test)]
mod tests {
    use crate::fixtures::{lines, resources};
    use crate::{Objects, admit, metadata_mut};

    /// Lines as in `fixtures`, each with `@tenant` behind it; the answer are the problems.
    #[track_caller]
    fn check(short: &str, expected: &str) {
        let mut all = Vec::new();
        for line in short.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (line, tenant) = line.rsplit_once('@').unwrap();
            for mut resource in resources(line) {
                tenant.clone_into(&mut metadata_mut(&mut resource).unwrap().tenant);
                all.push(resource);
            }
        }
        let said =
            admit(&Objects::new(), &all, &[]).map_or_else(|it| lines(&it), |_| String::new());
        assert_eq!(said.trim(), expected);
    }

    #[test]
    fn a_tenant_names_its_own_and_what_is_for_all() {
        check(
            "tier Gold subscription 5/60 @
             api orders 1 /orders + tiers: [Gold, Silver] @a
             tier Silver subscription 5/60 @a
             app shop @a
             sub s shop orders:1 Silver @a
             deny d + applications: [shop] @",
            "",
        );
    }

    #[test]
    fn nothing_crosses_from_a_tenant_into_another() {
        check(
            "api orders 1 /orders @a
             app shop @b
             sub s shop orders:1 Unlimited @b",
            "Subscription/s: spec.api: Api/orders:1 is not of the same tenant; name what belongs to \
             the same tenant",
        );
        check(
            "tier Silver subscription 5/60 @a
             api orders 1 /orders + tiers: [Silver] @",
            "Api/orders:1: spec.tiers[0]: Tier/Silver is not of the same tenant; name what belongs \
             to the same tenant",
        );
        check(
            "app shop @a
             deny d + applications: [shop] @b",
            "DenyPolicy/d: spec.applications[0]: Application/shop is not of the same tenant; name \
             what belongs to the same tenant",
        );
    }
}
