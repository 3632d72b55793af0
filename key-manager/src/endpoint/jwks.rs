//! The key set (KM-016).

use super::{Authority, Reply, reply};

/// A key is published long before it signs, so a kept set stays good for a while.
const CACHE: &str = "public, max-age=300";

pub(super) fn jwks(authority: &Authority) -> Reply {
    reply::public(authority.keeper.ring().jwks().to_owned(), CACHE)
}
