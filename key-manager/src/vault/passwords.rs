//! Is this the password of that person?
//!
//! Argon2id, by default with 19 MiB, two passes, one lane (KM-101). Each hash needs that memory, so only a few
//! run at once and only so many wait: beyond it one hears to come back, and memory stays bounded.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use chassis::task::Tasks;
use tokio::sync::Semaphore;

use super::foreign_hash::ForeignHash;
use crate::domain::Password;

/// How much goes on at a time.
#[derive(Clone, Copy, Debug)]
pub struct PasswordRules {
    /// Hashes at once; each takes 19 MiB and a processor.
    pub at_once: usize,
    /// Those that wait for their turn.
    pub waiting: usize,
    /// What a hash needs, in KiB.
    pub memory_kib: u32,
    /// How often it goes over it.
    pub passes: u32,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum PasswordFailure {
    #[error("too many passwords are being looked at")]
    Busy,
    #[error("hashing a password was interrupted")]
    Interrupted,
    #[error("a password could not be hashed")]
    Hash,
}

/// Hashes and compares; cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    tasks: Tasks,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Compared with when there is nobody of that name, so that it takes as long.
    decoy: Arc<str>,
    cost: Cost,
}

/// What new hashes cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// A hash that was brought along may cost so much at most: as much as a few of ours.
const DEAREST: Cost = Cost { memory_kib: 128 * 1024, passes: 10 };

impl Passwords {
    pub fn new(rules: PasswordRules, tasks: Tasks) -> Result<Self, PasswordFailure> {
        let at_once = rules.at_once.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = rules.waiting.min(Semaphore::MAX_PERMITS / 2);
        let PasswordRules { memory_kib, passes, .. } = rules;
        let cost = Cost { memory_kib, passes };
        let decoy = hash(chassis::random::token(32).as_bytes(), cost)?;
        Ok(Self {
            tasks,
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once.saturating_add(waiting))),
            decoy: decoy.into(),
            cost,
        })
    }

    /// Whether a stored hash is one that would be made today.
    pub fn is_current(&self, stored: &str) -> bool {
        let Cost { memory_kib, passes } = self.cost;
        stored.starts_with(&format!("$argon2id$v=19$m={memory_kib},t={passes},p=1$"))
    }

    /// Whether a hash that was brought along can be looked at, and does not cost too much.
    pub fn can_take(stored: &str) -> bool {
        if ForeignHash::parse(stored).is_some() {
            return true;
        }
        let Ok(hash) = PasswordHash::new(stored) else { return false };
        let known = Algorithm::try_from(hash.algorithm).is_ok() && hash.hash.is_some();
        let params = Params::try_from(&hash);
        known
            && hash.salt.is_some()
            && params.is_ok_and(|params| {
                params.m_cost() <= DEAREST.memory_kib
                    && params.t_cost() <= DEAREST.passes
                    && params.p_cost() <= 4
            })
    }

    /// The PHC string to be stored.
    pub async fn hash(&self, password: Password) -> Result<String, PasswordFailure> {
        let cost = self.cost;
        self.in_turn(move || hash(password.expose(), cost)).await?
    }

    /// Whether `password` is the one whose PHC string is `stored`. `None` never is, and takes as
    /// long.
    pub async fn matches(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<bool, PasswordFailure> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        let same = self.in_turn(move || matches(password.expose(), &stored)).await?;
        Ok(same && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordFailure> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| PasswordFailure::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| PasswordFailure::Interrupted)?;
        // The permits go along: work goes on when its asker has gone away.
        let done = self.tasks.blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| PasswordFailure::Interrupted)
    }
}

fn hash(password: &[u8], cost: Cost) -> Result<String, PasswordFailure> {
    let salt = SaltString::encode_b64(&chassis::random::bytes::<16>());
    let salt = salt.map_err(|_| PasswordFailure::Hash)?;
    let params = Params::new(cost.memory_kib, cost.passes, 1, None);
    let params = params.map_err(|_| PasswordFailure::Hash)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon2.hash_password(password, &salt).map_err(|_| PasswordFailure::Hash)?;
    Ok(hashed.to_string())
}

fn matches(password: &[u8], stored: &str) -> bool {
    if let Some(foreign) = ForeignHash::parse(stored) {
        return foreign.matches(password);
    }
    let Ok(stored) = PasswordHash::new(stored) else { return false };
    // What it costs stands in the hash itself.
    Argon2::default().verify_password(password, &stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rules(at_once: usize, waiting: usize) -> PasswordRules {
        PasswordRules { at_once, waiting, memory_kib: 19 * 1024, passes: 2 }
    }

    fn password(text: &str) -> Password {
        Password::tried(text).expect("a password")
    }

    #[tokio::test]
    async fn only_the_same_password_matches() {
        let passwords = Passwords::new(rules(2, 8), Tasks::default()).expect("passwords");
        let stored = passwords.hash(password("correct horse")).await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(!format!("{passwords:?}").contains("correct"));
        let matches = async |text: &str, stored: Option<&str>| {
            passwords.matches(password(text), stored).await.expect("an answer")
        };
        assert!(matches("correct horse", Some(&stored)).await);
        assert!(!matches("correct horsf", Some(&stored)).await);
        assert!(!matches("correct horse", None).await);
        assert!(!matches("correct horse", Some("garbage")).await);
        let dearer = PasswordRules { passes: 3, ..rules(1, 1) };
        let dearer = Passwords::new(dearer, Tasks::default()).expect("passwords");
        assert!(passwords.is_current(&stored) && !dearer.is_current(&stored));
        assert!(dearer.matches(password("correct horse"), Some(&stored)).await.expect("an answer"));
        assert!(Passwords::can_take(&stored) && !Passwords::can_take("garbage"));
        for dear in [stored.replace("m=19456", "m=4194304"), stored.replace("t=2", "t=99")] {
            assert!(!Passwords::can_take(&dear), "{dear}");
        }
    }

    #[tokio::test]
    async fn more_than_can_wait_are_sent_away() {
        let passwords = Passwords::new(rules(1, 1), Tasks::default()).expect("passwords");
        let tried = (0..6).map(|_| passwords.matches(password("x"), None));
        let tried = futures_util::future::join_all(tried).await;
        let busy = tried.iter().filter(|tried| matches!(tried, Err(PasswordFailure::Busy)));
        assert_eq!(busy.count(), 4);
    }
}
