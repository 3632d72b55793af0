//! How does an access token say nothing to whoever holds it? (KM-061)
//!
//! It is its own claims, sealed. Nothing is stored, so there is nothing to look up, to clean up or to
//! lose. Each token has a key of its own, derived from the master key and random bytes that stand in
//! the token: however many are made, no nonce repeats under one key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::VaultError;

/// What such a token begins with.
const PREFIX: &str = "kmat_";
/// The bytes that a key is derived from.
const SALT: usize = 24;
/// The longest token, in characters.
const LONGEST: usize = 32 * 1024;

/// Makes and reads opaque tokens.
pub struct OpaqueTokens(Prk);

impl std::fmt::Debug for OpaqueTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpaqueTokens(..)")
    }
}

impl OpaqueTokens {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Prk::new_less_safe(HKDF_SHA256, key))
    }

    /// Whether a text looks like one.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The token that holds `claims`.
    pub fn seal(&self, claims: &[u8]) -> Result<String, VaultError> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| VaultError::Crypto)?;
        let mut sealed = claims.to_vec();
        self.key(&salt)?
            .seal_in_place_append_tag(once(), Aad::from(PREFIX.as_bytes()), &mut sealed)
            .map_err(|_| VaultError::Crypto)?;
        let mut bytes = salt.to_vec();
        bytes.append(&mut sealed);
        let mut token = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut token);
        Ok(token)
    }

    /// The claims that a token holds. `None`: it is none of ours, or not whole.
    pub fn open(&self, token: &str) -> Option<Vec<u8>> {
        let text = token.strip_prefix(PREFIX).filter(|text| text.len() <= LONGEST)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (salt, sealed) = bytes.split_first_chunk::<SALT>()?;
        let mut buffer = sealed.to_vec();
        let key = self.key(salt).ok()?;
        let length =
            key.open_in_place(once(), Aad::from(PREFIX.as_bytes()), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }

    fn key(&self, salt: &[u8; SALT]) -> Result<LessSafeKey, VaultError> {
        let mut key = Zeroizing::new([0; 32]);
        self.0
            .expand(&[salt], HKDF_SHA256)
            .and_then(|expanded| expanded.fill(key.as_mut()))
            .map_err(|_| VaultError::Crypto)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| VaultError::Crypto)?;
        Ok(LessSafeKey::new(key))
    }
}

/// Each key seals one token.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> OpaqueTokens {
        OpaqueTokens::new(&[byte; 32])
    }

    #[test]
    fn a_token_opens_under_its_key_only_and_says_nothing() {
        let token = tokens(1).seal(b"{\"sub\":\"ann\"}").expect("a token");
        assert!(OpaqueTokens::is_one(&token), "{token}");
        assert_eq!(tokens(1).open(&token).as_deref(), Some(b"{\"sub\":\"ann\"}".as_slice()));
        assert_eq!(tokens(2).open(&token), None);
        assert_ne!(token, tokens(1).seal(b"{\"sub\":\"ann\"}").expect("another"));
    }

    #[test]
    fn a_token_that_is_cut_grown_or_changed_is_none() {
        let token = tokens(1).seal(b"claims").expect("a token");
        for end in 0..token.len() {
            let cut = token.get(..end).expect("a part");
            assert_eq!(tokens(1).open(cut), None, "{end}");
        }
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(tokens(1).open(&changed), None, "{place}");
        }
        for text in [format!("{token}A"), token.to_uppercase(), token.replace("kmat_", "kmrt_")] {
            assert_eq!(tokens(1).open(&text), None, "{text}");
        }
    }
}
