//! How do gateways that serve the same limit count together?

/// How gateways count together, and what happens while they cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sharing {
    /// Who lets a call in.
    pub strategy: Strategy,
    /// While who counts cannot be reached.
    pub on_failure: OnFailure,
}

/// Who lets a call in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Each gateway by its own counter.
    #[default]
    InProcess,
    /// Each gateway by its part of the limit.
    Split,
    /// Each gateway out of what the authority has given it before.
    Lease(Authority),
    /// The store, call by call.
    Strict,
}

/// Who counts for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// The control plane that gateways follow.
    ControlPlane,
    /// The Redis or Valkey that they are configured with.
    Store,
}

/// What happens to calls while who counts cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// They are held to this gateway's part of the limit, by its own counter.
    #[default]
    Local,
    /// They pass, uncounted.
    Open,
    /// They are refused.
    Closed,
}

impl Strategy {
    /// Who is asked for units; `None`: nobody.
    pub const fn authority(self) -> Option<Authority> {
        match self {
            Self::InProcess | Self::Split => None,
            Self::Lease(authority) => Some(authority),
            Self::Strict => Some(Authority::Store),
        }
    }
}
