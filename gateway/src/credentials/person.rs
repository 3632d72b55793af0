//! Who shows a name and a password? (RFC 7617)
//!
//! The key manager knows. What it said is remembered for a minute by a digest of both, and ends before
//! that with a revocation of the person, as their tokens do.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::revoked::Revocations;
use crate::digest::sha256;
use crate::rpc::passwords::Person;

/// People that one worker remembers.
const MOST: usize = 1024;
/// The longest name and the longest password, in bytes.
const LONGEST_NAME: usize = 256;
const LONGEST_PASSWORD: usize = 1024;

type Digest = [u8; 32];

/// A name and a password as they are shown.
#[derive(Clone)]
pub struct Password {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    digest: Digest,
}

#[derive(Debug)]
struct Known {
    person: Arc<Person>,
    until_us: i64,
    /// The version of the revocations under which it had not ended.
    alive_at: Cell<u64>,
}

/// The people that one worker knows.
#[derive(Debug)]
pub struct People {
    salt: [u8; 16],
    known: RefCell<HashMap<Digest, Known>>,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").finish_non_exhaustive()
    }
}

impl People {
    /// Nobody yet; `salt` is random.
    pub fn new(salt: [u8; 16]) -> Self {
        Self { salt, known: RefCell::default() }
    }

    /// Reads the base64 of name and password; `None`: it is no such thing.
    pub fn read(&self, shown: &str) -> Option<Password> {
        let both = String::from_utf8(STANDARD.decode(shown).ok()?).ok()?;
        let (name, password) = both.split_once(':')?;
        let fits = (1..=LONGEST_NAME).contains(&name.len())
            && (1..=LONGEST_PASSWORD).contains(&password.len());
        if !fits || both.chars().any(char::is_control) {
            return None;
        }
        let digest = sha256([&self.salt, both.as_bytes()]);
        Some(Password { name: name.to_owned(), password: password.to_owned(), digest })
    }

    /// Who that is, where it is known and nothing has ended it.
    pub fn find(
        &self,
        password: &Password,
        revocations: &Revocations,
        now_us: i64,
    ) -> Option<Arc<Person>> {
        let known = self.known.borrow();
        let found = known.get(&password.digest).filter(|known| known.until_us > now_us)?;
        // The version is read first: what is added meanwhile is asked for next time.
        let version = revocations.version();
        if found.alive_at.get() != version {
            if revocations.has_ended(&found.person) {
                return None;
            }
            found.alive_at.set(version);
        }
        Some(Arc::clone(&found.person))
    }

    /// Remembers what the key manager said. Where there is no more room, what has run out leaves, and
    /// everybody when that is not enough.
    pub fn keep(&self, password: &Password, person: &Arc<Person>, until_us: i64, now_us: i64) {
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST {
            known.retain(|_, known| known.until_us > now_us);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let person = Arc::clone(person);
        known.insert(password.digest, Known { person, until_us, alive_at: Cell::new(u64::MAX) });
    }
}

#[cfg(test)]
mod tests {
    use turnpike_proto::identity::v1::Revocation;
    use turnpike_proto::identity::v1::revocation::What;

    use super::*;

    fn people() -> People {
        People::new([1; 16])
    }

    fn shown(both: &str) -> String {
        STANDARD.encode(both)
    }

    #[test]
    fn only_a_name_and_a_password_are_read() {
        let people = people();
        let read = |both: &str| people.read(&shown(both)).map(|it| (it.name, it.password));
        assert_eq!(read("ann:a:b"), Some(("ann".to_owned(), "a:b".to_owned())));
        for wrong in ["ann", ":x", "ann:", "ann:\u{7}", "a\nb:x"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&format!("ann:{}", "x".repeat(1025))), None);
        assert!(people.read("***").is_none());
    }

    #[test]
    fn a_person_is_known_for_a_while_and_not_after_a_revocation() {
        let (people, revocations) = (people(), Revocations::new());
        let password = people.read(&shown("ann:secret")).unwrap();
        let person = Arc::new(Person {
            issuer: "https://issuer.example".into(),
            subject: "1".into(),
            name: "ann".into(),
            roles: Vec::new(),
            authenticated_at: 10,
        });
        people.keep(&password, &person, 1_000, 0);
        assert!(people.find(&password, &revocations, 999).is_some());
        assert!(people.find(&password, &revocations, 1_000).is_none());
        let other = people.read(&shown("ann:secre")).unwrap();
        assert!(people.find(&other, &revocations, 0).is_none());
        revocations.apply(&[Revocation {
            issuer: "https://issuer.example".to_owned(),
            what: Some(What::Subject("1".to_owned())),
            issued_until: Some(prost_types::Timestamp { seconds: 10, nanos: 0 }),
            forget_after: Some(prost_types::Timestamp { seconds: 100, nanos: 0 }),
            ..Revocation::default()
        }]);
        assert!(people.find(&password, &revocations, 0).is_none());
    }
}
