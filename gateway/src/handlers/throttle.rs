//! Does a permitted call fit its limits right now?
//!
//! Limits are asked from the narrowest to the widest, and all or nothing: a call that one limit
//! refuses takes no room from the others.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use throttle::{Cost, Effect, Full, Hold, LimitState, Meter, Owed, Unit};

use super::authorize::Permit;
use crate::fault::{Fault, Limit};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How long a field about two limits usually is.
const USUAL_BYTES: usize = 128;

/// Proof that every limit had room for the call. `upstream` asks for it, so no call reaches a
/// backend unthrottled.
#[must_use = "an admission that is dropped unsettled gives its room back"]
#[derive(Debug)]
pub struct Admission {
    subscription: Option<Hold>,
    /// Of those who show a certificate or a test key.
    credential: Option<Hold>,
    application: Option<Hold>,
}

/// What the limits of a call wait to be told: how many bytes it came to.
#[must_use = "limits of bytes count what the call came to"]
#[derive(Debug, Default)]
pub struct Owing(Option<Box<[Option<Owed>; 3]>>);

impl Owing {
    /// What passed in both directions.
    pub fn came_to(&mut self, bytes_in: u64, bytes_out: u64) {
        let cost = Cost { bytes_in, bytes_out, ..Cost::CALL };
        let owed = self.0.take().into_iter().flat_map(|owed| *owed);
        owed.flatten().for_each(|owed| owed.come_to(&cost));
    }
}

/// What the `RateLimit-Policy` and `RateLimit` fields say (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Default)]
pub struct Fields {
    policy: String,
    limit: String,
}

/// Asks the limits. What they say about themselves goes into `fields`, also when one refuses.
/// `bytes_in` is what is known of the length of the body, 0 where nothing is.
pub fn admit(
    permit: &Permit<'_>,
    now_us: u64,
    bytes_in: u64,
    fields: &mut Fields,
) -> Result<Admission, Fault> {
    let caller = permit.caller();
    let tested = caller.test_key().map(|_| permit.matched().api().test_meter());
    let meters = Meters {
        subscription: permit.subscription().map(|subscription| &subscription.meter),
        credential: caller.certificate().map(|rights| &rights.meter).or(tested),
        application: permit.application().map(|application| &application.meter),
    };
    let admission = hold(meters, now_us, &Cost { bytes_in, ..Cost::CALL });
    let names = if tested.is_some() {
        ("test-key", "test-key-burst")
    } else {
        ("certificate", "certificate-burst")
    };
    for (meter, quota, burst) in [
        (meters.subscription, "subscription", "subscription-burst"),
        (meters.credential, names.0, names.1),
        (meters.application, "application", "application-burst"),
    ] {
        let Some(meter) = meter.filter(|meter| !meter.is_unlimited()) else { continue };
        let mut place = 1;
        for state in meter.state(now_us).filter(|state| state.limit.effect != Effect::Shadow) {
            if state.limit.is_rate() {
                fields.add(burst, 1, state);
            } else {
                fields.add(quota, place, state);
                place += 1;
            }
        }
    }
    admission
}

/// What limits a call.
#[derive(Clone, Copy, Default)]
struct Meters<'m> {
    subscription: Option<&'m Arc<Meter>>,
    credential: Option<&'m Arc<Meter>>,
    application: Option<&'m Arc<Meter>>,
}

fn hold(meters: Meters<'_>, now_us: u64, cost: &Cost) -> Result<Admission, Fault> {
    let refused = |quota, burst| {
        move |full: Full| Fault::Throttled {
            limit: if full.limit.is_rate() { burst } else { quota },
            retry_after_us: full.retry_after_us,
        }
    };
    let take = |meter: Option<&Arc<Meter>>| meter.map(|meter| meter.hold(now_us, cost)).transpose();
    let narrow = || refused(Limit::Subscription, Limit::SubscriptionBurst);
    let subscription = take(meters.subscription).map_err(narrow())?;
    // Leaving here drops the holds above, and they give their room back.
    let credential = take(meters.credential).map_err(narrow())?;
    let application =
        take(meters.application).map_err(refused(Limit::Application, Limit::ApplicationBurst))?;
    Ok(Admission { subscription, credential, application })
}

impl Admission {
    /// Makes the call count; to be said once the backend has the request. What comes back is for the
    /// call's account, which knows in the end what passed.
    pub fn settle(self) -> Owing {
        let settle = |hold: Option<Hold>| hold.and_then(Hold::settle);
        let owed = [settle(self.subscription), settle(self.credential), settle(self.application)];
        Owing(owed.iter().any(Option::is_some).then(|| Box::new(owed)))
    }

    /// Whether any limit was asked.
    pub const fn is_bound(&self) -> bool {
        self.subscription.is_some() || self.credential.is_some() || self.application.is_some()
    }

    /// Whether a quota was used up and the call passes all the same.
    pub fn over_quota(&self) -> bool {
        self.any(Hold::over_quota)
    }

    /// Whether a limit that is only tried would have refused the call.
    pub fn shadow(&self) -> bool {
        self.any(Hold::shadow)
    }

    fn any(&self, says: impl Fn(&Hold) -> bool) -> bool {
        let holds = [&self.subscription, &self.credential, &self.application];
        holds.into_iter().flatten().any(says)
    }
}

impl Fields {
    /// Of several of one name, all but the first carry their place.
    fn add(&mut self, name: &str, place: u64, state: LimitState) {
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
        if state.limit.unit != Unit::Requests {
            self.policy.push_str(";qu=\"content-bytes\"");
        }
    }

    /// The fields and their values, as far as there are any.
    pub fn values(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        [(&POLICY, self.policy), (&LIMIT, self.limit)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name.clone(), HeaderValue::try_from(value).ok()?)))
    }
}

/// Rounded up: who waits that long finds room.
const fn seconds(us: u64) -> u64 {
    us.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throttle::{Limit, Measure, MeterConfig, Quota, Rate, Span};

    use super::*;

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

    fn both<'m>(subscription: &'m Arc<Meter>, application: &'m Arc<Meter>) -> Meters<'m> {
        let (subscription, application) = (Some(subscription), Some(application));
        Meters { subscription, application, credential: None }
    }

    /// Makes `calls` calls at once and names what became of each: "ok" or the number.
    #[track_caller]
    fn check(subscription: &str, application: &str, calls: usize, expected: &str) {
        let (subscription, application) = (meter(subscription), meter(application));
        let said: Vec<String> = (0..calls)
            .map(|_| match hold(both(&subscription, &application), NOW_US, &Cost::CALL) {
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
        hold(both(&subscription, &application), NOW_US, &Cost::CALL)
            .unwrap()
            .settle()
            .came_to(0, 0);
        hold(both(&subscription, &application), NOW_US, &Cost::CALL).unwrap_err();
        let left: Vec<_> = subscription.state(NOW_US).map(|state| state.remaining).collect();
        assert_eq!(left, [1]);
    }

    #[test]
    fn an_unsettled_call_gives_its_room_back() {
        let limit = meter("1/60");
        let alone = Meters { subscription: Some(&limit), ..Meters::default() };
        drop(hold(alone, NOW_US, &Cost::CALL).unwrap());
        assert!(hold(alone, NOW_US, &Cost::CALL).is_ok());
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
        let shown: Vec<String> = fields
            .values()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                r#"ratelimit-policy: "subscription";q=10;w=60, "subscription-2";q=10;w=60;qu="content-bytes", "application";q=10;w=60"#,
                r#"ratelimit: "subscription";r=3;t=2, "subscription-2";r=7;t=1, "application";r=0;t=1"#
            ]
        );
    }
}
