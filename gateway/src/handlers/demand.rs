//! Which limits does a call have, in the order in which they are asked?
//!
//! Those of the API or of the operation, of the subscription or of whoever needs none, of the
//! application, of expressions, and of the backend.

use std::net::IpAddr;
use std::sync::Arc;

use plan::{Asked, Carried, Counters, KeyType, Keyed, LimitsPlan};
use serde_json::Value;
use smallvec::SmallVec;
use throttle::{Cost, Full, Meter, Subject};

use super::authorize::Permit;
use super::caller::said;
use crate::credentials::is_for_gateway;
use crate::fault::{Fault, Limit};
use crate::hex::hex;
use crate::identity::is_identity;
use crate::limits::Front;
use crate::received::Received;

/// How many meters a call usually has; more of them take memory of their own.
pub(super) const USUAL: usize = 4;
/// When somebody may come again for whom nothing could be counted, because too many others have used up
/// their limits.
const CROWDED_US: u64 = 1_000_000;

/// What limits a call, in the order in which it is asked.
#[derive(Debug)]
pub struct Demands<'m> {
    pub(super) all: SmallVec<[Demand<'m>; USUAL]>,
    pub(super) cost: Cost,
}

/// One meter, and what it is for.
#[derive(Clone, Debug)]
pub(super) struct Demand<'m> {
    pub(super) level: Level,
    meter: Held<'m>,
}

#[derive(Clone, Debug)]
enum Held<'m> {
    Lent(&'m Arc<Meter>),
    /// Of one of many subjects.
    Own(Arc<Meter>),
}

/// What a meter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Api,
    Operation,
    Subscription,
    /// Of callers who need no subscription.
    Subscriptionless,
    /// Of those who show nothing.
    Address,
    /// Of those who show a certificate.
    Certificate,
    TestKey,
    Application,
    Custom,
    Backend,
}

/// What is known of a call besides its permit.
#[derive(Debug)]
pub struct Known<'a> {
    /// The request.
    pub received: &'a Received,
    /// The meters that the worker has met.
    pub front: &'a Front,
    /// What limits by expressions count for the call.
    pub customs: Customs<'a>,
    /// What is known of the length of its body, 0 where nothing is.
    pub bytes_in: u64,
    /// The time, in microseconds since the Unix epoch.
    pub now_us: u64,
}

/// Counters and who is counted there.
pub type Customs<'a> = SmallVec<[(&'a Keyed, Subject); USUAL]>;

impl Level {
    /// Its names in the fields: of its quotas, of its pace.
    pub(super) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Api => ("api", "api-burst"),
            Self::Operation => ("operation", "operation-burst"),
            Self::Subscription => ("subscription", "subscription-burst"),
            Self::Subscriptionless => ("subscriptionless", "subscriptionless-burst"),
            Self::Address => ("address", "address-burst"),
            Self::Certificate => ("certificate", "certificate-burst"),
            Self::TestKey => ("test-key", "test-key-burst"),
            Self::Application => ("application", "application-burst"),
            Self::Custom => ("custom", "custom-burst"),
            Self::Backend => ("backend", "backend"),
        }
    }

    pub(super) const fn fault(self, full: Full) -> Fault {
        self.throttled(full.limit.is_rate(), full.retry_after_us)
    }

    const fn throttled(self, is_rate: bool, retry_after_us: u64) -> Fault {
        let limit = match (self, is_rate) {
            (Self::Api, _) => Limit::Api,
            (Self::Operation, _) => Limit::Operation,
            (Self::Application, false) => Limit::Application,
            (Self::Application, true) => Limit::ApplicationBurst,
            (Self::Custom, _) => Limit::Custom,
            (Self::Backend, _) => Limit::Backend,
            (_, false) => Limit::Subscription,
            (_, true) => Limit::SubscriptionBurst,
        };
        Fault::Throttled { limit, retry_after_us }
    }
}

impl Demand<'_> {
    pub(super) const fn meter(&self) -> &Arc<Meter> {
        match &self.meter {
            Held::Lent(meter) => meter,
            Held::Own(meter) => meter,
        }
    }
}

impl<'m> Demands<'m> {
    /// No limits.
    pub(super) fn none(cost: Cost) -> Self {
        Self { all: SmallVec::new(), cost }
    }

    /// What limits the call of `permit`.
    pub fn of(permit: &'m Permit<'_>, known: &Known<'m>) -> Result<Self, Fault> {
        let mut demands = Self::none(Cost { bytes_in: known.bytes_in, ..Cost::CALL });
        demands.of_api(permit, known)?;
        demands.of_caller(permit, known)?;
        for (keyed, subject) in &known.customs {
            demands.add_one_of(Level::Custom, keyed, *subject, known)?;
        }
        let home = permit.matched().home();
        if let Some(throttle) = &home.throttle {
            let backend = match permit.key_type() {
                Some(KeyType::Production) => &throttle.production,
                // Who shows no key of either type gets the backend that is there.
                None if home.production.is_some() => &throttle.production,
                Some(KeyType::Sandbox) | None => &throttle.sandbox,
            };
            if let Some(meter) = backend {
                demands.add(Level::Backend, meter);
            }
        }
        Ok(demands)
    }

    /// The limits of whatever is called.
    fn of_api(&mut self, permit: &'m Permit<'_>, known: &Known<'m>) -> Result<(), Fault> {
        let matched = permit.matched();
        let of_api = || matched.api().throttle.as_ref()?.limits.as_ref();
        let (level, limits): (_, &LimitsPlan) = match &matched.operation().limits {
            Some(limits) => (Level::Operation, limits),
            None => match of_api() {
                Some(limits) => (Level::Api, limits),
                None => return Ok(()),
            },
        };
        let call = Call { received: known.received, permit };
        match limits.of_call(&call).0 {
            Counters::Together(meter) => self.add(level, meter),
            Counters::Each(keyed) => {
                let address = AddressKey::of(known.received.peer.client);
                let subject = keyed.subject(user(permit, &address));
                self.add_one_of(level, keyed, subject, known)?;
            }
        }
        Ok(())
    }

    /// The limits of whoever calls.
    fn of_caller(&mut self, permit: &'m Permit<'_>, known: &Known<'m>) -> Result<(), Fault> {
        let (matched, caller) = (permit.matched(), permit.caller());
        let throttle = matched.api().throttle.as_deref();
        if let Some(subscription) = permit.subscription() {
            self.add(Level::Subscription, &subscription.meter);
        }
        if let Some(rights) = caller.certificate() {
            self.add(Level::Certificate, &rights.meter);
        } else if caller.test_key().is_some() {
            self.add(Level::TestKey, matched.api().test_meter());
        } else if let Some(throttle) = throttle {
            if caller.is_anybody() {
                if let Some(keyed) = &throttle.unauthenticated {
                    let address = AddressKey::of(known.received.peer.client);
                    self.add_one_of(Level::Address, keyed, keyed.subject(address.text()), known)?;
                }
            } else if permit.subscription().is_none()
                && let Some(keyed) = &throttle.subscriptionless
            {
                let subject = without_subscription(permit, keyed);
                self.add_one_of(Level::Subscriptionless, keyed, subject, known)?;
            }
        }
        let Some(application) = permit.application() else { return Ok(()) };
        self.add(Level::Application, &application.meter);
        if let Some(keyed) = &application.users {
            let address = AddressKey::of(known.received.peer.client);
            let subject = keyed.subject(user(permit, &address));
            self.add_one_of(Level::Application, keyed, subject, known)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, level: Level, meter: &'m Arc<Meter>) {
        if !meter.is_unlimited() {
            self.all.push(Demand { level, meter: Held::Lent(meter) });
        }
    }

    fn add_one_of(
        &mut self,
        level: Level,
        keyed: &Keyed,
        subject: Subject,
        known: &Known<'_>,
    ) -> Result<(), Fault> {
        let meter = known.front.meter(keyed, subject, known.now_us);
        let meter = meter.map_err(|_| level.throttled(false, CROWDED_US))?;
        if !meter.is_unlimited() {
            self.all.push(Demand { level, meter: Held::Own(meter) });
        }
        Ok(())
    }

    /// The limits, and what they are for.
    pub(super) fn meters(&self) -> impl Iterator<Item = (Level, &Arc<Meter>)> {
        self.all.iter().map(|demand| (demand.level, demand.meter()))
    }

    /// Whether any limit is asked.
    pub fn are_any(&self) -> bool {
        !self.all.is_empty()
    }
}

/// The user who is counted where each is: a person; an application that calls for itself is one user,
/// and whoever shows nothing is one by the address.
fn user<'u>(permit: &'u Permit<'_>, address: &'u AddressKey) -> &'u str {
    let caller = permit.caller();
    if caller.is_anybody() {
        address.text()
    } else if caller.is_person() {
        caller.user()
    } else {
        ""
    }
}

/// Who is counted without a subscription. No name of an application has a space.
fn without_subscription(permit: &Permit<'_>, keyed: &Keyed) -> Subject {
    let caller = permit.caller();
    match (permit.application(), caller.client_id()) {
        (Some(application), _) => keyed.subject(&application.name),
        (None, Some(client)) => keyed.subject(&format!("client {client}")),
        (None, None) => keyed.subject(&format!("user {}", caller.user())),
    }
}

/// An address as a key; of IPv6 the first 64 bits, which one client may have to itself.
#[derive(Debug)]
struct AddressKey {
    digits: [u8; 32],
    length: usize,
}

impl AddressKey {
    fn of(address: IpAddr) -> Self {
        let (mut octets, mut length) = ([0; 16], 0);
        let mut fill = |from: &[u8]| {
            octets.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            length = from.len() * 2;
        };
        match address.to_canonical() {
            IpAddr::V4(v4) => fill(&v4.octets()),
            IpAddr::V6(v6) => fill(v6.octets().first_chunk::<8>().map_or(&[], |half| half)),
        }
        Self { digits: hex(octets), length }
    }

    fn text(&self) -> &str {
        self.digits.get(..self.length).and_then(|it| str::from_utf8(it).ok()).unwrap_or_default()
    }
}

/// What a call carries, without what is the gateway's own.
struct Call<'a> {
    received: &'a Received,
    permit: &'a Permit<'a>,
}

impl Asked for Call<'_> {
    fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let matched = self.permit.matched();
        let is_hidden = is_identity(name)
            || (!matched.is_open() && is_for_gateway(&matched.api().security, name));
        !is_hidden && self.received.field(name, test)
    }

    fn query(&self) -> Option<&str> {
        Received::query(self.received)
    }
}

impl Carried for Call<'_> {
    #[expect(clippy::misnamed_getters, reason = "the peer's own address may be a proxy's")]
    fn address(&self) -> IpAddr {
        self.received.peer.client
    }

    fn claim(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Some(token) = self.permit.caller().token() else { return false };
        let claims = token.claims();
        match said(claims, name) {
            Some(value) => fits(&value, test),
            None => claims.at(name).is_some_and(|value| fits(value, test)),
        }
    }
}

/// Whether `test` holds for a value, or for one entry of a list.
fn fits(value: &Value, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    match value {
        Value::String(text) => test(text.as_bytes()),
        Value::Array(list) => list.iter().any(|one| !one.is_array() && fits(one, test)),
        Value::Number(_) | Value::Bool(_) => test(value.to_string().as_bytes()),
        // A truth that it is there, and no text.
        Value::Null | Value::Object(_) => test(b""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let key = |text: &str| AddressKey::of(text.parse().unwrap()).text().to_owned();
        assert_eq!(key("192.0.2.7"), "c0000207");
        assert_eq!(key("::ffff:192.0.2.7"), "c0000207");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "20010db800010002");
        assert_eq!(key("2001:db8:1:2::9"), key("2001:db8:1:2:3:4:5:6"));
    }

    #[test]
    fn a_claim_fits_as_json_writes_it() {
        let check = |value: Value, text: &str| fits(&value, &mut |it| it == text.as_bytes());
        assert!(check(json!("a"), "a") && !check(json!("a"), "b"));
        assert!(check(json!(7), "7") && check(json!(true), "true"));
        assert!(check(json!(["a", 7]), "7") && !check(json!([["a"]]), "a"));
        assert!(!check(json!({"a": 1}), "1"));
    }
}
