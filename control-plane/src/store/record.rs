//! How does a resource become the value of a key?
//!
//! A record keeps the resource's bytes exactly as they are hashed and sent, so that a restart
//! changes nothing on the wire. Large ones are compressed, secrets are sealed; times stand beside
//! the bytes because they are no part of what a gateway is configured with.

use std::io;

use bytes::Bytes;
use prost::Message;

use super::keyring::Keyring;
use super::seal::SealError;

/// Above it a resource is compressed.
const COMPRESS_ABOVE: usize = 16 * 1024;
/// What a compressed resource may grow to; admission refuses more than half of it.
const LARGEST: usize = 16 * 1024 * 1024;
const ZSTD_LEVEL: i32 = 3;

/// A resource as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The serialized resource, without its output-only fields.
    pub resource: Bytes,
    /// When it was first stored, in microseconds since the Unix epoch.
    pub created_at_us: i64,
    /// When it was last changed.
    pub updated_at_us: i64,
}

/// Why a value is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not our form.
    #[error("the value is not a record")]
    Malformed(#[source] prost::DecodeError),
    /// Compression.
    #[error("the record does not unpack")]
    Packed(#[source] io::Error),
    /// A form of a later version.
    #[error("the record has the form {0}, which this version does not know")]
    Form(u32),
    /// A secret.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Stored {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
    #[prost(uint32, tag = "2")]
    form: u32,
    #[prost(int64, tag = "3")]
    created_at_us: i64,
    #[prost(int64, tag = "4")]
    updated_at_us: i64,
    /// Of the data key that has sealed it.
    #[prost(uint32, tag = "5")]
    key: u32,
}

const PLAIN: u32 = 0;
const COMPRESSED: u32 = 1;
/// Under the master key itself, as it was before there were data keys.
const SEALED_DIRECTLY: u32 = 2;
const SEALED: u32 = 3;

impl Record {
    /// The value to store. `name` is the resource's key; secrets are sealed under `keys`.
    pub fn encode(&self, name: &str, keys: &Keyring) -> Result<Bytes, RecordError> {
        let mut key = 0;
        let (form, content) = if is_secret(name) {
            let (number, sealed) = keys.seal(name, &self.resource)?;
            key = number;
            (SEALED, sealed.into())
        } else if self.resource.len() > COMPRESS_ABOVE {
            let packed = zstd::bulk::compress(&self.resource, ZSTD_LEVEL);
            (COMPRESSED, packed.map_err(RecordError::Packed)?.into())
        } else {
            (PLAIN, self.resource.clone())
        };
        let stored = Stored {
            content,
            form,
            created_at_us: self.created_at_us,
            updated_at_us: self.updated_at_us,
            key,
        };
        Ok(stored.encode_to_vec().into())
    }

    /// Reads what `encode` made.
    pub fn decode(name: &str, value: Bytes, keys: &Keyring) -> Result<Self, RecordError> {
        let stored = Stored::decode(value).map_err(RecordError::Malformed)?;
        let resource = match stored.form {
            PLAIN => stored.content,
            COMPRESSED => zstd::bulk::decompress(&stored.content, LARGEST)
                .map_err(RecordError::Packed)?
                .into(),
            SEALED_DIRECTLY => Bytes::from_owner(keys.open(0, name, &stored.content)?),
            SEALED => Bytes::from_owner(keys.open(stored.key, name, &stored.content)?),
            other => return Err(RecordError::Form(other)),
        };
        Ok(Self {
            resource,
            created_at_us: stored.created_at_us,
            updated_at_us: stored.updated_at_us,
        })
    }
}

/// What a value holds that is sealed under the master key itself; none: it is another value.
pub(super) fn is_sealed_directly(value: &Bytes) -> Option<Bytes> {
    let stored = Stored::decode(value.clone()).ok()?;
    (stored.form == SEALED_DIRECTLY).then_some(stored.content)
}

/// A value as it was before there were data keys.
#[cfg(test)]
pub(super) fn sealed_directly(name: &str, text: &[u8], master: &super::seal::MasterKey) -> Bytes {
    let content = master.sealing().seal(name, text).unwrap().into();
    let stored = Stored { content, form: SEALED_DIRECTLY, ..Stored::default() };
    stored.encode_to_vec().into()
}

fn is_secret(name: &str) -> bool {
    name.starts_with("Secret/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores `resource` as `name` and says how the value looks from outside and whether it
    /// comes back the same under `read_as` by the same key.
    #[track_caller]
    fn check(name: &str, resource: &[u8], read_as: &str, expected: &str) {
        let keys = Keyring::in_memory();
        let record = Record {
            resource: Bytes::copy_from_slice(resource),
            created_at_us: 1,
            updated_at_us: 2,
        };
        let value = record.encode(name, &keys).unwrap();
        let legible = value.windows(resource.len().min(32)).any(|w| resource.starts_with(w));
        let same = Record::decode(read_as, value, &keys).is_ok_and(|back| back == record);
        let seen = match (legible, same) {
            (true, true) => "legible, same",
            (false, true) => "illegible, same",
            (_, false) => "does not open",
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_small_resource_is_stored_as_it_is() {
        check(
            "Api/orders:1",
            b"context: /orders, and so on and on",
            "Api/orders:1",
            "legible, same",
        );
    }

    #[test]
    fn a_large_resource_is_compressed() {
        check("Api/orders:1", &vec![b'x'; 300_000], "Api/orders:1", "illegible, same");
        let keys = Keyring::in_memory();
        let resource = Bytes::from(vec![b'x'; 300_000]);
        let record = Record { resource, created_at_us: 0, updated_at_us: 0 };
        assert!(record.encode("Api/orders:1", &keys).unwrap().len() < 3_000);
    }

    #[test]
    fn a_secret_is_sealed() {
        check("Secret/key", b"correct horse battery staple....", "Secret/key", "illegible, same");
    }

    #[test]
    fn a_sealed_secret_does_not_open_under_another_name() {
        check("Secret/key", b"correct horse battery staple....", "Secret/other", "does not open");
    }

    #[test]
    fn a_master_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        use super::super::seal::MasterKey;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            MasterKey::load_or_create(&path).unwrap_err().to_string().contains("only its owner")
        );
    }
}
