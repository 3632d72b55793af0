//! How are kinds called in paths?
//!
//! As the service that keeps them, in small letters: `KeyManagers` is `/api/v1/key-managers`. A kind that
//! has a service is here by itself.

use std::sync::LazyLock;

use plan::Kind;
use prost_reflect::ServiceDescriptor;
use turnpike_proto::POOL;

/// The package of the services of administrators.
pub(super) const PACKAGE: &str = "turnpike.admin.v1";

/// A kind, how it is called in paths, and its service.
#[derive(Clone, Debug)]
pub(super) struct Plural {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) service: ServiceDescriptor,
}

/// All of them, in the order of the services.
pub(super) fn plurals() -> &'static [Plural] {
    static PLURALS: LazyLock<Vec<Plural>> =
        LazyLock::new(|| services().filter_map(plural).collect());
    &PLURALS
}

/// The kind of a path's segment.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    plurals().iter().find(|plural| plural.name == name).map(|plural| plural.kind)
}

/// The services of the collector that people ask.
const OF_COLLECTOR: [&str; 3] =
    ["turnpike.usage.v1.Alerts", "turnpike.usage.v1.Analytics", "turnpike.usage.v1.Reports"];

/// The services of administrators, and those of the collector.
pub(super) fn services() -> impl Iterator<Item = ServiceDescriptor> {
    POOL.services().filter(|service| service.package_name() == PACKAGE || of_collector(service))
}

/// Whether a service is one of the collector.
pub(super) fn of_collector(service: &ServiceDescriptor) -> bool {
    OF_COLLECTOR.contains(&service.full_name())
}

/// The service of a kind is the one that puts it.
fn plural(service: ServiceDescriptor) -> Option<Plural> {
    let put = service.methods().find(|method| method.name() == "Put")?;
    let input = put.input();
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| input.name() == kind.name() && input.package_name() == "turnpike.config.v1")?;
    Some(Plural { kind, name: kebab(service.name()), service })
}

/// `KeyManagers` as `key-managers`.
pub(super) fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for (index, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let mut names: Vec<&str> = plurals().iter().map(|one| one.name.as_str()).collect();
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_of_files()).count();
        assert_eq!(names.len(), kinds, "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds, "{names:?}");
    }

    #[test]
    fn names_are_those_of_the_services_in_small_letters() {
        for (name, kebab) in [("Apis", "apis"), ("DenyPolicies", "deny-policies")] {
            assert_eq!(super::kebab(name), kebab);
        }
    }
}
