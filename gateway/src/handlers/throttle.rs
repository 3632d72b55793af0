//! Does a permitted call fit its limits right now?
//!
//! Limits are asked from the narrowest to the widest, and all or nothing: a call that one limit
//! refuses takes no room from the others.

use std::sync::Arc;

use chassis::clock::Clock;
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;
use throttle::{Cost, Effect, Hold, LimitState, Meter, Owed, Refused, Unit};

use super::demand::{Demands, Level, USUAL};
use crate::fault::Fault;
use crate::limits::{self, Desk, Forms, NoRoom};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The limit, what is left of it, and the seconds until all of it is back.
static TRIO: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];
static X: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// How long a field about two limits usually is.
const USUAL_BYTES: usize = 128;

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

/// What the `RateLimit-Policy` and `RateLimit` fields say (draft-ietf-httpapi-ratelimit-headers), and
/// those that came before them.
#[derive(Debug, Default)]
pub struct Fields {
    policy: String,
    limit: String,
    /// The limit of calls that has least left.
    tightest: Option<LimitState>,
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

    /// Writes down how full the limits are.
    pub fn tell(&self, now_us: u64, fields: &mut Fields) {
        let mut before: Option<Level> = None;
        let (mut place, mut pace) = (1, 1);
        for demand in &self.all {
            let (quota, burst) = demand.level.names();
            // Several policies of one kind are told apart by their place.
            if before.replace(demand.level) != Some(demand.level) {
                (place, pace) = (1, 1);
            }
            for state in
                demand.meter().state(now_us).filter(|state| state.limit.effect != Effect::Shadow)
            {
                if state.limit.is_rate() {
                    fields.add(burst, pace, state);
                    pace += 1;
                } else {
                    fields.add(quota, place, state);
                    place += 1;
                }
            }
        }
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

impl Fields {
    /// Of several of one name, all but the first carry their place.
    fn add(&mut self, name: &str, place: u64, state: LimitState) {
        let tighter = |known: &LimitState| {
            let left = state.remaining.cmp(&known.remaining);
            left.then(known.reset_us.cmp(&state.reset_us)).is_lt()
        };
        if state.limit.unit == Unit::Requests && self.tightest.as_ref().is_none_or(tighter) {
            self.tightest = Some(state);
        }
        let policy = [(";q=", state.limit.amount()), (";w=", seconds(state.limit.period_us()))];
        let limit = [(";r=", state.remaining), (";t=", seconds(state.reset_us))];
        for (field, numbers) in [(&mut self.policy, policy), (&mut self.limit, limit)] {
            if field.is_empty() {
                field.reserve(USUAL_BYTES);
            } else {
                field.push_str(", ");
            }
            field.push('"');
            field.push_str(name);
            if place > 1 {
                field.push('-');
                field.push_str(itoa::Buffer::new().format(place));
            }
            field.push('"');
            for (key, number) in numbers {
                field.push_str(key);
                field.push_str(itoa::Buffer::new().format(number));
            }
        }
        // What else is counted than calls; there is no registered word for events.
        match state.limit.unit {
            Unit::Requests | Unit::Cost => {}
            Unit::Events => self.policy.push_str(";qu=\"events\""),
            Unit::Bytes | Unit::BytesIn | Unit::BytesOut => {
                self.policy.push_str(";qu=\"content-bytes\"");
            }
        }
    }

    /// The fields of these forms and their values, as far as there are any.
    pub fn values(self, forms: Forms) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let all = [(&POLICY, self.policy), (&LIMIT, self.limit)].into_iter();
        let all = all.filter(move |(_, value)| forms.ietf && !value.is_empty());
        let all = all.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)));
        let old =
            self.tightest.into_iter().flat_map(move |LimitState { limit, remaining, reset_us }| {
                let numbers = [limit.amount(), remaining, seconds(reset_us)];
                let named =
                    [(forms.trio, &TRIO), (forms.x, &X)].into_iter().filter(|(shown, _)| *shown);
                named.flat_map(move |(_, names)| names.iter().zip(numbers.map(HeaderValue::from)))
            });
        all.chain(old).map(|(name, value)| (name.clone(), value))
    }
}

/// Rounded up: who waits that long finds room.
const fn seconds(us: u64) -> u64 {
    us.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use throttle::{Limit, Measure, Meter, MeterConfig, Quota, Rate, Span};

    use super::*;
    use crate::limits::{Form, Lane, Ways};

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

    #[test]
    fn the_fields_name_each_limit_with_its_window_and_what_is_left() {
        let mut fields = Fields::default();
        let limit = quota(10, Duration::from_mins(1));
        let bytes = Limit { unit: Unit::BytesOut, ..limit };
        let state = |remaining, reset_us| LimitState { limit, remaining, reset_us };
        fields.add("subscription", 1, state(3, 1_500_001));
        fields.add("subscription", 2, LimitState { limit: bytes, ..state(7, 1) });
        fields.add("application", 1, state(0, 1));
        let shown = shown(fields, Forms::default());
        assert_eq!(
            shown,
            [
                r#"ratelimit-policy: "subscription";q=10;w=60, "subscription-2";q=10;w=60;qu="content-bytes", "application";q=10;w=60"#,
                r#"ratelimit: "subscription";r=3;t=2, "subscription-2";r=7;t=1, "application";r=0;t=1"#
            ]
        );
    }

    fn shown(fields: Fields, forms: Forms) -> Vec<String> {
        let values = fields.values(forms);
        values.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn the_older_fields_tell_of_the_limit_of_calls_that_has_least_left() {
        let (forms, none) = (Forms::of(&[Form::Trio, Form::XRatelimit]), Forms::of(&[]));
        let fields = || {
            let mut fields = Fields::default();
            let limit = quota(10, Duration::from_mins(1));
            let state = |remaining, reset_us| LimitState { limit, remaining, reset_us };
            fields.add("subscription", 1, state(3, 1_500_001));
            fields.add("application", 1, state(2, 1));
            fields.add("application", 2, state(2, 2_000_000));
            let bytes = Limit { unit: Unit::Bytes, ..limit };
            fields.add("subscription", 2, LimitState { limit: bytes, ..state(0, 9) });
            fields
        };
        assert_eq!(
            shown(fields(), forms),
            [
                "ratelimit-limit: 10",
                "ratelimit-remaining: 2",
                "ratelimit-reset: 2",
                "x-ratelimit-limit: 10",
                "x-ratelimit-remaining: 2",
                "x-ratelimit-reset: 2"
            ]
        );
        assert!(shown(fields(), none).is_empty());
        assert!(shown(Fields::default(), forms).is_empty());
    }
}
