//! What is kept about one transaction?
//!
//! Who made it, when and why; and of each resource that it touched the form that it replaced, from which
//! every earlier state can be told, going back from the one in force. What is new costs nothing but its
//! name. Values of secrets are never kept, only their digests.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use plan::{Admitted, Kind, Object, Resource, ResourceKey};
use prost::Message;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::error::HistoryError;
use crate::catalog::State;
use crate::store::{Entry, Note, Revision, Store, history_base, part_key};

const ZSTD_LEVEL: i32 = 3;
/// A part that did not fit beside its transaction.
const PART: usize = 1024 * 1024;
/// No record unpacks to more.
const LARGEST: usize = 256 * 1024 * 1024;

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Created,
    /// It was replaced.
    Updated,
    /// It was removed.
    Deleted,
}

/// What a transaction did to one resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub key: ResourceKey,
    /// What happened.
    pub action: Action,
    /// SHA-256 of its form afterwards, without the value of a secret; empty: it is gone.
    pub digest: Bytes,
    /// Which transaction had changed it last; 0: none.
    pub former_revision: Revision,
    /// Its form before, without the value of a secret; none: it was not there.
    pub before: Option<Bytes>,
    /// Whose it was; none: a version that did not keep this made the change.
    pub tenants: Option<Tenants>,
}

/// Whose a resource was, and whose it is afterwards; empty: the operator's, or it was not there.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Tenants {
    /// Before the change.
    #[prost(string, tag = "1")]
    pub before: String,
    /// After it.
    #[prost(string, tag = "2")]
    pub after: String,
}

/// A transaction of the past.
#[derive(Clone, Debug)]
pub struct Past {
    /// What it made.
    pub revision: Revision,
    /// What it changed.
    pub base: Revision,
    /// Who, when and why.
    pub note: Note,
    /// By key.
    pub touched: Vec<Touched>,
}

/// The value under the history key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(message, optional, tag = "1")]
    note: Option<Note>,
    /// Its place among all records; grows by one.
    #[prost(uint64, tag = "2")]
    pub(super) number: u64,
    /// The bytes of all records up to this one.
    #[prost(uint64, tag = "3")]
    pub(super) total: u64,
    /// The packed content, where it fits.
    #[prost(bytes = "bytes", tag = "4")]
    content: Bytes,
    /// In so many parts it lies elsewhere.
    #[prost(uint32, tag = "5")]
    parts: u32,
    #[prost(uint64, tag = "6")]
    id: u64,
    /// Of the content, unpacked.
    #[prost(uint64, tag = "7")]
    length: u64,
    #[prost(bytes = "bytes", tag = "8")]
    digest: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Content {
    #[prost(message, repeated, tag = "1")]
    touched: Vec<Stored>,
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(uint32, tag = "2")]
    action: u32,
    #[prost(bytes = "bytes", tag = "3")]
    digest: Bytes,
    #[prost(uint64, tag = "4")]
    former_revision: Revision,
    #[prost(bytes = "bytes", optional, tag = "5")]
    before: Option<Bytes>,
    #[prost(message, optional, tag = "6")]
    tenants: Option<Tenants>,
}

impl Touched {
    /// What happened to it in the eyes of a tenant, for whom what was somebody else's is new; none: it was
    /// theirs neither before nor after.
    pub fn seen_from(&self, tenant: &str) -> Option<Action> {
        let Tenants { before, after } = self.tenants.as_ref()?;
        let was_theirs = self.action != Action::Created && before == tenant;
        let is_theirs = self.action != Action::Deleted && after == tenant;
        match (was_theirs, is_theirs) {
            (true, true) => Some(self.action),
            (false, true) => Some(Action::Created),
            (true, false) => Some(Action::Deleted),
            (false, false) => None,
        }
    }

    /// Whether it was and is one tenant's, as far as it was there.
    pub fn is_all_of(&self, tenant: &str) -> bool {
        self.of_tenants().is_some_and(|mut all| all.all(|one| one == tenant))
    }

    /// The tenants whose it was or is; empty: the operator. None: it is not known.
    pub(super) fn of_tenants(&self) -> Option<impl Iterator<Item = &str>> {
        let Tenants { before, after } = self.tenants.as_ref()?;
        let before = (self.action != Action::Created).then_some(before.as_str());
        let after = (self.action != Action::Deleted).then_some(after.as_str());
        Some(before.into_iter().chain(after))
    }
}

impl fmt::Debug for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.action, self.key)
    }
}

/// What a change does to each resource of `state`, by key.
pub fn touched(state: &State, admitted: &Admitted) -> Vec<Touched> {
    let former = |key: &ResourceKey| {
        let revision = state.stamps.get(key).map_or(0, |stamp| stamp.revision);
        let object = state.objects.get(key);
        let tenant = object.as_deref().map(tenant).unwrap_or_default();
        (revision, object.as_deref().map(form), tenant)
    };
    let upserts = admitted.upserts.iter().map(|object| {
        let (former_revision, before, owner) = former(object.key());
        let tenants = Some(Tenants { before: owner, after: tenant(object) });
        let action = if before.is_some() { Action::Updated } else { Action::Created };
        let digest = Bytes::copy_from_slice(digest(&SHA256, &form(object)).as_ref());
        Touched { key: object.key().clone(), action, digest, former_revision, before, tenants }
    });
    let deletes = admitted.deletes.iter().map(|key| {
        let (former_revision, before, tenant) = former(key);
        let (action, digest) = (Action::Deleted, Bytes::new());
        let tenants = Some(Tenants { before: tenant, after: String::new() });
        Touched { key: key.clone(), action, digest, former_revision, before, tenants }
    });
    let mut all: Vec<Touched> = upserts.chain(deletes).collect();
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}

/// Whose a resource is; empty: the operator's.
fn tenant(object: &Object) -> String {
    let resource = object.resource();
    let metadata = resource.as_deref().and_then(plan::metadata);
    metadata.map(|metadata| metadata.tenant.clone()).unwrap_or_default()
}

/// The bytes of a resource as they are kept: a secret without its value.
pub(super) fn form(object: &Object) -> Bytes {
    if object.key().kind() != Some(Kind::Secret) {
        return object.bytes().clone();
    }
    // What cannot be read cannot be parted from its value.
    without_value(object).map(|resource| plan::encode(&resource)).unwrap_or_default()
}

/// A resource, and of a secret all but its value.
pub fn without_value(object: &Object) -> Option<Resource> {
    let mut resource = object.resource()?.into_owned();
    if let Some(Any::Secret(secret)) = &mut resource.resource
        && let Some(spec) = &mut secret.spec
    {
        spec.value.clear();
    }
    Some(resource)
}

/// What is to be stored of a transaction.
pub(super) struct Draft {
    record: Record,
    packed: Bytes,
}

impl Draft {
    pub(super) fn of(note: &Note, touched: &[Touched]) -> Result<Self, std::io::Error> {
        let touched = touched.iter().map(|one| Stored {
            key: one.key.to_string(),
            action: match one.action {
                Action::Created => 0,
                Action::Updated => 1,
                Action::Deleted => 2,
            },
            digest: one.digest.clone(),
            former_revision: one.former_revision,
            before: one.before.clone(),
            tenants: one.tenants.clone(),
        });
        let content = Content { touched: touched.collect() }.encode_to_vec();
        let packed: Bytes = zstd::bulk::compress(&content, ZSTD_LEVEL)?.into();
        let record = Record {
            note: Some(note.clone()),
            id: u64::from_be_bytes(chassis::random::bytes()),
            length: u64::try_from(content.len()).unwrap_or(u64::MAX),
            digest: Bytes::copy_from_slice(digest(&SHA256, &content).as_ref()),
            ..Record::default()
        };
        Ok(Self { record, packed })
    }

    /// Bytes that it takes in the store.
    pub(super) fn size(&self) -> usize {
        self.packed.len()
    }

    /// SHA-256 of what it says.
    pub(super) fn digest(&self) -> &[u8] {
        &self.record.digest
    }

    /// The value, with all that it says in it.
    pub(super) fn whole(self, number: u64, total: u64) -> Bytes {
        let record = Record { number, total, content: self.packed, ..self.record };
        record.encode_to_vec().into()
    }

    /// The parts with their keys, and the value that names them.
    pub(super) fn parted(
        self,
        base: Revision,
        number: u64,
        total: u64,
    ) -> (Vec<(String, Bytes)>, Bytes) {
        let id = self.record.id;
        let mut parts = Vec::new();
        let mut rest = self.packed;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(PART));
            let at = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            parts.push((part_key(base, id, at), part));
        }
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let record = Record { number, total, parts: count, ..self.record };
        (parts, record.encode_to_vec().into())
    }
}

/// The numbers of a stored record, without what it says.
pub(super) fn numbers(entry: &Entry) -> Result<(Record, Revision), HistoryError> {
    let damaged = || HistoryError::Damaged { key: entry.key.clone() };
    let base = history_base(&entry.key).ok_or_else(damaged)?;
    let record = Record::decode(entry.value.clone()).map_err(|_| damaged())?;
    Ok((record, base))
}

impl Record {
    pub(super) fn committed_at_us(&self) -> i64 {
        self.note.as_ref().map_or(0, |note| note.committed_at_us)
    }
}

/// Reads what [`Draft`] made.
pub(super) async fn read(store: &dyn Store, entry: Entry) -> Result<Past, HistoryError> {
    let damaged = || HistoryError::Damaged { key: entry.key.clone() };
    let (record, base) = numbers(&entry)?;
    let mut packed = record.content.to_vec();
    for number in 0..record.parts {
        let part = store.get(&part_key(base, record.id, number)).await?.ok_or_else(damaged)?;
        packed.extend_from_slice(&part.value);
    }
    let length = usize::try_from(record.length).ok().filter(|length| *length <= LARGEST);
    let content = zstd::bulk::decompress(&packed, length.ok_or_else(damaged)?);
    let content = content.map_err(|_| damaged())?;
    if digest(&SHA256, &content).as_ref() != record.digest.as_ref() {
        return Err(damaged());
    }
    let content = Content::decode(content.as_slice()).map_err(|_| damaged())?;
    let touched = content.touched.into_iter().map(|one| Touched {
        key: ResourceKey::from_wire(&one.key),
        action: match one.action {
            0 => Action::Created,
            1 => Action::Updated,
            _ => Action::Deleted,
        },
        digest: one.digest,
        former_revision: one.former_revision,
        before: one.before,
        tenants: one.tenants,
    });
    let (note, touched) = (record.note.unwrap_or_default(), touched.collect());
    Ok(Past { revision: entry.revision, base, note, touched })
}
