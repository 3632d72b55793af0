//! Is a copy of this call made?
//!
//! The share that the mirror says is drawn by the call's name, without a lock and without a look at
//! the clock. A copy is not copied again, whoever made it: two gateways that mirror each other's
//! calls would never come to an end.

use plan::MirrorPlan;

use super::authorize::Permit;
use super::draw::Draw;
use crate::identity::MIRRORED;
use crate::received::Received;

/// The mirror that gets a copy of the call with this name; `None`: none is made.
pub fn mirror<'g>(
    permit: &Permit<'g>,
    received: &Received,
    name: [u8; 16],
) -> Option<&'g MirrorPlan> {
    let mirror = permit.matched().mirror()?;
    // Not the number that chooses among variants: each of them is mirrored by the same share.
    let draw = || Draw::new().with(b"mirror").with(&name).number() % 100;
    let drawn = mirror.percent >= 100 || draw() < u64::from(mirror.percent);
    (drawn && !received.headers.contains_key(MIRRORED)).then_some(mirror)
}
