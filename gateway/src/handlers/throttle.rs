//! Does a permitted call fit its limits right now?
//!
//! Limits are asked from the narrowest to the widest, and all or nothing: a call that one limit
//! refuses takes no room from the others.

use std::sync::Arc;

use chassis::clock::Clock;
use smallvec::SmallVec;
use throttle::{Cost, Hold, Meter, Owed, Refused};

use super::demand::{Demands, Level, USUAL};
use crate::fault::Fault;
use crate::limits::{self, Desk, NoRoom};

/// The room of one call, as far as its limits have been asked.
pub(super) type Holds = SmallVec<[Hold; USUAL]>;

/// Proof that every limit had room for the call. `upstream` asks for it, so no call reaches a
/// backend unthrottled.
#[must_use = "an admission that is dropped unsettled gives its room back"]
#[derive(Debug)]
pub struct Admission(Holds);

/// What the limits of a call wait to be told: how many bytes it came to.
#[must_use = "limits of bytes count what the call came to"]
#[derive(Debug, Default)]
pub struct Owing(Option<Box<[Owed]>>);

impl Owing {
    /// What passed in both directions.
    pub fn came_to(&mut self, desk: &Desk, bytes_in: u64, bytes_out: u64) {
        let cost = Cost { bytes_in, bytes_out, ..Cost::CALL };
        for owed in self.0.take().into_iter().flatten() {
            desk.note(owed.meter());
            owed.come_to(&cost);
        }
    }
}

/// Whether a call may be made now.
#[derive(Debug)]
pub enum Room {
    /// It may.
    Now(Admission),
    /// A limit that gateways share has to be asked about: see [`Demands::wait`].
    Asks(Asks),
}

/// What a call has until its limits are asked about.
#[derive(Debug)]
pub struct Asks {
    holds: Holds,
}

impl Demands<'_> {
    /// Asks the limits.
    pub fn hold(&self, desk: &Desk, now_us: u64) -> Result<Room, Fault> {
        let holds = hold_all(self.meters(), desk, now_us, &self.cost)?;
        if holds.len() == self.all.len() {
            Ok(Room::Now(Admission(holds)))
        } else {
            Ok(Room::Asks(Asks { holds }))
        }
    }

    /// Asks those limits that have not been asked yet, and waits for units of those that gateways share.
    pub async fn wait(&self, asks: Asks, desk: &Desk, clock: &Clock) -> Result<Admission, Fault> {
        let holds = hold_rest(self.meters(), asks.holds, desk, clock, &self.cost).await?;
        Ok(Admission(holds))
    }
}

/// Asks limits one after the other, up to the first that has to be waited for: it and those behind it have
/// no hold then.
pub(super) fn hold_all<'m>(
    meters: impl Iterator<Item = (Level, &'m Arc<Meter>)>,
    desk: &Desk,
    now_us: u64,
    cost: &Cost,
) -> Result<Holds, Fault> {
    let mut holds = Holds::new();
    for (level, meter) in meters {
        match desk.hold(meter, now_us, cost) {
            Ok(hold) => holds.push(hold),
            // Leaving here drops the holds, and they give their room back.
            Err(Refused::Full(full)) => return Err(level.fault(full)),
            Err(Refused::Short { .. }) => break,
        }
    }
    Ok(holds)
}

/// Asks those of the same limits that `holds` has nothing of, and waits for them.
pub(super) async fn hold_rest<'m>(
    meters: impl Iterator<Item = (Level, &'m Arc<Meter>)>,
    mut holds: Holds,
    desk: &Desk,
    clock: &Clock,
    cost: &Cost,
) -> Result<Holds, Fault> {
    let until = clock.instant() + limits::PATIENCE;
    for (level, meter) in meters.skip(holds.len()) {
        let hold = limits::hold(desk, clock, meter, cost, until).await;
        holds.push(hold.map_err(|no_room| match no_room {
            NoRoom::Full(full) => level.fault(full),
            NoRoom::Unknown => Fault::NotCounted,
        })?);
    }
    Ok(holds)
}

impl Admission {
    /// Makes the call count; to be said once the backend has the request. What comes back is for the
    /// call's account, which knows in the end what passed.
    pub fn settle(self) -> Owing {
        let mut owed = self.0.into_iter().filter_map(Hold::settle).peekable();
        Owing(owed.peek().is_some().then(|| owed.collect()))
    }

    /// Whether a quota was used up and the call passes all the same.
    pub fn over_quota(&self) -> bool {
        self.0.iter().any(Hold::over_quota)
    }

    /// Whether a limit that is only tried would have refused the call.
    pub fn shadow(&self) -> bool {
        self.0.iter().any(Hold::shadow)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use throttle::{Limit, Measure, Meter, MeterConfig, Quota, Rate, Span};

    use super::*;
    use crate::limits::{Lane, Ways};

    const NOW_US: u64 = 1_700_000_000_000_000;

    /// `limit` is "quota/seconds" or "quota/seconds burst/seconds", or empty.
    fn meter(limit: &str) -> Arc<Meter> {
        let mut limits = limit.split_whitespace().map(|limit| {
            let (requests, per) = limit.split_once('/').unwrap();
            (requests.parse().unwrap(), Duration::from_secs(per.parse().unwrap()))
        });
        let quota = limits.next().map(|(requests, per)| quota(requests, per));
        let rate = limits.next().map(|(requests, per)| Rate::new(requests, per).unwrap());
        let rate = rate.map(|rate| Limit::of_calls(Measure::Rate(rate)));
        let limits: Vec<_> = quota.into_iter().chain(rate).collect();
        Arc::new(Meter::new(MeterConfig::new(&limits).unwrap()))
    }

    fn quota(requests: u64, per: Duration) -> Limit {
        let quota = Quota::new(requests, Span::fixed(per).unwrap()).unwrap();
        Limit::of_calls(Measure::Quota(quota))
    }

    /// One call.
    fn hold(demands: &[(Level, &Arc<Meter>)]) -> Result<Admission, Fault> {
        let mut all = Demands::none(Cost::CALL);
        for (level, meter) in demands {
            all.add(*level, meter);
        }
        match all.hold(&Desk::new(Ways::default(), Lane::off()), NOW_US)? {
            Room::Now(admission) => Ok(admission),
            Room::Asks(asks) => panic!("nobody can be asked: {asks:?}"),
        }
    }

    fn both<'m>(
        subscription: &'m Arc<Meter>,
        application: &'m Arc<Meter>,
    ) -> [(Level, &'m Arc<Meter>); 2] {
        [(Level::Subscription, subscription), (Level::Application, application)]
    }

    /// Makes `calls` calls at once and names what became of each: "ok" or the number.
    #[track_caller]
    fn check(subscription: &str, application: &str, calls: usize, expected: &str) {
        let (subscription, application) = (meter(subscription), meter(application));
        let said: Vec<String> = (0..calls)
            .map(|_| match hold(&both(&subscription, &application)) {
                Ok(admission) => {
                    let _ = admission.settle();
                    "ok".to_owned()
                }
                Err(fault) => fault.row().code.to_string(),
            })
            .collect();
        assert_eq!(said.join(" "), expected);
    }

    #[test]
    fn the_full_limit_gives_its_number() {
        check("1/60", "", 2, "ok 900804");
        check("9/60 1/60", "", 2, "ok 900807");
        check("", "1/60", 2, "ok 900803");
        check("", "9/60 1/60", 2, "ok 900809");
        check("", "", 3, "ok ok ok");
    }

    #[test]
    fn the_narrowest_full_limit_answers() {
        check("1/60", "1/60", 2, "ok 900804");
    }

    #[test]
    fn a_refused_call_takes_no_room_from_the_other_limits() {
        let (subscription, application) = (meter("2/60"), meter("1/60"));
        let desk = Desk::new(Ways::default(), Lane::off());
        hold(&both(&subscription, &application)).unwrap().settle().came_to(&desk, 0, 0);
        hold(&both(&subscription, &application)).unwrap_err();
        let left: Vec<_> = subscription.state(NOW_US).map(|state| state.remaining).collect();
        assert_eq!(left, [1]);
    }

    #[test]
    fn an_unsettled_call_gives_its_room_back() {
        let limit = meter("1/60");
        drop(hold(&[(Level::Subscription, &limit)]).unwrap());
        assert!(hold(&[(Level::Subscription, &limit)]).is_ok());
    }
}
