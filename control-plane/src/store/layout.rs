//! Which key holds which resource?
//!
//! One object per key: `objects/Kind/name` or `objects/Kind/name:version`. Engines add keys of
//! their own outside of `objects/`, and an etcd that is shared puts a prefix before everything.

/// Below it stand the resources.
pub const OBJECTS: &str = "objects/";

/// Where the resource `Kind/name[:version]` is stored.
pub fn object_key(resource: &str) -> String {
    format!("{OBJECTS}{resource}")
}

/// Which resource is stored under `key`; none: the key is not a resource's.
pub fn resource_key(key: &str) -> Option<&str> {
    key.strip_prefix(OBJECTS)
}
