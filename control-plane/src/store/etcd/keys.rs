//! Which keys does etcd see?

use etcd_client::KeyValue;

/// The keys as etcd sees them.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// Everything stands below `prefix`.
    pub(super) fn below(prefix: &str) -> Self {
        Self { prefix: format!("{}/", prefix.trim_end_matches('/')) }
    }

    pub(super) fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn all(&self) -> String {
        self.prefix.clone()
    }

    pub(super) fn generation(&self) -> String {
        self.whole("meta/generation")
    }

    pub(super) fn epoch(&self) -> String {
        self.whole("meta/epoch")
    }

    pub(super) fn own<'k>(&self, key: &'k KeyValue) -> Option<&'k str> {
        key.key_str().ok()?.strip_prefix(self.prefix.as_str())
    }
}
