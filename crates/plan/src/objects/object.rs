//! One resource as it is held: its key, its bytes, and what they say.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use turnpike_proto::config::v1::Resource;

use super::hash::StateHash;
use crate::resource::{Kind, ResourceKey, decode, encode, key};

/// A resource with its stored form. The bytes are kept as they came, so that fields which this
/// version does not know survive.
#[derive(Clone)]
pub struct Object {
    key: ResourceKey,
    bytes: Bytes,
    form: Form,
    /// Kept where it takes long to make.
    hash: Option<Box<StateHash>>,
}

/// The hash of more bytes is kept.
const LONG: usize = 4096;

/// What the bytes say, as far as it is kept.
#[derive(Clone)]
enum Form {
    /// Read, and at hand.
    Read(Box<Resource>),
    /// It can be read; who asks reads it anew. A resource at hand takes several times the memory
    /// of its bytes, and a gateway looks at one again only when it changes.
    Folded,
    /// It cannot be read, or is of another resource.
    Unreadable,
}

impl Object {
    /// A resource that is about to be stored; `None` while it has no key.
    pub fn new(resource: Resource) -> Option<Self> {
        let (key, bytes) = (key(&resource)?, encode(&resource));
        let hash = kept_hash(&key, &bytes);
        Some(Self { key, bytes, form: Form::Read(Box::new(resource)), hash })
    }

    /// A resource as another service sent it. Also one that cannot be read, or that calls itself
    /// something else: it is held, counts in the hash, and is reported as rejected.
    pub fn from_wire(named: ResourceKey, bytes: Bytes) -> Self {
        let hash = kept_hash(&named, &bytes);
        let read = decode(&bytes).ok().filter(|resource| key(resource).as_ref() == Some(&named));
        let form = read.map_or(Form::Unreadable, |resource| Form::Read(Box::new(resource)));
        Self { key: named, bytes, form, hash }
    }

    /// One that was held packed, and whether it can be read.
    pub(super) const fn packed(key: ResourceKey, bytes: Bytes, readable: bool) -> Self {
        let form = if readable { Form::Folded } else { Form::Unreadable };
        Self { key, bytes, form, hash: None }
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
    pub fn resource(&self) -> Option<Cow<'_, Resource>> {
        match &self.form {
            Form::Read(resource) => Some(Cow::Borrowed(resource)),
            Form::Folded => decode(&self.bytes).ok().map(Cow::Owned),
            Form::Unreadable => None,
        }
    }

    /// The same, unless it is folded. Secrets, certificates and policies, which others are compiled
    /// with, never are.
    pub(crate) fn at_hand(&self) -> Option<&Resource> {
        match &self.form {
            Form::Read(resource) => Some(resource),
            Form::Folded | Form::Unreadable => None,
        }
    }

    /// Whether the bytes say what the key promises.
    pub fn is_readable(&self) -> bool {
        !matches!(self.form, Form::Unreadable)
    }

    /// The same, with nothing but its bytes at hand where there are many of its kind.
    pub(crate) fn folded(mut self) -> Self {
        let many = [Kind::Api, Kind::Application, Kind::DenyPolicy];
        if self.is_readable() && self.key.kind().is_some_and(|kind| many.contains(&kind)) {
            self.form = Form::Folded;
        }
        self
    }

    pub(crate) fn hash(&self) -> StateHash {
        let made = || StateHash::of(self.key.as_str(), &self.bytes);
        self.hash.as_deref().copied().unwrap_or_else(made)
    }
}

fn kept_hash(key: &ResourceKey, bytes: &Bytes) -> Option<Box<StateHash>> {
    (bytes.len() > LONG).then(|| Box::new(StateHash::of(key.as_str(), bytes)))
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
