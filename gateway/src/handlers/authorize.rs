//! May this caller do this?
//!
//! The application behind the credential, its subscription, where it may be used, the operation's scopes
//! and the backend for the type of its key. A `Permit` is the proof; `upstream` does not move without one.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderName};
use plan::{
    ApplicationPlan, ConsumerPlan, DecisionPointPlan, EndpointPlan, KeyType, Plan,
    SubscriptionPlan, Unfit, VariantPlan, Wants,
};
use turnpike_proto::config::v1::lifecycle;
use turnpike_proto::config::v1::subscription_spec::State;

use super::caller::Caller;
use crate::credentials::{is_for_gateway, left_over};
use crate::fault::{Fault, NotThere, TokenRefused};
use crate::received::Received;
use crate::router::{self, Matched};

/// Proof that the caller may make this call.
#[derive(Debug)]
pub struct Permit<'g> {
    matched: Matched<'g>,
    caller: Caller,
    consumer: Option<Arc<ConsumerPlan>>,
    subscription: Option<&'g Arc<SubscriptionPlan>>,
    endpoint: &'g Arc<EndpointPlan>,
    variant: Option<&'g VariantPlan>,
    /// Names of fields that hold what the backend is told, and no credential for the gateway.
    given: Option<Rc<[HeaderName]>>,
}

/// A permit for a copy of a call, which may be made when the call itself is over. It is for the
/// mirror of the operation and for nothing else.
#[derive(Debug)]
pub struct CopyPermit {
    kept: router::Kept,
    caller: Caller,
    consumer: Option<Arc<ConsumerPlan>>,
    subscription: Option<Arc<SubscriptionPlan>>,
    mirror: Arc<EndpointPlan>,
    given: Option<Rc<[HeaderName]>>,
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug)]
pub struct Whence<'a> {
    /// The address of the client.
    pub client: IpAddr,
    /// Fields that say which page it is made by.
    pub headers: &'a HeaderMap,
}

/// Asks for the caller's rights.
pub fn authorize<'g>(
    plan: &'g Plan,
    matched: Matched<'g>,
    caller: Caller,
    whence: Whence<'_>,
) -> Result<Permit<'g>, Fault> {
    // A test key stands for no application, and for all that an operation may ask for.
    if caller.is_anybody() || caller.test_key().is_some() {
        let endpoint = endpoint(&matched, caller.key_type())?;
        let (consumer, subscription, variant) = (None, None, None);
        return Ok(Permit {
            matched,
            caller,
            consumer,
            subscription,
            endpoint,
            variant,
            given: None,
        });
    }
    check_kind(&matched, &caller)?;
    let consumer = caller.consumer();
    let subscription = subscription(plan, &matched, &caller, consumer.as_deref())?;
    restrict(&caller, consumer.as_deref(), whence)?;
    let scopes = &matched.operation().scopes;
    if !scopes.is_empty() && !scopes.iter().any(|scope| has(&matched, &caller, scope)) {
        return Err(Fault::MissingScope { scopes: scopes.join(" ") });
    }
    let endpoint = endpoint(&matched, caller.key_type())?;
    let (variant, given) = (None, None);
    Ok(Permit { matched, caller, consumer, subscription, endpoint, variant, given })
}

/// The backends for a type of key.
fn endpoint<'g>(
    matched: &Matched<'g>,
    key_type: Option<KeyType>,
) -> Result<&'g Arc<EndpointPlan>, Fault> {
    let home = matched.home();
    let endpoint = match key_type {
        Some(KeyType::Production) => home.production.as_ref().ok_or("production"),
        Some(KeyType::Sandbox) => home.sandbox.as_ref().ok_or("sandbox"),
        // Whoever shows no key of either type gets the backend that is there.
        None => home.production.as_ref().or(home.sandbox.as_ref()).ok_or("production"),
    };
    endpoint.map_err(|key_type| Fault::NoEndpoint { key_type })
}

/// Whether the operation is for this kind of caller, and the token for this API.
fn check_kind(matched: &Matched<'_>, caller: &Caller) -> Result<(), Fault> {
    if let Some(token) = caller.token() {
        if !token.names_client() {
            return Err(Fault::InvalidToken(TokenRefused::NoClient));
        }
        let audiences = &matched.api().security.audiences;
        let named = |wanted: &str| token.claims().audience.iter().any(|named| *named == *wanted);
        if !audiences.is_empty() && !audiences.iter().any(|wanted| named(wanted)) {
            return Err(Fault::WrongAudience);
        }
    }
    match matched.operation().wants {
        Wants::Application if caller.is_person() => Err(Fault::WrongTokenType),
        Wants::User if !caller.is_person() => Err(Fault::WrongTokenType),
        Wants::Any | Wants::Application | Wants::User | Wants::Nobody => Ok(()),
    }
}

/// The subscription of the application that calls, where one is needed. Certificates and passwords
/// stand for no application.
fn subscription<'g>(
    plan: &'g Plan,
    matched: &Matched<'g>,
    caller: &Caller,
    consumer: Option<&ConsumerPlan>,
) -> Result<Option<&'g Arc<SubscriptionPlan>>, Fault> {
    let api = matched.api();
    let free = api.subscriptionless || api.lifecycle == lifecycle::State::Prototyped;
    let Some(consumer) = consumer else {
        let is_for_application = caller.token().is_some() || caller.api_key().is_some();
        return if is_for_application && !free { Err(Fault::NotSubscribed) } else { Ok(None) };
    };
    if consumer.application.broken.is_some() {
        return Err(Fault::ApiNotReady);
    }
    let found = plan.right(&consumer.application, api);
    if free && found.is_none() {
        return Ok(None);
    }
    usable(found, consumer.key_type).map(Some)
}

/// Whether the credential, and the application that has it, may be used from where the call comes.
fn restrict(
    caller: &Caller,
    consumer: Option<&ConsumerPlan>,
    whence: Whence<'_>,
) -> Result<(), Fault> {
    let of_application = consumer.and_then(|it| it.application.restriction.as_deref());
    for restriction in caller.restrictions().chain(of_application) {
        if restriction.is_empty() {
            continue;
        }
        let fields = [ORIGIN, REFERER].into_iter();
        let fields = fields.flat_map(|name| whence.headers.get_all(name));
        // What is no plain text names no page.
        let pages = fields.map(|value| value.to_str().unwrap_or_default());
        restriction.check(whence.client, pages).map_err(|unfit| {
            Fault::Restricted(match unfit {
                Unfit::Address => NotThere::Address,
                Unfit::Page => NotThere::Page,
            })
        })?;
    }
    Ok(())
}

/// Whether one of the credentials that were asked for gives this scope.
fn has(matched: &Matched<'_>, caller: &Caller, scope: &str) -> bool {
    let token =
        caller.token().is_some_and(|token| token.claims().scopes.iter().any(|had| *had == *scope));
    let key = || caller.api_key().is_some_and(|key| key.scopes.iter().any(|had| **had == *scope));
    let certificate = || {
        caller.certificate().is_some_and(|rights| rights.scopes.iter().any(|had| **had == *scope))
    };
    let person = || {
        let defined = matched.api().scopes.iter().find(|(name, _)| **name == *scope);
        let roles = defined.map_or(&[][..], |(_, roles)| roles);
        caller.person().is_some_and(|person| {
            person.roles.iter().any(|had| roles.iter().any(|role| **role == **had))
        })
    };
    token || key() || certificate() || person()
}

/// The subscription, if its state lets it be used.
fn usable(
    found: Option<&Arc<SubscriptionPlan>>,
    key_type: KeyType,
) -> Result<&Arc<SubscriptionPlan>, Fault> {
    let subscription = found.ok_or(Fault::NotSubscribed)?;
    match (subscription.state, key_type) {
        (State::Blocked, _) | (State::ProdOnlyBlocked, KeyType::Production) => {
            Err(Fault::SubscriptionBlocked)
        }
        (State::OnHold | State::Rejected, _) => Err(Fault::SubscriptionInactive),
        _ if subscription.broken.is_some() => Err(Fault::ApiNotReady),
        _ => Ok(subscription),
    }
}

impl<'g> Permit<'g> {
    /// The same permit for the backends of a variant, where it has some for this type of key.
    pub(super) fn diverted(mut self, variant: &'g VariantPlan) -> Self {
        let own = match self.key_type() {
            Some(KeyType::Sandbox) => variant.sandbox.as_ref(),
            Some(KeyType::Production) => variant.production.as_ref(),
            None => variant.production.as_ref().or(variant.sandbox.as_ref()),
        };
        if let Some(own) = own {
            self.endpoint = own;
            self.variant = Some(variant);
        }
        self
    }

    /// The permit for a copy of the call; `None`: its operation has no mirror.
    pub fn for_copy(&self, received: &Received) -> Option<CopyPermit> {
        Some(CopyPermit {
            mirror: Arc::clone(&self.matched.mirror()?.endpoint),
            kept: self.matched.keep(received),
            caller: self.caller.clone(),
            consumer: self.consumer.clone(),
            subscription: self.subscription.cloned(),
            given: self.given.clone(),
        })
    }

    /// The permit to ask `point` about the call. It is for its servers and for nothing else, and
    /// carries nothing of the call.
    pub fn to_ask<'p>(&self, point: &'p DecisionPointPlan) -> Permit<'p> {
        Permit {
            matched: Matched::question(point),
            caller: Caller::default(),
            consumer: None,
            subscription: None,
            endpoint: &point.endpoint,
            variant: None,
            given: None,
        }
    }

    /// The same for `now`, which is the request `before` as somebody has changed it who may. The
    /// fields called as in `given` hold what they want to tell the backend.
    pub fn changed<'h>(
        self,
        before: &Received,
        now: &'h Received,
        given: &Rc<[HeaderName]>,
    ) -> Permit<'h>
    where
        'g: 'h,
    {
        let Self { caller, consumer, .. } = self;
        Permit {
            matched: self.matched.with_query(before, now),
            caller,
            consumer,
            subscription: self.subscription,
            endpoint: self.endpoint,
            variant: self.variant,
            given: Some(Rc::clone(given)),
        }
    }

    /// Whether the request is not the one that its client sent.
    pub const fn is_changed(&self) -> bool {
        self.given.is_some()
    }

    /// What is called.
    pub const fn matched(&self) -> &Matched<'g> {
        &self.matched
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The application that calls, where one does.
    pub fn application(&self) -> Option<&Arc<ApplicationPlan>> {
        self.consumer.as_ref().map(|consumer| &consumer.application)
    }

    /// The type of the key that the credential is or was got with.
    pub fn key_type(&self) -> Option<KeyType> {
        self.caller.key_type()
    }

    /// Whether a field called `name` (in lower case) holds a credential that was for the gateway.
    pub fn takes(&self, name: &str) -> bool {
        let given = |given: &Rc<[HeaderName]>| given.iter().any(|given| *given == *name);
        !self.matched.is_open()
            && is_for_gateway(&self.matched.api().security, name)
            && !self.given.as_ref().is_some_and(given)
    }

    /// What such a field holds besides, for the backend.
    pub fn left_over(&self, received: &Received) -> Option<(&'g HeaderName, String)> {
        let security = &self.matched.api().security;
        if !self.takes(security.header.as_str()) {
            return None;
        }
        Some((&security.header, left_over(&received.headers, security)?))
    }

    /// The subscription that is used, where one is needed.
    pub const fn subscription(&self) -> Option<&'g Arc<SubscriptionPlan>> {
        self.subscription
    }

    /// The variant whose backend that is; `None`: the API's own.
    pub const fn variant(&self) -> Option<&'g VariantPlan> {
        self.variant
    }

    /// The backend that may be called.
    pub const fn endpoint(&self) -> &'g Arc<EndpointPlan> {
        self.endpoint
    }
}

impl CopyPermit {
    /// The request, as its backend got it.
    pub const fn received(&self) -> &Received {
        self.kept.received()
    }

    /// The permit, with the mirror as its backend.
    pub fn permit(&self) -> Permit<'_> {
        Permit {
            matched: self.kept.matched(),
            caller: self.caller.clone(),
            consumer: self.consumer.clone(),
            subscription: self.subscription.as_ref(),
            endpoint: &self.mirror,
            variant: None,
            given: self.given.clone(),
        }
    }
}
