//! The store itself: which noun's statements answer which promise?

use std::sync::Arc;

use async_trait::async_trait;
use chassis::clock::Clock;

use super::database::{Config, Database};
use super::migrate::migrate;
use super::url::DatabaseUrl;
use super::{
    attempts, audit, authenticators, clients, codes, consents, devices, families, gateway_keys,
    keys, ledger, links, passkeys, pushed, revocations, sessions, used, users,
};
use crate::domain::{
    ClientId, Entry, LiveToken, Profile, Revocation, Roles, Scopes, User, UserName,
};
use crate::store::{
    AuditHead, AuditLine, Chain, Failures, GatewayKey, Grant, Joined, KeyChange, Ledger, Note,
    Noted, Room, Rotation, Slower, Store, StoreError, StoredAuthenticator, StoredClient,
    StoredCode, StoredConsent, StoredDevice, StoredFamily, StoredKey, StoredPasskey, StoredPush,
    StoredSecret, StoredSession, StoredUser, Use, Used,
};

/// The contract on SQLite or PostgreSQL. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct SqlStore(Database);

impl SqlStore {
    /// Connects and brings the schema to this version. `url` is already put under the data folder.
    pub async fn open(
        url: &DatabaseUrl,
        config: &Config,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let database = Database::open(url, config, clock.clone()).await?;
        migrate(&database, clock.unix_seconds()).await?;
        Ok(Self(database))
    }

    /// Lets go of every connection.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn ledger(&self) -> Result<Ledger, StoreError> {
        ledger::read(&self.0).await
    }

    async fn claim_master(&self, id: &str) -> Result<String, StoreError> {
        ledger::claim_master(&self.0, id).await
    }

    async fn allow_life(&self, seconds: i64) -> Result<i64, StoreError> {
        ledger::allow_life(&self.0, seconds).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        clients::find(&self.0, id).await
    }

    async fn add_client(&self, client: &StoredClient) -> Result<(), StoreError> {
        clients::add(&self.0, client).await
    }

    async fn replace_client(&self, client: &StoredClient) -> Result<bool, StoreError> {
        clients::replace(&self.0, client).await
    }

    async fn add_secret(
        &self,
        client: &ClientId,
        secret: &StoredSecret,
        most: u32,
    ) -> Result<bool, StoreError> {
        clients::add_secret(&self.0, client, secret, most).await
    }

    async fn remove_secret(&self, client: &ClientId, id: &str) -> Result<bool, StoreError> {
        clients::remove_secret(&self.0, client, id).await
    }

    async fn remove_client(&self, id: &ClientId, end: &Entry) -> Result<Option<u64>, StoreError> {
        clients::remove(&self.0, id, end).await
    }

    async fn revoke(&self, entry: &Entry) -> Result<Option<u64>, StoreError> {
        revocations::revoke(&self.0, entry).await
    }

    async fn revocations(
        &self,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        revocations::range(&self.0, after, until, limit).await
    }

    async fn is_revoked(&self, token: &LiveToken) -> Result<bool, StoreError> {
        revocations::names(&self.0, token).await
    }

    async fn forget(&self, now: i64) -> Result<u64, StoreError> {
        revocations::forget(&self.0, now).await
    }

    async fn begin_epoch(&self, before: &str, epoch: &str) -> Result<(), StoreError> {
        ledger::begin_epoch(&self.0, before, epoch).await
    }

    async fn use_once(&self, used: &Used<'_>) -> Result<Use, StoreError> {
        used::once(&self.0, used).await
    }

    async fn keys(&self) -> Result<(u64, Vec<StoredKey>), StoreError> {
        keys::all(&self.0).await
    }

    async fn change_keys(&self, version: u64, changes: &[KeyChange]) -> Result<bool, StoreError> {
        keys::change(&self.0, version, changes).await
    }

    async fn enrol_gateway_keys(
        &self,
        instance: &str,
        keys: &[GatewayKey],
        now: i64,
        expires_at: i64,
        room: Room,
    ) -> Result<bool, StoreError> {
        gateway_keys::enrol(&self.0, instance, keys, (now, expires_at), room).await
    }

    async fn gateway_keys(&self, now: i64) -> Result<Vec<GatewayKey>, StoreError> {
        gateway_keys::all(&self.0, now).await
    }

    async fn user(&self, id: &str) -> Result<Option<StoredUser>, StoreError> {
        users::find(&self.0, id).await
    }

    async fn user_named(&self, name: &UserName) -> Result<Option<StoredUser>, StoreError> {
        users::named(&self.0, name).await
    }

    async fn add_user(&self, user: &StoredUser) -> Result<bool, StoreError> {
        users::add(&self.0, user).await
    }

    async fn linked_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<StoredUser>, StoreError> {
        links::find(&self.0, issuer, subject).await
    }

    async fn link_user(
        &self,
        issuer: &str,
        subject: &str,
        user: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        links::add(&self.0, issuer, subject, user, now).await
    }

    async fn unlink_user(&self, issuer: &str, subject: &str) -> Result<bool, StoreError> {
        links::remove(&self.0, issuer, subject).await
    }

    async fn add_linked_user(
        &self,
        user: &StoredUser,
        issuer: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        links::add_user(&self.0, user, issuer, subject).await
    }

    async fn users_with_email(&self, email: &str) -> Result<Vec<User>, StoreError> {
        links::with_email(&self.0, email).await
    }

    async fn set_profile(
        &self,
        id: &str,
        profile: &Profile,
        now: i64,
        end: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        users::set_profile(&self.0, id, profile, now, end).await
    }

    async fn set_directory_roles(
        &self,
        id: &str,
        roles: &Roles,
        end: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        users::set_directory_roles(&self.0, id, roles, end).await
    }

    async fn disable_user(&self, id: &str, end: Option<&Entry>) -> Result<bool, StoreError> {
        users::disable(&self.0, id, end).await
    }

    async fn remove_user(&self, id: &str, end: &Entry) -> Result<Option<u64>, StoreError> {
        users::remove(&self.0, id, end).await
    }

    async fn begin_attempt(
        &self,
        key: &str,
        limits: &Failures,
        now: i64,
    ) -> Result<bool, StoreError> {
        attempts::begin(&self.0, key, limits, now).await
    }

    async fn blocked_until(&self, key: &str, now: i64) -> Result<Option<i64>, StoreError> {
        attempts::blocked_until(&self.0, key, now).await
    }

    async fn end_attempt(&self, key: &str, forget_all: bool) -> Result<(), StoreError> {
        attempts::end(&self.0, key, forget_all).await
    }

    async fn add_session(
        &self,
        session: &StoredSession,
        instead_of: &str,
    ) -> Result<(), StoreError> {
        sessions::add(&self.0, session, instead_of).await
    }

    async fn session(&self, digest: &str) -> Result<Option<StoredSession>, StoreError> {
        sessions::find(&self.0, digest).await
    }

    async fn keep_session(&self, id: &str, idle_until: i64) -> Result<(), StoreError> {
        sessions::keep(&self.0, id, idle_until).await
    }

    async fn consent(&self, user: &str, client: &ClientId) -> Result<Scopes, StoreError> {
        consents::find(&self.0, user, client).await
    }

    async fn add_consent(
        &self,
        user: &str,
        client: &ClientId,
        scopes: &Scopes,
        now: i64,
    ) -> Result<(), StoreError> {
        consents::add(&self.0, user, client, scopes, now).await
    }

    async fn sessions(
        &self,
        user: &str,
        now: i64,
        limit: u32,
    ) -> Result<Vec<StoredSession>, StoreError> {
        sessions::of_user(&self.0, user, now, limit).await
    }

    async fn clients_of_session(&self, id: &str) -> Result<Vec<ClientId>, StoreError> {
        sessions::clients(&self.0, id).await
    }

    async fn end_session(&self, user: &str, id: &str, end: &Entry) -> Result<bool, StoreError> {
        sessions::end(&self.0, user, id, end).await
    }

    async fn consents(&self, user: &str, limit: u32) -> Result<Vec<StoredConsent>, StoreError> {
        consents::of_user(&self.0, user, limit).await
    }

    async fn withdraw_consent(
        &self,
        user: &str,
        client: &ClientId,
        end: &Entry,
    ) -> Result<bool, StoreError> {
        consents::withdraw(&self.0, user, client, end).await
    }

    async fn add_pending_user(&self, user: &StoredUser, most: u32) -> Result<Joined, StoreError> {
        users::add_pending(&self.0, user, most).await
    }

    async fn approve_user(&self, id: &str) -> Result<bool, StoreError> {
        users::approve(&self.0, id).await
    }

    async fn pending_users(&self, limit: u32) -> Result<Vec<User>, StoreError> {
        users::pending(&self.0, limit).await
    }

    async fn renew_hash(&self, id: &str, former: &str, hash: &str) -> Result<bool, StoreError> {
        users::renew_hash(&self.0, id, former, hash).await
    }

    async fn change_password(
        &self,
        id: &str,
        password: &str,
        end: &Entry,
        keep: &str,
    ) -> Result<bool, StoreError> {
        users::change_password(&self.0, id, password, end, keep).await
    }

    async fn authenticator(&self, user: &str) -> Result<Option<StoredAuthenticator>, StoreError> {
        authenticators::find(&self.0, user).await
    }

    async fn add_authenticator(
        &self,
        user: &str,
        authenticator: &StoredAuthenticator,
    ) -> Result<bool, StoreError> {
        authenticators::add(&self.0, user, authenticator).await
    }

    async fn remove_authenticator(&self, user: &str) -> Result<bool, StoreError> {
        authenticators::remove(&self.0, user).await
    }

    async fn use_step(&self, user: &str, step: i64) -> Result<bool, StoreError> {
        authenticators::use_step(&self.0, user, step).await
    }

    async fn set_recovery_codes(&self, user: &str, digests: &[String]) -> Result<(), StoreError> {
        authenticators::set_recovery(&self.0, user, digests).await
    }

    async fn use_recovery_code(&self, user: &str, digest: &str) -> Result<bool, StoreError> {
        authenticators::use_recovery(&self.0, user, digest).await
    }

    async fn passkeys(&self, user: &str) -> Result<Vec<StoredPasskey>, StoreError> {
        passkeys::all(&self.0, user).await
    }

    async fn passkey(&self, id: &str) -> Result<Option<StoredPasskey>, StoreError> {
        passkeys::find(&self.0, id).await
    }

    async fn add_passkey(&self, passkey: &StoredPasskey, most: u32) -> Result<bool, StoreError> {
        passkeys::add(&self.0, passkey, most).await
    }

    async fn remove_passkey(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        passkeys::remove(&self.0, user, id).await
    }

    async fn use_passkey(&self, id: &str, counter: i64, now: i64) -> Result<bool, StoreError> {
        passkeys::count(&self.0, id, counter, now).await
    }

    async fn recovery_codes_left(&self, user: &str) -> Result<u64, StoreError> {
        authenticators::recovery_left(&self.0, user).await
    }

    async fn add_code(&self, digest: &str, code: &StoredCode) -> Result<(), StoreError> {
        codes::add(&self.0, digest, code).await
    }

    async fn add_pushed(&self, digest: &str, pushed: &StoredPush) -> Result<(), StoreError> {
        pushed::add(&self.0, digest, pushed).await
    }

    async fn take_pushed(
        &self,
        digest: &str,
        client: &ClientId,
    ) -> Result<Option<StoredPush>, StoreError> {
        pushed::take(&self.0, digest, client).await
    }

    async fn code(&self, digest: &str) -> Result<Option<StoredCode>, StoreError> {
        codes::find(&self.0, digest).await
    }

    async fn use_code(
        &self,
        digest: &str,
        family: Option<&StoredFamily>,
        now: i64,
    ) -> Result<bool, StoreError> {
        codes::spend(&self.0, digest, family, now).await
    }

    async fn add_device(
        &self,
        digest: &str,
        user_digest: &str,
        device: &StoredDevice,
        most: u32,
    ) -> Result<bool, StoreError> {
        devices::add(&self.0, digest, user_digest, device, most).await
    }

    async fn device(&self, digest: &str) -> Result<Option<StoredDevice>, StoreError> {
        devices::of_device(&self.0, digest).await
    }

    async fn device_of_user_code(&self, digest: &str) -> Result<Option<StoredDevice>, StoreError> {
        devices::of_person(&self.0, digest).await
    }

    async fn waiting_for(
        &self,
        user: &str,
        now: i64,
        limit: u32,
    ) -> Result<Vec<(String, StoredDevice)>, StoreError> {
        devices::waiting_for(&self.0, user, now, limit).await
    }

    async fn asked_device(
        &self,
        digest: &str,
        now: i64,
        slower: Slower,
    ) -> Result<bool, StoreError> {
        devices::asked(&self.0, digest, now, slower).await
    }

    async fn decide_device(
        &self,
        user_digest: &str,
        answer: Option<&Grant>,
        now: i64,
    ) -> Result<bool, StoreError> {
        devices::decide(&self.0, user_digest, answer, now).await
    }

    async fn use_device(
        &self,
        digest: &str,
        family: Option<&StoredFamily>,
    ) -> Result<bool, StoreError> {
        devices::spend(&self.0, digest, family).await
    }

    async fn family(&self, id: &str) -> Result<Option<StoredFamily>, StoreError> {
        families::find(&self.0, id).await
    }

    async fn add_family(&self, family: &StoredFamily) -> Result<(), StoreError> {
        families::begin(&self.0, family).await
    }

    async fn rotate_family(&self, id: &str, rotation: &Rotation) -> Result<bool, StoreError> {
        families::rotate(&self.0, id, rotation).await
    }

    async fn replay_family(
        &self,
        id: &str,
        former_digest: &str,
        most: u32,
    ) -> Result<bool, StoreError> {
        families::replay(&self.0, id, former_digest, most).await
    }

    async fn keep_family(&self, id: &str, idle_until: i64) -> Result<bool, StoreError> {
        families::keep(&self.0, id, idle_until).await
    }

    fn noting(&self, noted: Noted) -> Arc<dyn Store> {
        Arc::new(Self(self.0.noting(noted)))
    }

    async fn note(&self, notes: &[Note], chain: &dyn Chain) -> Result<(), StoreError> {
        audit::note(&self.0, notes, chain).await
    }

    async fn audit(
        &self,
        after: u64,
        since: i64,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        audit::lines(&self.0, after, since, limit).await
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        audit::head(&self.0).await
    }

    async fn prune_audit(
        &self,
        before: i64,
        checkpoint: &Note,
        chain: &dyn Chain,
    ) -> Result<u64, StoreError> {
        audit::prune(&self.0, before, checkpoint, chain).await
    }

    async fn sweep(&self, now: i64) -> Result<u64, StoreError> {
        let mut gone = codes::sweep(&self.0, now).await?;
        gone = gone.saturating_add(pushed::sweep(&self.0, now).await?);
        gone = gone.saturating_add(devices::sweep(&self.0, now).await?);
        gone = gone.saturating_add(families::sweep(&self.0, now).await?);
        gone = gone.saturating_add(sessions::sweep(&self.0, now).await?);
        gone = gone.saturating_add(gateway_keys::sweep(&self.0, now).await?);
        gone = gone.saturating_add(attempts::sweep(&self.0, now).await?);
        Ok(gone.saturating_add(used::sweep(&self.0, now).await?))
    }
}
