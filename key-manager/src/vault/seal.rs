//! How does a private key lie in the database?
//!
//! AES-256-GCM with a random nonce. What the value is for is authenticated with it, so a sealed
//! value that is moved to another row does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::VaultError;

/// Seals and opens.
#[derive(Debug)]
pub struct Sealer(RandomizedNonceKey);

impl Sealer {
    pub(super) fn new(key: &[u8]) -> Result<Self, VaultError> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self).map_err(|_| VaultError::Crypto)
    }

    pub fn seal(&self, purpose: &str, secret: &[u8]) -> Result<String, VaultError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| VaultError::Crypto)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| VaultError::Broken)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Broken)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut buffer)
            .map_err(|_| VaultError::Broken)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MasterKey;
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        MasterKey::of_byte(byte).sealer().expect("a sealer")
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_under_its_key_only() {
        let sealed = sealer(1).seal("kid a", b"private").expect("sealed");
        assert!(!sealed.contains("private"));
        assert_eq!(sealer(1).open("kid a", &sealed).expect("open").as_slice(), b"private");
        assert!(sealer(1).open("kid b", &sealed).is_err());
        assert!(sealer(2).open("kid a", &sealed).is_err());
    }

    #[test]
    fn a_changed_or_cut_value_does_not_open() {
        let sealed = sealer(1).seal("a", b"private").expect("sealed");
        let mut cut = sealed.clone();
        while cut.pop().is_some() {
            assert!(sealer(1).open("a", &cut).is_err(), "{cut}");
        }
        let flipped = sealed.replacen(|c| c != 'A', "A", 1);
        assert!(sealer(1).open("a", &flipped).is_err());
    }
}
