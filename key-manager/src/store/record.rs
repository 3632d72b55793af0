//! The records of the store: what is written, and in which form?
//!
//! Nothing here is a secret in the clear: secrets are digests, private keys are sealed.

use std::fmt;
use std::sync::Arc;

pub use audit_chain::{Chain, Head as AuditHead, Line as AuditLine, Note};

use crate::domain::{
    Client, ClientId, KeyState, LoginMethod, Scopes, TokenAlgorithm, User, Wishes,
};

/// A client with what proves that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClient {
    pub client: Client,
    /// Several may be good at once, so that a secret can be replaced without a gap (KM-050).
    pub secrets: Vec<StoredSecret>,
    /// Of the token that manages its registration over HTTP; `None`: there is none.
    pub registration: Option<String>,
}

/// A client secret, of which only the keyed digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub id: String,
    /// As people call it; may be empty.
    pub label: String,
    /// HMAC-SHA-256 in base64url.
    pub digest: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// The secret under the master key, where assertions are verified with it; else empty.
    pub sealed: String,
}

/// Something that may be used once.
#[derive(Clone, Copy, Debug)]
pub struct Used<'u> {
    /// Whose room it takes.
    pub owner: &'u str,
    /// Which of the owner's.
    pub name: &'u str,
    /// Unix seconds; from then on it is refused for its age and may be forgotten.
    pub until: i64,
    pub now: i64,
    /// How many of the owner's are remembered at a time.
    pub most: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    First,
    Again,
    /// The owner's room is full; the use is not remembered and must be refused.
    Full,
}

/// A signing key, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// RFC 7638 thumbprint of the public half.
    pub kid: String,
    pub algorithm: TokenAlgorithm,
    pub state: KeyState,
    pub home: KeyHome,
    /// Under the master key, base64url: the private key, or where to find it. Empty once revoked.
    pub sealed: String,
    /// Since when it is in this state, Unix seconds.
    pub since: i64,
    /// When a retiring or revoked key is removed, Unix seconds; else 0.
    pub gone_after: i64,
}

/// A public key by which a gateway tells backends who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// As JSON text.
    pub jwk: String,
}

/// How many keys of gateways there may be.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of one gateway; beyond, those that expire first make room.
    pub of_instance: usize,
    /// Of all gateways; beyond, none is taken.
    pub of_all: usize,
}

/// Where the private half of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHome {
    /// In the store, sealed.
    Store,
    /// In a device that signs with it and does not give it away.
    Hsm,
}

impl KeyHome {
    pub const ALL: [Self; 2] = [Self::Store, Self::Hsm];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Hsm => "hsm",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|home| home.name() == name)
    }
}

/// A step in the life of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    Add(StoredKey),
    /// Next becomes active.
    Activate {
        kid: String,
        since: i64,
    },
    /// Active becomes retiring.
    Retire {
        kid: String,
        since: i64,
        gone_after: i64,
    },
    /// Published no more, and its private half forgotten.
    Revoke {
        kid: String,
        since: i64,
        gone_after: i64,
    },
    /// Gone from the store.
    Remove {
        kid: String,
    },
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(key) => write!(f, "add {}", key.kid),
            Self::Activate { kid, .. } => write!(f, "activate {kid}"),
            Self::Retire { kid, .. } => write!(f, "retire {kid}"),
            Self::Revoke { kid, .. } => write!(f, "revoke {kid}"),
            Self::Remove { kid } => write!(f, "remove {kid}"),
        }
    }
}

/// What every process that shares the store has to know and keep watching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Of the revocation log. Empty: the log has not begun.
    pub epoch: String,
    /// The last sequence that was given.
    pub head: u64,
    /// Grows with every change of the keys.
    pub key_version: u64,
    /// Grows with every change of a client.
    pub client_version: u64,
    /// Grows with every change of the keys of gateways.
    pub gateway_key_version: u64,
    /// The longest life that an access token was ever allowed by a process on this store.
    pub longest_seconds: i64,
    /// Until when, in Unix seconds, everything of any one client ended last. 0: none ever did.
    pub client_ended_until: i64,
    /// The same of a person.
    pub person_ended_until: i64,
}

/// A note, and what ties it to the log.
#[derive(Clone, Debug)]
pub struct Noted {
    pub note: Note,
    pub chain: Arc<dyn Chain>,
}

/// A person with what proves that it is they.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredUser {
    pub user: User,
    /// Argon2id as a PHC string, the hash of another system, or `IN_DIRECTORY`.
    pub password: String,
}

impl StoredUser {
    /// In place of a password that the directory knows; no password has this hash.
    pub const IN_DIRECTORY: &str = "{directory}";
    /// In place of a password: the person logs in at a provider.
    pub const ELSEWHERE: &str = "{provider}";

    pub fn is_in_directory(&self) -> bool {
        self.password == Self::IN_DIRECTORY
    }

    /// Whether they log in at a provider only.
    pub fn is_elsewhere(&self) -> bool {
        self.password == Self::ELSEWHERE
    }
}

impl fmt::Debug for StoredUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredUser").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What became of an account that somebody made themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It waits for approval.
    Waiting,
    /// The name is taken.
    Taken,
    /// Too many wait.
    Full,
}

/// What becomes of the pause of a device that asks too early (RFC 8628 section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slower {
    /// So many seconds are added.
    pub by_seconds: i64,
    /// It does not get longer than that.
    pub most_seconds: i64,
}

/// How many failures of a key are free, and what follows (KM-102).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// So many attempts may fail before one has to wait.
    pub free: u32,
    /// The first wait in seconds; each failure after doubles it.
    pub wait_seconds: i64,
    /// The longest wait in seconds.
    pub longest_seconds: i64,
    /// Failures are forgotten after so many seconds without another.
    pub forget_seconds: i64,
}

impl Failures {
    /// What attempts to log in with a name are digested under.
    pub const BY_NAME: &str = "login by name";
    /// What attempts from a network are digested under.
    pub const BY_NETWORK: &str = "login by network";

    /// How long a key is blocked after its `failures`-th failure in a row; 0: not at all.
    pub fn wait(&self, failures: i64) -> i64 {
        let beyond = failures.saturating_sub(i64::from(self.free));
        if beyond < 0 {
            return 0;
        }
        let doubled = u32::try_from(beyond).ok().and_then(|by| 1_i64.checked_shl(by.min(40)));
        let wait = doubled.and_then(|times| self.wait_seconds.checked_mul(times));
        wait.unwrap_or(self.longest_seconds).min(self.longest_seconds)
    }
}

/// A browser in which a person is logged in (KM-107).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// The `sid`.
    pub id: String,
    /// Of the cookie.
    pub digest: String,
    pub user_id: String,
    pub method: LoginMethod,
    /// Where the browser was then; empty: not known.
    pub address: String,
    /// What it called itself, cut where it is too long.
    pub agent: String,
    /// Unix seconds.
    pub logged_in_at: i64,
    /// Unix seconds.
    pub idle_until: i64,
    /// Unix seconds.
    pub ends_at: i64,
}

/// The app with which a person makes codes (KM-106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuthenticator {
    /// The seed under the master key.
    pub sealed: String,
    /// The time step of the last code that was taken.
    pub last_step: i64,
    /// Unix seconds.
    pub created_at: i64,
}

/// A passkey of a person, of which nothing is secret (KM-106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// As the authenticator names it, base64url.
    pub id: String,
    pub user_id: String,
    /// As its person calls it.
    pub name: String,
    /// A `COSE_Key`, base64url.
    pub key: String,
    /// How often it has signed; 0: it does not count.
    pub counter: i64,
    /// Whether it may be copied to other devices of its person.
    pub synced: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; 0: never.
    pub used_at: i64,
}

/// What a person allowed a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    pub client_id: ClientId,
    pub client_name: String,
    pub scopes: Scopes,
    /// Unix seconds.
    pub given_at: i64,
}

/// What a person agreed to, and for whom: what a code stands for, and a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names everything that is issued from it.
    pub family_id: String,
    pub client_id: ClientId,
    pub user_id: String,
    /// The `sid`.
    pub session_id: String,
    pub scopes: Scopes,
    pub audience: Vec<String>,
    /// The `auth_time`, Unix seconds.
    pub logged_in_at: i64,
    /// How they logged in: `acr` and `amr`.
    pub method: LoginMethod,
    /// What they agreed to beside the scopes.
    pub wishes: Wishes,
}

/// An authorization code, of which only the digest is known (KM-030).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCode {
    pub grant: Grant,
    /// As the request had it, byte for byte.
    pub redirect_uri: String,
    /// PKCE, S256; `None`: the client may do without.
    pub challenge: Option<String>,
    pub nonce: Option<String>,
    /// The thumbprint of the `DPoP` key that it is good with; `None`: with any.
    pub key: Option<String>,
    /// Unix seconds.
    pub expires_at: i64,
    /// Unix seconds; `None`: not yet.
    pub used_at: Option<i64>,
}

/// An authorization request that came before the browser (RFC 9126).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPush {
    pub client_id: ClientId,
    /// A form.
    pub parameters: String,
    /// Unix seconds.
    pub expires_at: i64,
}

/// A device, or another client, that asks for a person who is elsewhere (RFC 8628, `OpenID` Connect
/// CIBA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDevice {
    /// Who answered, once somebody has; before, no person stands in it.
    pub grant: Grant,
    /// Who is asked; empty: whoever types the code.
    pub for_user: String,
    /// What the person and whoever asks both see; may be empty.
    pub message: String,
    /// How its client hears that it was answered, sealed; empty: it asks.
    pub bell: String,
    pub state: DeviceState,
    /// How long the device waits between two questions.
    pub pause_seconds: i64,
    /// When it asked last, Unix seconds; 0: never.
    pub asked_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

/// What a person said to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    Waiting,
    Approved,
    Denied,
}

/// The refresh tokens that follow each other from one authorization (KM-070).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFamily {
    pub grant: Grant,
    /// The `DPoP` key that each use has to prove, as its RFC 7638 thumbprint; `None`: its client
    /// proves who it is, or showed no key.
    pub key: Option<String>,
    pub generation: i64,
    /// Of the refresh token that is good.
    pub digest: String,
    /// Of the one before it.
    pub former_digest: Option<String>,
    /// So long, in Unix seconds, the one before gets the same answer.
    pub former_until: i64,
    /// That answer, sealed.
    pub successor: Option<String>,
    /// Unix seconds.
    pub idle_until: i64,
    /// Unix seconds.
    pub ends_at: i64,
    pub revoked: bool,
}

/// The step of a family from one refresh token to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The generation that it starts from.
    pub generation: i64,
    /// Of the token that was shown.
    pub from_digest: String,
    /// Of the token that follows.
    pub to_digest: String,
    /// The token that follows, sealed.
    pub successor: String,
    /// Unix seconds.
    pub former_until: i64,
    /// Unix seconds.
    pub idle_until: i64,
}
