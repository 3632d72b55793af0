//! May this caller do this?
//!
//! The application behind the token, its subscription, the operation's scopes and the backend for
//! the type of its key. A `Permit` is the proof; `upstream` does not move without one.

use std::sync::Arc;

use plan::{
    ApplicationPlan, ConsumerPlan, EndpointPlan, KeyType, Plan, SubscriptionPlan, VariantPlan,
};
use turnpike_proto::config::v1::lifecycle;
use turnpike_proto::config::v1::subscription_spec::State;

use super::authenticate::Caller;
use crate::fault::{Fault, TokenRefused};
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
}

/// Asks for the caller's rights.
pub fn authorize<'g>(
    plan: &'g Plan,
    matched: Matched<'g>,
    caller: Caller,
) -> Result<Permit<'g>, Fault> {
    let (api, home) = (matched.api(), matched.home());
    let Some(token) = caller.token() else {
        // Whoever shows no key gets the backend that is there.
        let endpoint = home.production.as_ref().or(home.sandbox.as_ref());
        let endpoint = endpoint.ok_or(Fault::NoEndpoint { key_type: "production" })?;
        let (consumer, subscription, variant) = (None, None, None);
        return Ok(Permit { matched, caller, consumer, subscription, endpoint, variant });
    };
    if token.consumer_key().is_none() {
        return Err(Fault::InvalidToken(TokenRefused::NoClient));
    }
    let consumer = token.consumer();
    let on_trial = api.lifecycle == lifecycle::State::Prototyped;
    let subscription = match &consumer {
        Some(consumer) if consumer.application.broken.is_some() => return Err(Fault::ApiNotReady),
        Some(consumer) => {
            let found = plan.subscription(&consumer.application.name, &api.id);
            if on_trial { None } else { Some(usable(found, consumer.key_type)?) }
        }
        None if on_trial => None,
        None => return Err(Fault::NotSubscribed),
    };
    let scopes = &matched.operation().scopes;
    let has = |scope: &Arc<str>| token.claims().scopes.iter().any(|had| **had == **scope);
    if !scopes.is_empty() && !scopes.iter().any(has) {
        return Err(Fault::MissingScope { scopes: scopes.join(" ") });
    }
    let key_type = consumer.as_ref().map_or(KeyType::Production, |consumer| consumer.key_type);
    let endpoint = match key_type {
        KeyType::Production => home.production.as_ref().ok_or("production"),
        KeyType::Sandbox => home.sandbox.as_ref().ok_or("sandbox"),
    };
    let endpoint = endpoint.map_err(|key_type| Fault::NoEndpoint { key_type })?;
    Ok(Permit { matched, caller, consumer, subscription, endpoint, variant: None })
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
        })
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

    /// The type of the key that the token was got with.
    pub fn key_type(&self) -> Option<KeyType> {
        self.consumer.as_ref().map(|consumer| consumer.key_type)
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
        }
    }
}
