//! Which grants are offered here, with those of the operator's programs?

use std::sync::Arc;

use super::approval::Approval;
use super::error::GrantError;
use super::kind::{GrantKind, UnknownGrant};
use super::means::{Asked, Means};
use super::plugin;
use crate::rpc::Handler;

/// All of them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    handlers: Arc<[Arc<Handler>]>,
    /// Whether passwords of people are taken (KM-034).
    password: bool,
}

/// One of them.
#[derive(Clone, Debug)]
pub enum Offered {
    BuiltIn(GrantKind),
    Plugin { name: String, handler: Arc<Handler> },
}

impl Grants {
    pub fn new(handlers: Vec<Arc<Handler>>, password: bool) -> Self {
        Self { handlers: handlers.into(), password }
    }

    fn has(&self, kind: GrantKind) -> bool {
        kind != GrantKind::Password || self.password
    }

    pub fn handlers(&self) -> impl Iterator<Item = &Arc<Handler>> {
        self.handlers.iter()
    }

    /// The grant of this `grant_type`.
    pub fn find(&self, name: &str) -> Result<Offered, UnknownGrant> {
        let unknown = match name.parse() {
            Ok(kind) if self.has(kind) => return Ok(Offered::BuiltIn(kind)),
            Ok(kind) => UnknownGrant::of(kind),
            Err(unknown) => unknown,
        };
        let serves = |handler: &&Arc<Handler>| handler.rules.types.iter().any(|own| own == name);
        let handler = self.handlers.iter().find(serves).ok_or(unknown)?;
        Ok(Offered::Plugin { name: name.to_owned(), handler: Arc::clone(handler) })
    }

    /// The names of those that work, as far as is known.
    pub fn names(&self) -> Vec<String> {
        let own = GrantKind::ALL.into_iter().filter(|kind| self.has(*kind));
        let own = own.map(|kind| kind.name().to_owned());
        let described = self.handlers.iter().filter_map(|handler| handler.descriptor());
        own.chain(described.flat_map(|known| known.types.clone())).collect()
    }
}

impl Offered {
    /// The `grant_type` on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(kind) => kind.name(),
            Self::Plugin { name, .. } => name,
        }
    }

    /// For counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BuiltIn(kind) => kind.name(),
            Self::Plugin { .. } => "plugin",
        }
    }

    /// Whether a client that proves nothing may use it.
    pub fn is_for_public_clients(&self) -> bool {
        match self {
            Self::BuiltIn(kind) => kind.is_for_public_clients(),
            // Of one that has not said what it serves nothing is asked anyway.
            Self::Plugin { handler, .. } => {
                handler.descriptor().is_none_or(|known| known.public_clients)
            }
        }
    }

    /// Whether it may be about people, who may want refresh tokens.
    pub const fn is_of_people(&self) -> bool {
        match self {
            Self::BuiltIn(kind) => kind.is_of_people(),
            Self::Plugin { .. } => true,
        }
    }

    /// Whether nobody has looked yet if its person is locked out.
    pub const fn needs_lockout(&self) -> bool {
        match self {
            Self::BuiltIn(kind) => kind.needs_lockout(),
            Self::Plugin { .. } => true,
        }
    }

    pub async fn approve(
        &self,
        asked: Asked<'_>,
        means: &Means<'_>,
    ) -> Result<Approval, GrantError> {
        match self {
            Self::BuiltIn(kind) => kind.approve(asked, means).await,
            Self::Plugin { name, handler } => plugin::approve(handler, name, asked, means).await,
        }
    }
}
