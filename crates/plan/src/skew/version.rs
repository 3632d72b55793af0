//! How far may a gateway be from its control plane?
//!
//! One minor version, behind or ahead, within the same major one: what lies further apart was never
//! tried together.

use std::fmt;

/// How two versions stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distance {
    /// They get along.
    Fits,
    /// They do not.
    TooFar {
        /// The version of the gateway.
        gateway: String,
        /// The version of the control plane.
        control_plane: String,
    },
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fits => f.write_str("they get along"),
            Self::TooFar { gateway, control_plane } => write!(
                f,
                "a control plane of version {control_plane} serves gateways that are at most one \
                 minor version behind or ahead of it; this one is of version {gateway}"
            ),
        }
    }
}

/// Whether a control plane serves a gateway. What is no version (a program that is none of ours) is
/// judged by what it says it knows.
pub fn distance(gateway: &str, control_plane: &str) -> Distance {
    let (Some(theirs), Some(own)) = (parts(gateway), parts(control_plane)) else {
        return Distance::Fits;
    };
    if theirs.0 == own.0 && theirs.1.abs_diff(own.1) <= 1 {
        return Distance::Fits;
    }
    let (gateway, control_plane) = (gateway.to_owned(), control_plane.to_owned());
    Distance::TooFar { gateway, control_plane }
}

fn parts(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().map(|_| (major, minor))
}
