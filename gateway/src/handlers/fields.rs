//! How are clients told what limits there are, and how full they are?
//!
//! What a call's limits are is the same for all calls of the same tiers: each worker remembers how it is
//! written. How full they are is written for each call.

use std::cell::RefCell;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;
use throttle::{Effect, Limit, LimitState, MeterConfig, Unit};

use super::demand::{Demand, Demands, Level, USUAL};
use crate::limits::Forms;

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

/// How many rows of tiers a worker remembers; who comes to the place of another one displaces it.
const PLACES: usize = 256;

/// What the `RateLimit-Policy` and `RateLimit` fields say (draft-ietf-httpapi-ratelimit-headers), and
/// those that came before them.
#[derive(Debug, Default)]
pub struct Fields {
    policy: Option<HeaderValue>,
    limit: Option<HeaderValue>,
    /// The limit of calls that has least left.
    tightest: Option<LimitState>,
}

/// How a worker has written what limits there are, and where it writes how full they are.
#[derive(Debug, Default)]
pub struct Policies {
    known: RefCell<Vec<Option<Policy>>>,
    /// Empty between two calls; its room is there for the next one.
    text: RefCell<String>,
}

/// The limits of one row of tiers.
#[derive(Debug)]
struct Policy {
    /// Held, so that no other configuration stands in their places in memory.
    of: SmallVec<[(Level, MeterConfig); USUAL]>,
    value: Option<HeaderValue>,
}

/// What the limits of a call are called, one after the other. Several of one level and kind are told apart by
/// their place.
#[derive(Debug, Default)]
struct Names {
    level: Option<Level>,
    quotas: u64,
    paces: u64,
}

impl Names {
    /// The next limit's; `None`: clients are not told of it.
    fn next(&mut self, level: Level, limit: &Limit) -> Option<(&'static str, u64)> {
        if limit.effect == Effect::Shadow {
            return None;
        }
        if self.level != Some(level) {
            *self = Self { level: Some(level), quotas: 0, paces: 0 };
        }
        let (quota, pace) = level.names();
        let (name, count) =
            if limit.is_rate() { (pace, &mut self.paces) } else { (quota, &mut self.quotas) };
        *count += 1;
        Some((name, *count))
    }
}

impl Demands<'_> {
    /// Writes down what the limits are, and how full.
    pub fn tell(&self, now_us: u64, policies: &Policies, fields: &mut Fields) {
        if self.all.is_empty() {
            return;
        }
        fields.policy = policies.of(&self.all);
        let mut text = policies.text.borrow_mut();
        let mut names = Names::default();
        for demand in &self.all {
            for state in demand.meter().state(now_us) {
                if let Some((name, place)) = names.next(demand.level, &state.limit) {
                    fields.add(&mut text, name, place, state);
                }
            }
        }
        // A copy of just its length takes less than a text that gives its room away.
        fields.limit = if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() };
        text.clear();
    }
}

impl Policies {
    /// What the limits of these are; `None`: there is none that clients are told of.
    fn of(&self, demands: &[Demand<'_>]) -> Option<HeaderValue> {
        let configs = || demands.iter().map(|demand| (demand.level, demand.meter().config()));
        let sum = |sum: usize, (_, config): (Level, &MeterConfig)| {
            // Places in memory are all multiples of a word.
            sum.wrapping_mul(31).wrapping_add(config.place() >> 4)
        };
        let place = configs().fold(0, sum) % PLACES;
        let mut places = self.known.borrow_mut();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let known = places.get_mut(place)?;
        let is_it = |policy: &&Policy| {
            let same = |((one, known), (other, config)): (
                &(Level, MeterConfig),
                (Level, &MeterConfig),
            )| { *one == other && known.place() == config.place() };
            policy.of.len() == demands.len() && policy.of.iter().zip(configs()).all(same)
        };
        if let Some(policy) = known.as_ref().filter(is_it) {
            return policy.value.clone();
        }
        let of = configs().map(|(level, config)| (level, config.clone())).collect();
        let value = written(configs());
        *known = Some(Policy { of, value: value.clone() });
        value
    }
}

/// What the limits are of which calls of these levels are told.
fn written<'m>(configs: impl Iterator<Item = (Level, &'m MeterConfig)>) -> Option<HeaderValue> {
    let (mut policy, mut names) = (String::new(), Names::default());
    for (level, config) in configs {
        for limit in config.limits() {
            let Some((name, place)) = names.next(level, limit) else { continue };
            let numbers = [(";q=", limit.amount()), (";w=", seconds(limit.period_us()))];
            write(&mut policy, name, place, numbers);
            // What else is counted than calls; there is no registered word for events.
            match limit.unit {
                Unit::Requests | Unit::Cost => {}
                Unit::Events => policy.push_str(";qu=\"events\""),
                Unit::Bytes | Unit::BytesIn | Unit::BytesOut => {
                    policy.push_str(";qu=\"content-bytes\"");
                }
            }
        }
    }
    if policy.is_empty() { None } else { HeaderValue::try_from(policy).ok() }
}

/// Of several of one name, all but the first carry their place.
fn write(field: &mut String, name: &str, place: u64, numbers: [(&str, u64); 2]) {
    if !field.is_empty() {
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

impl Fields {
    fn add(&mut self, text: &mut String, name: &str, place: u64, state: LimitState) {
        let tighter = |known: &LimitState| {
            let left = state.remaining.cmp(&known.remaining);
            left.then(known.reset_us.cmp(&state.reset_us)).is_lt()
        };
        if state.limit.unit == Unit::Requests && self.tightest.as_ref().is_none_or(tighter) {
            self.tightest = Some(state);
        }
        let numbers = [(";r=", state.remaining), (";t=", seconds(state.reset_us))];
        write(text, name, place, numbers);
    }

    /// Whether there may be any.
    pub const fn are_any(&self) -> bool {
        self.policy.is_some() || self.limit.is_some() || self.tightest.is_some()
    }

    /// The fields of these forms and their values, as far as there are any.
    pub fn values(self, forms: Forms) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let all = [(&POLICY, self.policy), (&LIMIT, self.limit)].into_iter();
        let all = all.filter(move |_| forms.ietf);
        let all = all.filter_map(|(name, value)| Some((name, value?)));
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

    use throttle::{Cost, Measure, Meter, Quota, Span};

    use super::*;
    use crate::limits::Form;

    fn quota(requests: u64) -> Limit {
        let quota = Quota::new(requests, Span::fixed(Duration::from_mins(1)).unwrap()).unwrap();
        Limit::of_calls(Measure::Quota(quota))
    }

    /// What is told of meters with these limits, none of which is used.
    fn told(meters: &[(Level, &[Limit])], policies: &Policies) -> Vec<String> {
        let meter = |(level, limits): &(Level, &[Limit])| {
            (*level, Arc::new(Meter::new(MeterConfig::new(limits).unwrap())))
        };
        let meters: Vec<_> = meters.iter().map(meter).collect();
        let (mut demands, mut fields) = (Demands::none(Cost::CALL), Fields::default());
        for (level, meter) in &meters {
            demands.add(*level, meter);
        }
        // The second time it is remembered.
        demands.tell(0, policies, &mut fields);
        let first = std::mem::take(&mut fields).policy;
        demands.tell(0, policies, &mut fields);
        assert_eq!(fields.policy, first);
        shown(fields, Forms::default())
    }

    #[test]
    fn the_fields_name_each_limit_with_its_window_and_what_is_left() {
        let bytes = Limit { unit: Unit::BytesOut, ..quota(9) };
        let tried = Limit { effect: Effect::Shadow, ..quota(8) };
        let (subscription, application) = (Level::Subscription, Level::Application);
        let policies = Policies::default();
        assert_eq!(
            told(
                &[(subscription, &[quota(10), tried, bytes]), (application, &[quota(7)])],
                &policies
            ),
            [
                r#"ratelimit-policy: "subscription";q=10;w=60, "subscription-2";q=9;w=60;qu="content-bytes", "application";q=7;w=60"#,
                r#"ratelimit: "subscription";r=10;t=60, "subscription-2";r=9;t=60, "application";r=7;t=60"#
            ]
        );
        assert_eq!(
            told(&[(application, &[quota(7)])], &policies),
            [r#"ratelimit-policy: "application";q=7;w=60"#, r#"ratelimit: "application";r=7;t=60"#]
        );
        assert!(told(&[], &policies).is_empty());
        assert!(told(&[(application, &[tried])], &policies).is_empty());
    }

    #[test]
    fn rows_of_tiers_that_displace_each_other_are_told_apart() {
        let policies = Policies::default();
        for amount in 1..=2 * PLACES as u64 {
            let told = told(&[(Level::Application, &[quota(amount)])], &policies);
            assert_eq!(told[0], format!(r#"ratelimit-policy: "application";q={amount};w=60"#));
        }
    }

    fn shown(fields: Fields, forms: Forms) -> Vec<String> {
        let values = fields.values(forms);
        values.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn the_older_fields_tell_of_the_limit_of_calls_that_has_least_left() {
        let (forms, none) = (Forms::of(&[Form::Trio, Form::XRatelimit]), Forms::of(&[]));
        let fields = || {
            let (mut fields, text) = (Fields::default(), &mut String::new());
            let limit = quota(10);
            let state = |remaining, reset_us| LimitState { limit, remaining, reset_us };
            fields.add(text, "subscription", 1, state(3, 1_500_001));
            fields.add(text, "application", 1, state(2, 1));
            fields.add(text, "application", 2, state(2, 2_000_000));
            let bytes = Limit { unit: Unit::Bytes, ..limit };
            fields.add(text, "subscription", 2, LimitState { limit: bytes, ..state(0, 9) });
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
