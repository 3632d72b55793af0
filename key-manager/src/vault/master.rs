//! The master key: where is it, and is it the one that this store was sealed with?

use std::io::ErrorKind;
use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{OpaqueTokens, Pepper, Sealer, VaultError, file};

const BYTES: usize = 32;

/// 256 random bits from which every other key is derived (RFC 5869). They are kept only as the
/// extracted key, and are unprintable.
pub struct MasterKey(Prk);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// Reads the key that the store names as `sealed_by`. While the store names none yet, a file
    /// that is not there is made.
    ///
    /// A key is never made for a store that has one already: it would open nothing.
    pub fn open(path: &Path, sealed_by: &str) -> Result<Self, VaultError> {
        let named = || path.display().to_string();
        let missing = path
            .try_exists()
            .map_err(|source| VaultError::File { path: named(), source })
            .map(|there| !there)?;
        match (missing, sealed_by) {
            (true, "") => {
                let text = Zeroizing::new(format!("{}\n", chassis::random::token(BYTES)));
                file::create(path, &text)
                    .map_err(|source| VaultError::File { path: named(), source })?;
                tracing::info!(path = named(), "master key made");
            }
            (true, _) => {
                let sealed_by = sealed_by.to_owned();
                return Err(VaultError::Missing { path: named(), sealed_by });
            }
            (false, _) => {}
        }
        let key = Self::read(path)?;
        let found = key.id()?;
        if !sealed_by.is_empty() && sealed_by != found {
            let sealed_by = sealed_by.to_owned();
            return Err(VaultError::Foreign { path: named(), sealed_by, found });
        }
        Ok(key)
    }

    fn read(path: &Path) -> Result<Self, VaultError> {
        let named = || path.display().to_string();
        let failed = |source| VaultError::File { path: named(), source };
        if file::is_open(path).map_err(failed)? {
            return Err(VaultError::Open { path: named() });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|source| {
            // What is no text is no key either.
            let wrong = source.kind() == ErrorKind::InvalidData;
            if wrong { VaultError::Form { path: named() } } else { failed(source) }
        })?);
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).map(Zeroizing::new);
        match bytes {
            Ok(bytes) if bytes.len() == BYTES => Ok(Self::derived_from(&bytes)),
            _ => Err(VaultError::Form { path: named() }),
        }
    }

    fn derived_from(bytes: &[u8]) -> Self {
        Self(Salt::new(HKDF_SHA256, b"turnpike key-manager").extract(bytes))
    }

    /// Names the key without telling anything about it.
    pub fn id(&self) -> Result<String, VaultError> {
        let name = self.derive(b"master id")?;
        Ok(URL_SAFE_NO_PAD.encode(name.get(..9).unwrap_or_default()))
    }

    /// Seals private keys.
    pub fn sealer(&self) -> Result<Sealer, VaultError> {
        Sealer::new(self.derive(b"seal private keys")?.as_slice())
    }

    /// Seals what a browser or the store keeps for a while: logins under way, repeated answers.
    pub fn short_sealer(&self) -> Result<Sealer, VaultError> {
        Sealer::new(self.derive(b"seal for a while")?.as_slice())
    }

    /// Digests client secrets.
    pub fn pepper(&self) -> Result<Pepper, VaultError> {
        Ok(Pepper::new(self.derive(b"client secrets")?.as_slice()))
    }

    /// Makes the nonces that `DPoP` proofs carry, the same ones in every process (RFC 9449 section 8).
    pub fn nonces(&self) -> Result<Pepper, VaultError> {
        Ok(Pepper::new(self.derive(b"dpop nonces")?.as_slice()))
    }

    /// Makes access tokens that say nothing.
    pub fn opaque_tokens(&self) -> Result<OpaqueTokens, VaultError> {
        Ok(OpaqueTokens::new(self.derive(b"opaque access tokens")?.as_slice()))
    }

    /// Ties the lines of the audit log together.
    pub fn audit(&self) -> Result<Pepper, VaultError> {
        Ok(Pepper::new(self.derive(b"audit log")?.as_slice()))
    }

    fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; BYTES]>, VaultError> {
        let mut key = Zeroizing::new([0; BYTES]);
        self.0
            .expand(&[label], HKDF_SHA256)
            .and_then(|expanded| expanded.fill(key.as_mut()))
            .map_err(|_| VaultError::Crypto)?;
        Ok(key)
    }

    #[cfg(test)]
    pub(crate) fn of_byte(byte: u8) -> Self {
        Self::derived_from(&[byte; BYTES])
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// `before` is the content of the file, if there is one; `opened` the refusal, or "ok".
    #[track_caller]
    fn check(before: Option<(&str, u32)>, sealed_by: &str, opened: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        if let Some((text, mode)) = before {
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        }
        let said = match MasterKey::open(&path, sealed_by) {
            Ok(key) => {
                assert!(!file::is_open(&path).expect("metadata"));
                let again = MasterKey::open(&path, &key.id().expect("id")).expect("the same key");
                assert_eq!(key.id().expect("id"), again.id().expect("id"));
                "ok".to_owned()
            }
            Err(VaultError::Foreign { .. }) => "foreign".to_owned(),
            Err(VaultError::Missing { .. }) => "missing".to_owned(),
            Err(VaultError::Open { .. }) => "open".to_owned(),
            Err(VaultError::Form { .. }) => "form".to_owned(),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(said, opened);
        let others = std::fs::read_dir(folder.path()).expect("the folder").count();
        assert!(others <= 1, "a draft was left behind");
    }

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

    #[test]
    fn a_first_start_makes_a_key_that_only_its_owner_may_read() {
        check(None, "", "ok");
    }

    #[test]
    fn a_key_is_never_made_for_a_store_that_was_sealed_with_another() {
        check(None, "abcdefghijkl", "missing");
        check(Some((KEY, 0o600)), "abcdefghijkl", "foreign");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        check(Some((KEY, 0o600)), "", "ok");
        check(Some((KEY, 0o644)), "", "open");
    }

    #[test]
    fn what_is_not_32_bytes_is_no_key() {
        check(Some(("AAAA", 0o600)), "", "form");
        check(Some(("", 0o600)), "", "form");
        check(Some(("not base64!", 0o600)), "", "form");
    }
}
