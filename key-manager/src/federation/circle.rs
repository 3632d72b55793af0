//! Which providers are there, and what do gateways have to know of them? (KM-091)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::outbound::{self, Allowed, Client, Reach, Rules};
use chassis::pki::Identity;
use chassis::task::{Guard, Tasks};
use chassis::{Host, Shutdown};
use tokio::sync::watch;

use super::error::FederationError;
use super::key_set::PublishedKeys;
use super::member::{Member, Status};
use super::refresh::{Pace, tend};
use crate::domain::{Provider, ProviderKeys};
use crate::meter::Meter;
use crate::rpc::Connector;

/// Without an answer keys are good for so long.
const STALE_SECONDS: i64 = 24 * 3600;
/// Questions to one provider at a time.
const AT_ONCE: usize = 16;

/// How providers are asked.
#[derive(Clone, Debug)]
pub struct FederationRules {
    /// Between two readings of a provider's keys.
    pub every: Duration,
    /// No provider is read twice within that.
    pub pause: Duration,
    /// What may be reached besides the public internet and the hosts that resources name.
    pub allow: Vec<Allowed>,
    /// PEM, beside the authorities of the operating system.
    pub authorities: Vec<u8>,
    pub timeout: Duration,
    /// Bytes.
    pub largest: usize,
}

/// All providers; cheap to clone.
#[derive(Clone, Debug)]
pub struct Federation(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    rules: FederationRules,
    clock: Clock,
    tasks: Tasks,
    tls: Identity,
    shutdown: Shutdown,
    meter: Meter,
    seats: Mutex<BTreeMap<String, Seat>>,
    /// Moves whenever something was read or applied.
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct Seat {
    member: Arc<Member>,
    /// Ends the task with the seat; none for a provider that is not in use.
    _tending: Option<Guard>,
}

/// The keys of a provider, for gateways and for the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKeys {
    pub provider: String,
    pub issuer: String,
    /// A JWK Set.
    pub jwks: String,
    /// Unix seconds.
    pub read_at: i64,
}

impl Federation {
    /// Nobody is in it yet.
    pub fn new(rules: FederationRules, host: &Host, meter: Meter) -> Self {
        let (clock, tasks, shutdown) =
            (host.clock.clone(), host.tasks.clone(), host.shutdown.clone());
        let tls = host.tls.clone();
        let (seats, news) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Parts { rules, clock, tasks, tls, shutdown, meter, seats, news }))
    }

    /// These are the providers from now on. Who stays as they were is left alone.
    pub fn put(&self, providers: Vec<Provider>) {
        let mut seats = self.lock();
        let mut before = std::mem::take(&mut *seats);
        for provider in providers {
            let (name, old) = (provider.name.clone(), before.remove(&provider.name));
            let seat = match old {
                Some(old) if old.member.provider == provider => Ok(old),
                old => self.seat(provider, old.as_ref().map(|old| &*old.member)),
            };
            match seat {
                Ok(seat) => drop(seats.insert(name, seat)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(name, error, "provider cannot be asked");
                }
            }
        }
        drop(seats);
        for gone in before.keys() {
            self.0.meter.provider_gone(gone);
        }
        self.moved();
    }

    fn seat(&self, provider: Provider, before: Option<&Member>) -> Result<Seat, outbound::Error> {
        let parts = &*self.0;
        let rules = &parts.rules;
        let named =
            provider.hosts().map(|host| Allowed::Host(host.trim_matches(['[', ']']).into()));
        let reach = Reach::Public(rules.allow.iter().cloned().chain(named).collect());
        let (limit, largest, at_once) = (rules.timeout, rules.largest, AT_ONCE);
        let outbound = Client::new(
            parts.clock.clone(),
            Rules { reach, limit, largest, at_once },
            &rules.authorities,
        )?;
        let (clock, meter) = (parts.clock.clone(), parts.meter.clone());
        let connector = connector(&provider, &parts.tls);
        let member = Arc::new(Member::new(provider, outbound, connector, clock, meter));
        if let Some(before) = before {
            member.inherit(before);
        }
        tracing::info!(provider = member.provider.name, "provider applied");
        let pace = Pace { every: rules.every, pause: rules.pause };
        let tending = member.provider.enabled.then(|| {
            let shutdown = parts.shutdown.clone();
            let work = tend(Arc::clone(&member), pace, parts.news.clone());
            parts.tasks.spawn_guarded("provider", async move {
                tokio::select! {
                    () = work => {}
                    () = shutdown.wait() => {}
                }
            })
        });
        Ok(Seat { member, _tending: tending })
    }

    /// Takes over keys of an earlier run, for providers that are there and were not read yet.
    pub fn restore(&self, known: &[KnownKeys]) {
        for one in known {
            let Some(member) = self.get(&one.provider) else { continue };
            let same = member.provider.issuer == one.issuer && member.keys(i64::MAX).is_none();
            let keys = PublishedKeys::parse(one.jwks.as_bytes(), &member.provider.algorithms);
            if let Ok(keys) = keys
                && same
            {
                member.put_keys(keys, one.read_at);
            }
        }
        self.moved();
    }

    /// A provider by its name.
    pub fn get(&self, name: &str) -> Option<Arc<Member>> {
        self.lock().get(name).map(|seat| Arc::clone(&seat.member))
    }

    /// The same; it must be in use.
    pub fn in_use(&self, name: &str) -> Result<Arc<Member>, FederationError> {
        let member = self.get(name).ok_or(FederationError::Unknown)?;
        if member.provider.enabled { Ok(member) } else { Err(FederationError::Disabled) }
    }

    /// All of them, and how each is doing.
    pub fn all(&self) -> Vec<(Arc<Member>, Status)> {
        let members = self.lock().values().map(|seat| Arc::clone(&seat.member)).collect::<Vec<_>>();
        members.into_iter().map(|member| (Arc::clone(&member), member.status())).collect()
    }

    /// The keys that gateways get, in the order of the providers' names.
    pub fn keys(&self) -> Vec<KnownKeys> {
        let seats = self.lock();
        let members = seats.values().map(|seat| &seat.member);
        let streamed = members.filter(|member| {
            member.provider.enabled && member.provider.keys != ProviderKeys::Pinned
        });
        let known = |member: &Arc<Member>| {
            let (keys, read_at) = member.keys(STALE_SECONDS)?;
            Some(KnownKeys {
                provider: member.provider.name.clone(),
                issuer: member.provider.issuer.clone(),
                jwks: keys.text.clone(),
                read_at,
            })
        };
        streamed.filter_map(known).collect()
    }

    /// Moves whenever the answer of [`Self::keys`] may have changed.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// A gateway met a token of this provider with a key that it does not know.
    pub fn missing(&self, name: &str, kid: &str) {
        let Ok(member) = self.in_use(name) else { return };
        if member.is_missing(kid, self.0.rules.every) {
            member.wanted.notify_one();
        }
    }

    fn moved(&self) {
        self.0.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seat>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who speaks for a provider; `None`: it does itself, or its connector cannot be reached like that.
fn connector(provider: &Provider, tls: &Identity) -> Option<Connector> {
    let connection = provider.connector.as_ref()?;
    match chassis::rpc::channel(tls, &connection.address, &connection.name) {
        Ok(channel) => Some(Connector::new(provider.name.clone(), channel)),
        Err(error) => {
            let (provider, error) = (&provider.name, &error as &dyn std::error::Error);
            tracing::error!(provider, error, "connector cannot be asked");
            None
        }
    }
}
