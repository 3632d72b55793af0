//! One resource as it is held: its key, its bytes, and what they say.

use std::fmt;

use bytes::Bytes;
use turnpike_proto::config::v1::Resource;

use super::hash::StateHash;
use crate::resource::{ResourceKey, decode, encode, key};

/// A resource with its stored form. The bytes are kept as they came, so that fields which this
/// version does not know survive.
#[derive(Clone)]
pub struct Object {
    key: ResourceKey,
    bytes: Bytes,
    resource: Option<Resource>,
    hash: StateHash,
}

impl Object {
    /// A resource that is about to be stored; `None` while it has no key.
    pub fn new(resource: Resource) -> Option<Self> {
        let (key, bytes) = (key(&resource)?, encode(&resource));
        let hash = StateHash::of(key.as_str(), &bytes);
        Some(Self { key, bytes, resource: Some(resource), hash })
    }

    /// A resource as another service sent it. Also one that cannot be read, or that calls itself
    /// something else: it is held, counts in the hash, and is reported as rejected.
    pub fn from_wire(named: ResourceKey, bytes: Bytes) -> Self {
        let hash = StateHash::of(named.as_str(), &bytes);
        let resource =
            decode(&bytes).ok().filter(|resource| key(resource).as_ref() == Some(&named));
        Self { key: named, bytes, resource, hash }
    }

    /// Its key.
    pub fn key(&self) -> &ResourceKey {
        &self.key
    }

    /// Its stored form.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it says; `None` where the bytes cannot be read or are of another resource.
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    pub(crate) fn hash(&self) -> StateHash {
        self.hash
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.bytes == other.bytes
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    /// The key alone: the content may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({}, {} bytes)", self.key, self.bytes.len())
    }
}
