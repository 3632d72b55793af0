//! What did a grant find?
//!
//! For whom a token is, and how much it may hold at most; whether the person may log in, scope,
//! audience and life are decided by those who stand outside. What has to be used up stands together
//! with what it stands for: nothing that was agreed to can be handed out without.

use serde_json::{Map, Value};

use super::Exchanged;
use super::once::Once;
use crate::domain::{ClientId, Scopes};
use crate::store::Grant;

#[derive(Clone, Debug)]
pub struct Approval {
    pub(super) basis: Basis,
    nonce: Option<String>,
    limits: Limits,
}

/// What the token rests on.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// The client acts for itself.
    Client(ClientId),
    /// It does, because somebody else said so.
    Vouched { client: ClientId, scopes: Scopes, audience: Vec<String>, once: Option<Once> },
    /// Another token was shown.
    Token { subject: String, from: Exchanged },
    /// A person agreed.
    Person { grant: Grant, step: Step },
}

/// What is left to be done once everything else was found good.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A code is used up.
    Code { digest: String },
    /// The code of a device, or of CIBA, is used up.
    Device { digest: String },
    /// A refresh token is followed by the next.
    Refresh { digest: String },
    /// An assertion is used up.
    Once(Once),
    /// What somebody else said is used up, if it is good once; `refresh`: a family begins.
    Vouched { once: Option<Once>, refresh: bool },
}

/// Less than other tokens of the client have, and more that is said in it.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// How long the token may last at most; `None`: as long as others.
    pub seconds: Option<u32>,
    /// Claims that nobody else gives.
    pub claims: Map<String, Value>,
}

impl Approval {
    pub(super) fn client(id: ClientId) -> Self {
        Self::of(Basis::Client(id))
    }

    pub(super) fn vouched(
        client: ClientId,
        scopes: Scopes,
        audience: Vec<String>,
        once: Option<Once>,
    ) -> Self {
        Self::of(Basis::Vouched { client, scopes, audience, once })
    }

    pub(super) fn token(subject: String, from: Exchanged) -> Self {
        Self::of(Basis::Token { subject, from })
    }

    pub(super) fn person(grant: Grant, step: Step) -> Self {
        Self::of(Basis::Person { grant, step })
    }

    fn of(basis: Basis) -> Self {
        Self { basis, nonce: None, limits: Limits::default() }
    }

    /// For the ID token.
    #[must_use]
    pub(super) fn with_nonce(self, nonce: Option<String>) -> Self {
        Self { nonce, ..self }
    }

    #[must_use]
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The `sub` of the token.
    pub fn subject(&self) -> &str {
        match &self.basis {
            Basis::Client(id) | Basis::Vouched { client: id, .. } => id.as_str(),
            Basis::Token { subject, .. } => subject,
            Basis::Person { grant, .. } => &grant.user_id,
        }
    }

    /// Whether the subject is a person, who has to be looked at.
    pub const fn is_of_person(&self) -> bool {
        match &self.basis {
            Basis::Client(_) | Basis::Vouched { .. } => false,
            Basis::Token { from, .. } => from.person,
            Basis::Person { .. } => true,
        }
    }

    /// What a person agreed to; `None`: nobody was asked.
    pub const fn grant(&self) -> Option<&Grant> {
        match &self.basis {
            Basis::Person { grant, .. } => Some(grant),
            Basis::Client(_) | Basis::Vouched { .. } | Basis::Token { .. } => None,
        }
    }

    /// The token that was shown; `None`: none was.
    pub const fn exchanged(&self) -> Option<&Exchanged> {
        match &self.basis {
            Basis::Token { from, .. } => Some(from),
            Basis::Client(_) | Basis::Vouched { .. } | Basis::Person { .. } => None,
        }
    }

    /// The scopes that the token may hold at most; `None`: those of the client.
    pub const fn scopes(&self) -> Option<&Scopes> {
        match &self.basis {
            Basis::Client(_) => None,
            Basis::Vouched { scopes, .. } => Some(scopes),
            Basis::Token { from, .. } => Some(&from.scopes),
            Basis::Person { grant, .. } => Some(&grant.scopes),
        }
    }

    /// The audiences that it may have; `None`: all that are known.
    pub fn audience(&self) -> Option<&[String]> {
        match &self.basis {
            Basis::Client(_) => None,
            Basis::Vouched { audience, .. } => Some(audience),
            Basis::Token { from, .. } => Some(&from.audience),
            Basis::Person { grant, .. } => Some(&grant.audience),
        }
    }

    /// The authorization details that it may have; `None`: those of the client.
    pub fn details(&self) -> Option<&[Value]> {
        match &self.basis {
            Basis::Client(_) => None,
            Basis::Vouched { .. } | Basis::Token { .. } => Some(&[]),
            Basis::Person { grant, .. } => Some(&grant.wishes.details),
        }
    }

    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}
