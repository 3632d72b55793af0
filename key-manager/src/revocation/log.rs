//! How is a token ended?
//!
//! A line of the log names one token, or every token of a client or subject until now. It is
//! durable when answered, and stays until no token that it names can be alive (KM-110).

use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;

use super::follower::Follower;
use super::reader::{Cursor, ReadError, Reader, SIGN_OF_LIFE};
use super::view::View;
use crate::domain::{ClientId, Ended, Entry, FORGET_MARGIN_SECONDS, LiveToken, Profile, Roles};
use crate::store::{Ledger, Noted, Store, StoreError};

#[derive(Clone, Debug)]
pub struct RevocationLog {
    store: Arc<dyn Store>,
    follower: Arc<Follower>,
    clock: Clock,
    issuer: String,
    view: Arc<View>,
}

impl RevocationLog {
    pub fn new(
        store: Arc<dyn Store>,
        follower: Arc<Follower>,
        clock: Clock,
        issuer: String,
    ) -> Self {
        let view = Arc::new(View::new(issuer.clone()));
        Self { store, follower, clock, issuer, view }
    }

    /// The same log, each of whose lines comes with this line of the audit log.
    #[must_use]
    pub fn noting(&self, noted: Noted) -> Self {
        Self { store: self.store.noting(noted), ..self.clone() }
    }

    pub fn follower(&self) -> &Arc<Follower> {
        &self.follower
    }

    /// The answer is the sequence; `None`: it had ended already.
    pub async fn end_token(&self, token: &LiveToken) -> Result<Option<u64>, StoreError> {
        self.append(Entry {
            issuer: token.issuer.clone(),
            what: Ended::Token(token.jti.clone()),
            forget_after: token.expires_at.saturating_add(FORGET_MARGIN_SECONDS),
        })
        .await
    }

    /// Ends every token of a client until now. `None`: there is no such client.
    pub async fn end_client(&self, id: &ClientId) -> Result<Option<u64>, StoreError> {
        let Some(client) = self.store.client(id).await? else { return Ok(None) };
        let ended_until = client.client.ended_until;
        let entry = self.all_of_client(ended_until, |until| Ended::Client(id.clone(), until));
        let entry = entry.await?;
        self.append(entry).await
    }

    /// Ends everything that was issued from one authorization. `None`: it had ended already.
    pub async fn end_family(&self, id: &str) -> Result<Option<u64>, StoreError> {
        let entry = self.all_until_now(|_| Ended::Family(id.to_owned())).await?;
        self.append(entry).await
    }

    /// Ends a session of a person with everything that was issued from it. `false`: there is none.
    pub async fn end_session(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let entry = self.all_until_now(|_| Ended::Family(String::new())).await?;
        let ended = self.store.end_session(user, id, &entry).await?;
        self.follower.nudge();
        Ok(ended)
    }

    /// Takes back what a person allowed a client and ends everything that was issued for it.
    /// `false`: nothing was allowed.
    pub async fn withdraw_consent(
        &self,
        user: &str,
        client: &ClientId,
    ) -> Result<bool, StoreError> {
        let entry = self.all_until_now(|_| Ended::Family(String::new())).await?;
        let ended = self.store.withdraw_consent(user, client, &entry).await?;
        self.follower.nudge();
        Ok(ended)
    }

    /// Lets a person log in no more, and ends every session and token of theirs; or lets them in
    /// again. `false`: there is no such person.
    pub async fn disable_user(&self, id: &str, disabled: bool) -> Result<bool, StoreError> {
        if !disabled {
            return self.store.disable_user(id, None).await;
        }
        let entry = self.all_of_person(id).await?;
        let changed = self.store.disable_user(id, Some(&entry)).await?;
        self.follower.nudge();
        Ok(changed)
    }

    /// Replaces what is known of a person; `ends`: their access tokens say what is no longer so, and end.
    /// `false`: there is no such person.
    pub async fn set_profile(
        &self,
        id: &str,
        profile: &Profile,
        ends: bool,
    ) -> Result<bool, StoreError> {
        let end = self.end_of(id, ends).await?;
        let now = self.clock.unix_seconds();
        let changed = self.store.set_profile(id, profile, now, end.as_ref()).await?;
        self.follower.nudge();
        Ok(changed)
    }

    /// The same for the roles that a person has in the directory.
    pub async fn set_directory_roles(
        &self,
        id: &str,
        roles: &Roles,
        ends: bool,
    ) -> Result<bool, StoreError> {
        let end = self.end_of(id, ends).await?;
        let changed = self.store.set_directory_roles(id, roles, end.as_ref()).await?;
        self.follower.nudge();
        Ok(changed)
    }

    async fn end_of(&self, id: &str, ends: bool) -> Result<Option<Entry>, StoreError> {
        if !ends {
            return Ok(None);
        }
        self.all_of_person(id).await.map(Some)
    }

    /// Replaces a password; every token of the person ends, and every session but `keep`. `false`:
    /// there is no such person.
    pub async fn change_password(
        &self,
        id: &str,
        password: &str,
        keep: &str,
    ) -> Result<bool, StoreError> {
        let entry = self.all_of_person(id).await?;
        let changed = self.store.change_password(id, password, &entry, keep).await?;
        self.follower.nudge();
        Ok(changed)
    }

    /// Ends every token of a subject until now: of a person, or of a client that acts for itself.
    /// `None`: there is neither.
    pub async fn end_subject(&self, subject: &str) -> Result<Option<u64>, StoreError> {
        let client = match ClientId::parse(subject) {
            Ok(id) => self.store.client(&id).await?,
            Err(_) => None,
        };
        let entry = match client {
            Some(known) => {
                let what = |until| Ended::Subject(subject.to_owned(), until);
                self.all_of_client(known.client.ended_until, what).await?
            }
            None if self.store.user(subject).await?.is_none() => return Ok(None),
            None => self.all_of_person(subject).await?,
        };
        self.append(entry).await
    }

    /// Removes a client and ends its tokens. `None`: there was none.
    pub async fn remove_client(&self, id: &ClientId) -> Result<Option<u64>, StoreError> {
        // Nobody comes back under this identifier, so the line also names the token that another
        // process is issuing at this moment.
        let all = |now: i64| now.saturating_add(FORGET_MARGIN_SECONDS);
        let entry = self.all_until_now(|now| Ended::Client(id.clone(), all(now))).await?;
        let sequence = self.store.remove_client(id, &entry).await?;
        self.follower.nudge();
        Ok(sequence)
    }

    /// Removes a person and ends their tokens. `None`: there was none.
    pub async fn remove_user(&self, id: &str) -> Result<Option<u64>, StoreError> {
        // As with a client: nobody comes back under this identifier.
        let all = |now: i64| now.saturating_add(FORGET_MARGIN_SECONDS);
        let entry = self.all_until_now(|now| Ended::Subject(id.to_owned(), all(now))).await?;
        let sequence = self.store.remove_user(id, &entry).await?;
        self.follower.nudge();
        Ok(sequence)
    }

    pub async fn has_ended(&self, token: &LiveToken) -> Result<bool, StoreError> {
        if self.follower.is_current() {
            let ledger = self.follower.ledger();
            if let Some(ended) = self.view.has_ended(token, &ledger) {
                return Ok(ended);
            }
        }
        self.store.is_revoked(token).await
    }

    /// Keeps what has ended in memory, until shutdown.
    pub async fn remember(&self, shutdown: &Shutdown) {
        let reader = || {
            let parts = (self.store.clone(), self.follower.clone(), self.clock.clone());
            Reader::new(parts.0, parts.1, parts.2, Cursor::default())
        };
        let mut lines = reader();
        loop {
            let next = tokio::select! {
                () = shutdown.wait() => return,
                next = lines.next() => next,
            };
            match next {
                Ok(batch) => self.view.learn(batch),
                Err(ReadError::Ended) => return,
                // The store is asked meanwhile.
                Err(ReadError::Store(_) | ReadError::Stale(_)) => {
                    self.clock.sleep(SIGN_OF_LIFE).await;
                }
            }
        }
    }

    /// Drops the lines that can matter no more.
    pub async fn forget(&self) -> Result<u64, StoreError> {
        let now = self.clock.unix_seconds();
        self.view.forget(now);
        self.store.forget(now).await
    }

    /// The end of everything of a client of which everything had ended `before` already.
    async fn all_of_client(
        &self,
        before: i64,
        what: impl Fn(i64) -> Ended,
    ) -> Result<Entry, StoreError> {
        let ledger = self.store.ledger().await?;
        let until = self.after([before, ledger.person_ended_until]);
        Ok(self.all(&ledger, until, what(until)))
    }

    /// The end of everything of a person.
    async fn all_of_person(&self, id: &str) -> Result<Entry, StoreError> {
        let known = self.store.user(id).await?;
        let before = known.map_or(0, |known| known.user.ended_until);
        let ledger = self.store.ledger().await?;
        let until = self.after([before, ledger.client_ended_until]);
        Ok(self.all(&ledger, until, Ended::Subject(id.to_owned(), until)))
    }

    /// Now, and later where something had ended in this second `before` already: what was issued since
    /// then is dated ahead, and is meant as well.
    fn after(&self, before: [i64; 2]) -> i64 {
        let now = self.clock.unix_seconds();
        let last = before.into_iter().filter(|before| *before >= now).max();
        last.map_or(now, |last| last.saturating_add(1))
    }

    async fn all_until_now(&self, what: impl Fn(i64) -> Ended) -> Result<Entry, StoreError> {
        let now = self.clock.unix_seconds();
        // Read now, not as last seen: another process may just have allowed longer lives.
        let ledger = self.store.ledger().await?;
        Ok(self.all(&ledger, now, what(now)))
    }

    /// A line about what was issued until then.
    fn all(&self, ledger: &Ledger, until: i64, what: Ended) -> Entry {
        // A token may be dated one second ahead, see `issue::access_token`.
        let last_end = until.saturating_add(ledger.longest_seconds).saturating_add(1);
        Entry {
            issuer: self.issuer.clone(),
            what,
            forget_after: last_end.saturating_add(FORGET_MARGIN_SECONDS),
        }
    }

    async fn append(&self, entry: Entry) -> Result<Option<u64>, StoreError> {
        let sequence = self.store.revoke(&entry).await?;
        self.follower.nudge();
        Ok(sequence)
    }
}
