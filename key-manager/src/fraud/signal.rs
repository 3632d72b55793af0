//! Something that people should look at.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Severe,
    Moderate,
}

/// What was noticed. Secrets and tokens are never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The same for the same thing, whichever process noticed it.
    pub id: String,
    /// Like `RefreshTokenReuse`.
    pub kind: &'static str,
    pub severity: Severity,
    /// Unix seconds.
    pub at: i64,
    /// One sentence for people.
    pub message: String,
    pub evidence: BTreeMap<&'static str, String>,
}

impl Signal {
    /// `about` names what it is about: two signals of one kind about the same are one.
    pub(super) fn new(
        kind: &'static str,
        severity: Severity,
        about: &str,
        at: i64,
        message: String,
    ) -> Self {
        let hash = digest::digest(&digest::SHA256, format!("{kind} {about}").as_bytes());
        let id = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default());
        Self { id, kind, severity, at, message, evidence: BTreeMap::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &dyn ToString) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.evidence.insert(name, value);
        }
        self
    }
}
