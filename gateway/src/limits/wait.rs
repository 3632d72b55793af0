//! How does a call wait for its units, and what becomes of it when none come?

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use throttle::{Cost, Effect, Full, Hold, Meter, OnFailure, Refused, Strategy};

use super::desk::Desk;

/// How long a call waits for units, whatever the number of its limits.
pub const PATIENCE: Duration = Duration::from_millis(20);

/// Why a call has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// A limit is used up.
    Full(Full),
    /// Nobody could be asked, and the limit is one that refuses then.
    Unknown,
}

/// Takes the room of one call of a meter whose units are out; asks for them and waits `until` then.
pub async fn hold(
    desk: &Desk,
    clock: &Clock,
    meter: &Arc<Meter>,
    cost: &Cost,
    until: Instant,
) -> Result<Hold, NoRoom> {
    let mut heard = false;
    loop {
        let now_us = clock.unix_us().max(0).cast_unsigned();
        // Before anything is asked, so that no answer is missed.
        let seen = meter.seen();
        let index = match desk.hold(meter, now_us, cost) {
            Ok(hold) => return Ok(hold),
            Err(Refused::Full(full)) => return Err(NoRoom::Full(full)),
            Err(Refused::Short { index }) => index,
        };
        let left = until.saturating_duration_since(clock.instant());
        if meter.config().sharing().strategy == Strategy::Strict {
            let ruled = desk.ask_strictly(meter, cost, now_us);
            return match clock.timeout(left, ruled).await {
                Ok(Ok(ruled)) => ruled.map_err(NoRoom::Full),
                Ok(Err(_)) | Err(_) => without_answer(desk, meter, index, cost, now_us),
            };
        }
        desk.ask(meter, index, cost, now_us);
        let answer = clock.timeout(left, poll_fn(|cx| meter.poll_answer(seen, cx)));
        match answer.await {
            Ok(true) => heard = true,
            // Who counts is there: others were quicker, again and again.
            Err(_) if heard && let Some(full) = used_up(meter, index) => {
                return Err(NoRoom::Full(full));
            }
            _ => return without_answer(desk, meter, index, cost, now_us),
        }
    }
}

/// That of a limit that refuses the units go to others as they come.
fn used_up(meter: &Meter, index: usize) -> Option<Full> {
    let limit = *meter.config().limits().get(index)?;
    let retry_after_us = (limit.period_us() / limit.amount().max(1)).max(1);
    (limit.effect == Effect::Refuse).then_some(Full { limit, retry_after_us })
}

/// What the limit says for when nobody can be asked.
fn without_answer(
    desk: &Desk,
    meter: &Arc<Meter>,
    index: usize,
    cost: &Cost,
    now_us: u64,
) -> Result<Hold, NoRoom> {
    let config = meter.config();
    // What is only tried refuses nobody.
    if config.limits().get(index).is_some_and(|limit| limit.effect == Effect::Shadow) {
        return Ok(Hold::nothing());
    }
    match config.sharing().on_failure {
        OnFailure::Open => Ok(Hold::nothing()),
        OnFailure::Closed => Err(NoRoom::Unknown),
        OnFailure::Local => match meter.stand_in(desk.gateways()) {
            Some(stand_in) => match stand_in.hold(now_us, cost) {
                Ok(hold) => {
                    meter.lend(cost);
                    Ok(hold)
                }
                Err(Refused::Full(full)) => Err(NoRoom::Full(full)),
                Err(Refused::Short { .. }) => Err(NoRoom::Unknown),
            },
            None => Err(NoRoom::Unknown),
        },
    }
}
