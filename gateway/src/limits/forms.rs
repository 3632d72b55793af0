//! In which header fields are clients told how full their limits are?

use serde::Deserialize;

/// One form of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), about all limits.
    Ietf,
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, as the draft was until its sixth version:
    /// about the limit of calls that has least left.
    Trio,
    /// The same as `X-RateLimit-…`.
    XRatelimit,
}

/// All forms that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// See [`Form::Ietf`].
    pub ietf: bool,
    /// See [`Form::Trio`].
    pub trio: bool,
    /// See [`Form::XRatelimit`].
    pub x: bool,
}

impl Forms {
    /// Those that are named.
    pub fn of(named: &[Form]) -> Self {
        let has = |form| named.contains(&form);
        Self { ietf: has(Form::Ietf), trio: has(Form::Trio), x: has(Form::XRatelimit) }
    }
}

impl Default for Forms {
    fn default() -> Self {
        Self::of(&[Form::Ietf])
    }
}
