//! What does a store promise? (KM-120)
//!
//! Every write is durable when it is answered. Sequences of the revocation log are given inside a
//! serialised transaction: whoever reads `head` sees every line up to it, also when several
//! processes write at once (KM-111).

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::{
    AuditHead, AuditLine, Chain, Failures, GatewayKey, Grant, Joined, KeyChange, Ledger, Note,
    Noted, Room, Rotation, Slower, StoredAuthenticator, StoredClient, StoredCode, StoredConsent,
    StoredDevice, StoredFamily, StoredKey, StoredPasskey, StoredPush, StoredSecret, StoredSession,
    StoredUser, Use, Used,
};
use crate::domain::{
    ClientId, Entry, LiveToken, Profile, Revocation, Roles, Scopes, User, UserName,
};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may be there again later.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Whether a write happened is not known.
    #[error("the store did not answer in time")]
    Late,
    /// Somebody else's transaction came between; nothing was written.
    #[error("the store was busy with another writer")]
    Contended(#[source] Box<dyn Error + Send + Sync>),
    /// Nothing was written.
    #[error("the store refused the request")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    #[error("the store holds a {what} that cannot be read: `{value}`")]
    Damaged { what: &'static str, value: String },
    #[error("the store was written by a newer version: its schema is {found}, known is {known}")]
    Newer { found: i64, known: i64 },
    #[error("migration {version} of the store is not the one that this version knows")]
    Edited { version: i64 },
    #[error("{path} cannot be used for the store")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the same request may succeed later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Late | Self::Contended(_))
    }
}

/// The store. One suite holds every implementation to it: `tests/service/store.rs`.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    async fn ledger(&self) -> Result<Ledger, StoreError>;

    /// Says which master key seals here, if nobody has said so before; answers which one does.
    /// An empty `id` only asks.
    async fn claim_master(&self, id: &str) -> Result<String, StoreError>;

    /// Notes that tokens may live so long; the answer is the longest life ever noted.
    async fn allow_life(&self, seconds: i64) -> Result<i64, StoreError>;

    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError>;

    async fn add_client(&self, client: &StoredClient) -> Result<(), StoreError>;

    /// Puts another in the place of the client with its identifier. `false`: there is none.
    async fn replace_client(&self, client: &StoredClient) -> Result<bool, StoreError>;

    /// Adds a secret to a client. `false`: there is no such client, or it has `most`.
    async fn add_secret(
        &self,
        client: &ClientId,
        secret: &StoredSecret,
        most: u32,
    ) -> Result<bool, StoreError>;

    /// Takes a secret away from a client. `false`: it has none of that name.
    async fn remove_secret(&self, client: &ClientId, id: &str) -> Result<bool, StoreError>;

    /// Removes a client and writes `end` to the log, both or none. `None`: there was none.
    async fn remove_client(&self, id: &ClientId, end: &Entry) -> Result<Option<u64>, StoreError>;

    /// Writes to the log. `None`: the same token or family had ended already. An entry that ends
    /// every token of a client or subject is noted there too, and ends their families; one that
    /// ends a family ends the stored one, if there is one.
    async fn revoke(&self, entry: &Entry) -> Result<Option<u64>, StoreError>;

    /// The lines with `after < sequence <= until`, in order, at most `limit`.
    async fn revocations(
        &self,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError>;

    async fn is_revoked(&self, token: &LiveToken) -> Result<bool, StoreError>;

    /// Drops the lines that can matter no more; answers how many. Sequences are not given twice.
    async fn forget(&self, now: i64) -> Result<u64, StoreError>;

    /// Begins the log anew under `epoch`, if it is still under `before`. Lines stay.
    async fn begin_epoch(&self, before: &str, epoch: &str) -> Result<(), StoreError>;

    /// Notes that something was used, if it was not before. Of all processes that ask for the same
    /// thing one hears `First`; nothing is forgotten early to make room (KM-122).
    async fn use_once(&self, used: &Used<'_>) -> Result<Use, StoreError>;

    /// All keys, and the version that they are.
    async fn keys(&self) -> Result<(u64, Vec<StoredKey>), StoreError>;

    /// Changes the keys, all or nothing, if they are still at `version`; else answers `false`.
    async fn change_keys(&self, version: u64, changes: &[KeyChange]) -> Result<bool, StoreError>;

    /// Keeps keys of the gateway `instance` until `expires_at`, also those that are kept already.
    /// `false`: of all gateways together there would be more than there is room for.
    async fn enrol_gateway_keys(
        &self,
        instance: &str,
        keys: &[GatewayKey],
        now: i64,
        expires_at: i64,
        room: Room,
    ) -> Result<bool, StoreError>;

    /// The keys of all gateways that have not expired, each once, in the order of their names.
    async fn gateway_keys(&self, now: i64) -> Result<Vec<GatewayKey>, StoreError>;

    async fn user(&self, id: &str) -> Result<Option<StoredUser>, StoreError>;

    async fn user_named(&self, name: &UserName) -> Result<Option<StoredUser>, StoreError>;

    /// Adds a person. `false`: the name is taken.
    async fn add_user(&self, user: &StoredUser) -> Result<bool, StoreError>;

    /// The account of the person whom the issuer of a provider calls `subject`.
    async fn linked_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<StoredUser>, StoreError>;

    /// Lets a person of a provider use an account that is there. `false`: somebody was faster.
    async fn link_user(
        &self,
        issuer: &str,
        subject: &str,
        user: &str,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Lets nobody use an account here as that person any more. `false`: nobody could.
    async fn unlink_user(&self, issuer: &str, subject: &str) -> Result<bool, StoreError>;

    /// Adds a person of a provider, account and link or neither. `false`: the name is taken, or somebody
    /// was faster.
    async fn add_linked_user(
        &self,
        user: &StoredUser,
        issuer: &str,
        subject: &str,
    ) -> Result<bool, StoreError>;

    /// Who has this verified mail address; of more than two, two.
    async fn users_with_email(&self, email: &str) -> Result<Vec<User>, StoreError>;

    /// Replaces what is known of a person, and ends their access tokens by the line `end` if there is
    /// one, both or none. `false`: there is no such person.
    async fn set_profile(
        &self,
        id: &str,
        profile: &Profile,
        now: i64,
        end: Option<&Entry>,
    ) -> Result<bool, StoreError>;

    /// The same for the roles that a person has in the directory.
    async fn set_directory_roles(
        &self,
        id: &str,
        roles: &Roles,
        end: Option<&Entry>,
    ) -> Result<bool, StoreError>;

    /// Lets a person log in no more and ends every session and token of theirs by the line `end`,
    /// all or nothing; without a line lets them in again. `false`: there is no such person.
    async fn disable_user(&self, id: &str, end: Option<&Entry>) -> Result<bool, StoreError>;

    /// Removes a person with everything of theirs and writes `end` to the log, both or none.
    async fn remove_user(&self, id: &str, end: &Entry) -> Result<Option<u64>, StoreError>;

    /// Counts an attempt to log in under `key` before it is made, unless `key` is blocked: then
    /// `false`. Attempts beyond `limits.free` block the key for a time that doubles (KM-102).
    async fn begin_attempt(
        &self,
        key: &str,
        limits: &Failures,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Until when `key` is blocked, Unix seconds; `None`: it is not. Nothing is counted.
    async fn blocked_until(&self, key: &str, now: i64) -> Result<Option<i64>, StoreError>;

    /// The attempt was a success: forgets all failures of `key`, or only the one just counted.
    async fn end_attempt(&self, key: &str, forget_all: bool) -> Result<(), StoreError>;

    /// Adds a session, in place of the one whose digest is `instead_of`.
    async fn add_session(
        &self,
        session: &StoredSession,
        instead_of: &str,
    ) -> Result<(), StoreError>;

    async fn session(&self, digest: &str) -> Result<Option<StoredSession>, StoreError>;

    async fn keep_session(&self, id: &str, idle_until: i64) -> Result<(), StoreError>;

    /// What a person allowed a client.
    async fn consent(&self, user: &str, client: &ClientId) -> Result<Scopes, StoreError>;

    /// Adds to what a person allowed a client.
    async fn add_consent(
        &self,
        user: &str,
        client: &ClientId,
        scopes: &Scopes,
        now: i64,
    ) -> Result<(), StoreError>;

    /// The living sessions of a person, the newest first, at most `limit`.
    async fn sessions(
        &self,
        user: &str,
        now: i64,
        limit: u32,
    ) -> Result<Vec<StoredSession>, StoreError>;

    /// The clients that got something from a session.
    async fn clients_of_session(&self, id: &str) -> Result<Vec<ClientId>, StoreError>;

    /// Ends a session of a person with everything that was issued from it, all or nothing; `end`
    /// is the line of each family, whose name is filled in. `false`: there is no such session.
    async fn end_session(&self, user: &str, id: &str, end: &Entry) -> Result<bool, StoreError>;

    /// What a person allowed, at most `limit`.
    async fn consents(&self, user: &str, limit: u32) -> Result<Vec<StoredConsent>, StoreError>;

    /// Takes back what a person allowed a client and ends everything that was issued for it, all
    /// or nothing (KM-104); `end` as with a session. `false`: nothing was allowed.
    async fn withdraw_consent(
        &self,
        user: &str,
        client: &ClientId,
        end: &Entry,
    ) -> Result<bool, StoreError>;

    /// Adds a person who may not log in yet and waits for approval, of at most `most` who do.
    async fn add_pending_user(&self, user: &StoredUser, most: u32) -> Result<Joined, StoreError>;

    /// Lets a person in who waits for approval. `false`: nobody of that name does.
    async fn approve_user(&self, id: &str) -> Result<bool, StoreError>;

    /// Those who wait for approval, the oldest first, at most `limit`.
    async fn pending_users(&self, limit: u32) -> Result<Vec<User>, StoreError>;

    /// Replaces the hash of a password by another one of the same password; nothing ends. `false`:
    /// it is not `former` any more.
    async fn renew_hash(&self, id: &str, former: &str, hash: &str) -> Result<bool, StoreError>;

    /// Replaces the password and ends every token, by the line `end`, and every session but
    /// `keep`, all or nothing. `false`: there is no such person.
    async fn change_password(
        &self,
        id: &str,
        password: &str,
        end: &Entry,
        keep: &str,
    ) -> Result<bool, StoreError>;

    async fn authenticator(&self, user: &str) -> Result<Option<StoredAuthenticator>, StoreError>;

    /// Sets the app of a person. `false`: they have one.
    async fn add_authenticator(
        &self,
        user: &str,
        authenticator: &StoredAuthenticator,
    ) -> Result<bool, StoreError>;

    /// Removes the app of a person, and their recovery codes if they have no passkey. `false`: they had
    /// none.
    async fn remove_authenticator(&self, user: &str) -> Result<bool, StoreError>;

    /// Notes that the code of a time step was taken. `false`: that of this step or a later one was
    /// taken before. Of several at once one succeeds.
    async fn use_step(&self, user: &str, step: i64) -> Result<bool, StoreError>;

    /// Sets the recovery codes of a person, in place of those they had.
    async fn set_recovery_codes(&self, user: &str, digests: &[String]) -> Result<(), StoreError>;

    /// Uses a recovery code up. `false`: there is none, or no more.
    async fn use_recovery_code(&self, user: &str, digest: &str) -> Result<bool, StoreError>;

    async fn recovery_codes_left(&self, user: &str) -> Result<u64, StoreError>;

    /// The passkeys of a person, the oldest first.
    async fn passkeys(&self, user: &str) -> Result<Vec<StoredPasskey>, StoreError>;

    async fn passkey(&self, id: &str) -> Result<Option<StoredPasskey>, StoreError>;

    /// Adds one. `false`: it is known, whosever it is, or its person has `most`.
    async fn add_passkey(&self, passkey: &StoredPasskey, most: u32) -> Result<bool, StoreError>;

    /// Removes one of a person, and their recovery codes if it was the last second factor. `false`:
    /// there is none.
    async fn remove_passkey(&self, user: &str, id: &str) -> Result<bool, StoreError>;

    /// Notes that one was used. `false`: it has counted to there before, so there are two of it. Of
    /// several at once one succeeds.
    async fn use_passkey(&self, id: &str, counter: i64, now: i64) -> Result<bool, StoreError>;

    async fn add_code(&self, digest: &str, code: &StoredCode) -> Result<(), StoreError>;

    async fn add_pushed(&self, digest: &str, pushed: &StoredPush) -> Result<(), StoreError>;

    /// Takes out what `client` handed over. Of several that ask one gets it (RFC 9126 section 4).
    async fn take_pushed(
        &self,
        digest: &str,
        client: &ClientId,
    ) -> Result<Option<StoredPush>, StoreError>;

    async fn code(&self, digest: &str) -> Result<Option<StoredCode>, StoreError>;

    /// Uses a code up and adds the family that begins with it, both or none. `false`: it was used
    /// before. Of several that try at once one succeeds (KM-030).
    async fn use_code(
        &self,
        digest: &str,
        family: Option<&StoredFamily>,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Adds the request of a device. `false`: `most` requests of its client are there already.
    async fn add_device(
        &self,
        digest: &str,
        user_digest: &str,
        device: &StoredDevice,
        most: u32,
    ) -> Result<bool, StoreError>;

    async fn device(&self, digest: &str) -> Result<Option<StoredDevice>, StoreError>;

    async fn device_of_user_code(&self, digest: &str) -> Result<Option<StoredDevice>, StoreError>;

    /// What waits for the answer of a person, each with the digest of its name, the newest first.
    async fn waiting_for(
        &self,
        user: &str,
        now: i64,
        limit: u32,
    ) -> Result<Vec<(String, StoredDevice)>, StoreError>;

    /// Notes that a device asked. `false`: its pause was not over, and is longer from now on, as
    /// `slower` says. Of several that ask at once one is in time.
    async fn asked_device(
        &self,
        digest: &str,
        now: i64,
        slower: Slower,
    ) -> Result<bool, StoreError>;

    /// What a person said: the login of `answer`, or no. `false`: somebody has answered before, or it
    /// is too late.
    async fn decide_device(
        &self,
        user_digest: &str,
        answer: Option<&Grant>,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Uses the request of a device up and adds the family that begins with it, both or none.
    /// `false`: it was used before. Of several that try at once one succeeds.
    async fn use_device(
        &self,
        digest: &str,
        family: Option<&StoredFamily>,
    ) -> Result<bool, StoreError>;

    async fn family(&self, id: &str) -> Result<Option<StoredFamily>, StoreError>;

    /// Adds a family that begins with nothing that was used up for it.
    async fn add_family(&self, family: &StoredFamily) -> Result<(), StoreError>;

    /// Moves a family that lives and is at the generation of `rotation` to the next: one
    /// conditional write (KM-071). `false`: somebody else was faster, or it has ended.
    async fn rotate_family(&self, id: &str, rotation: &Rotation) -> Result<bool, StoreError>;

    /// Counts that the answer to the former token of a family is given again: one conditional write.
    /// `false`: it was given again `most` times, the family has moved on, or it has ended (KM-071).
    async fn replay_family(
        &self,
        id: &str,
        former_digest: &str,
        most: u32,
    ) -> Result<bool, StoreError>;

    /// Keeps a family that lives from ending idle. `false`: it has ended.
    async fn keep_family(&self, id: &str, idle_until: i64) -> Result<bool, StoreError>;

    /// The same store, each of whose changes writes this line into the audit log: the change and
    /// its line are both there, or neither.
    fn noting(&self, noted: Noted) -> Arc<dyn Store>;

    /// Writes lines that belong to no change, in their order, all or none.
    async fn note(&self, notes: &[Note], chain: &dyn Chain) -> Result<(), StoreError>;

    /// The lines of the audit log after `after` that were written at or after `since`, in order, at
    /// most `limit`.
    async fn audit(&self, after: u64, since: i64, limit: u32)
    -> Result<Vec<AuditLine>, StoreError>;

    async fn audit_head(&self) -> Result<AuditHead, StoreError>;

    /// Drops lines from before `before` off the beginning of the audit log, the oldest ones where there
    /// are very many, and says so in a line of its own, `checkpoint` with the last one that is gone in its
    /// details, both or none. Answers how many.
    async fn prune_audit(
        &self,
        before: i64,
        checkpoint: &Note,
        chain: &dyn Chain,
    ) -> Result<u64, StoreError>;

    /// Drops codes, families, sessions, attempts, kept answers and what was used once, where they can
    /// matter no more.
    async fn sweep(&self, now: i64) -> Result<u64, StoreError>;
}
