//! Which identifiers and secrets do new clients get?

use zeroize::Zeroizing;

use crate::domain::{ClientId, ClientIdError};
use crate::store::StoredSecret;
use crate::vault::Pepper;

/// 62 characters that need no escape anywhere, and that WSO2 accepts in a consumer key.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// 28 characters carry 166 bits: no two clients ever get the same identifier.
const ID_LENGTH: usize = 28;

/// A secret on its way to its owner, and what stays of it here.
pub struct NewSecret {
    /// Shown once.
    pub plain: Zeroizing<String>,
    pub stored: StoredSecret,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret").field("stored", &self.stored).finish_non_exhaustive()
    }
}

pub fn new_client_id() -> Result<ClientId, ClientIdError> {
    let mut text = String::with_capacity(ID_LENGTH);
    while text.len() < ID_LENGTH {
        // 62 * 4 = 248: bytes above are thrown again, so that every character is as likely.
        let fair = chassis::random::bytes::<32>().into_iter().filter(|byte| *byte < 248);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        let missing = ID_LENGTH.saturating_sub(text.len());
        text.extend(letters.take(missing).map(|letter| char::from(*letter)));
    }
    ClientId::parse(&text)
}

/// 256 random bits for `owner`.
pub fn new_secret(pepper: &Pepper, owner: &ClientId, now: i64) -> NewSecret {
    let plain = Zeroizing::new(chassis::random::token(32));
    let stored = StoredSecret {
        // A letter first, so that it does not look like an option where somebody types it.
        id: format!("s{}", chassis::random::token(6)),
        label: String::new(),
        digest: pepper.digest(owner.as_str(), &plain),
        created_at: now,
        expires_at: None,
        sealed: String::new(),
    };
    NewSecret { plain, stored }
}

/// What a client's own secret is sealed for, where assertions are verified with it.
pub fn sealed_for(owner: &ClientId) -> String {
    format!("client secret {owner}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn new_identifiers_are_letters_and_digits_and_never_the_same() {
        let made: BTreeSet<String> =
            (0..100).map(|_| new_client_id().expect("an identifier").to_string()).collect();
        assert_eq!(made.len(), 100);
        assert!(made.iter().all(|id| id.len() == ID_LENGTH), "{made:?}");
        assert!(made.iter().flat_map(|id| id.bytes()).all(|byte| byte.is_ascii_alphanumeric()));
    }
}
