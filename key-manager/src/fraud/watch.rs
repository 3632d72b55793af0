//! Who looks at what happens, and where does it go?

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::clock::Clock;
use tokio::sync::mpsc;

use super::burst::{BurstRules, Bursts};
use super::distinct::Distinct;
use super::places::Places;
use super::signal::{Severity, Signal};
use super::travel::Travellers;
use crate::domain::network;
use crate::meter::Meter;
use crate::store::Grant;

/// `[fraud]`.
#[derive(Clone, Copy, Debug)]
pub struct FraudRules {
    /// So many token requests a minute are nothing to look at.
    pub burst_floor: u32,
    /// Nor are fewer than so many times what is usual.
    pub burst_times: f64,
    /// Names that fail from one network, and networks that fail for one name, within the window.
    pub stuffing: usize,
    /// Wrong secrets from one network, and for one client, within the window.
    pub guesses: usize,
    pub window_seconds: i64,
    /// Clients, names and networks that are watched, each.
    pub watched: usize,
}

/// Signals that wait for the collector; one more is dropped and counted.
const WAITING: usize = 1024;

/// Looks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Fraud(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    clock: Clock,
    meter: Meter,
    /// Names are remembered as hashes that mean nothing outside this process.
    hasher: RandomState,
    bursts: Mutex<Bursts>,
    guesses: Mutex<Guesses>,
    places: Places,
    travellers: Mutex<Travellers>,
    /// Tells one wrong secret from another.
    counted: AtomicU64,
    out: mpsc::Sender<Signal>,
    dropped: Arc<AtomicU64>,
    /// Until somebody takes it.
    signals: Mutex<Option<Signals>>,
}

#[derive(Debug)]
struct Guesses {
    names_of_network: Distinct,
    networks_of_name: Distinct,
    secrets_of_network: Distinct,
    secrets_of_client: Distinct,
}

/// Where signals come out.
#[derive(Debug)]
pub struct Signals {
    pub queue: mpsc::Receiver<Signal>,
    /// How many were dropped.
    pub dropped: Arc<AtomicU64>,
}

impl Fraud {
    pub fn new(rules: FraudRules, places: Places, clock: Clock, meter: Meter) -> Self {
        let FraudRules { window_seconds, watched, .. } = rules;
        let distinct = |threshold| Distinct::new(window_seconds, threshold, watched);
        let (out, queue) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let burst =
            BurstRules { floor: rules.burst_floor, times: rules.burst_times, most: watched };
        let watch = Watch {
            clock,
            meter,
            hasher: RandomState::new(),
            bursts: Mutex::new(Bursts::new(burst)),
            guesses: Mutex::new(Guesses {
                names_of_network: distinct(rules.stuffing),
                networks_of_name: distinct(rules.stuffing),
                secrets_of_network: distinct(rules.guesses),
                secrets_of_client: distinct(rules.guesses),
            }),
            places,
            travellers: Mutex::new(Travellers::new(watched)),
            counted: AtomicU64::new(0),
            out,
            dropped: Arc::clone(&dropped),
            signals: Mutex::new(Some(Signals { queue, dropped })),
        };
        Self(Arc::new(watch))
    }

    /// Where signals come out; for one taker.
    pub fn signals(&self) -> Option<Signals> {
        self.0.signals.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A code or refresh token came again, and everything from it has ended (rules 1 and 2).
    pub fn reused(&self, event: &str, grant: &Grant, address: Option<IpAddr>) {
        let (kind, what) = match event {
            "code_reuse" => ("AuthorizationCodeReuse", "An authorization code"),
            _ => ("RefreshTokenReuse", "A refresh token"),
        };
        let message = format!(
            "{what} was used again: somebody else holds it. Everything from this login has ended."
        );
        let signal = self.signal(kind, Severity::Severe, &grant.family_id, message);
        self.tell(
            signal
                .with("client", &grant.client_id)
                .with("user", &grant.user_id)
                .with("family", &grant.family_id)
                .with("address", &text(address)),
        );
    }

    /// A client got a token (rule 11).
    pub fn issued(&self, client: &str) {
        let now = self.0.clock.unix_seconds();
        let burst = self.0.bursts.lock().unwrap_or_else(PoisonError::into_inner).see(client, now);
        let Some(burst) = burst else { return };
        let about = format!("{client} {}", burst.minute);
        let message = format!(
            "The client {client} asks for far more tokens than it uses to: {} in a minute.",
            burst.count
        );
        let signal = self.signal("TokenRequestBurst", Severity::Moderate, &about, message);
        let usual = format!("{:.1}", burst.usual);
        self.tell(signal.with("client", &client).with("count", &burst.count).with("usual", &usual));
    }

    /// A person logged in there (rule 6).
    pub fn logged_in(&self, user: &str, address: Option<IpAddr>) {
        self.travelled("a login", user, user, address);
    }

    /// The app of a person asked for tokens there. Only of a client that runs with its person: where
    /// the server of another one stands says nothing about them.
    pub fn refreshed(&self, grant: &Grant, address: Option<IpAddr>) {
        self.travelled("a refresh token", &grant.family_id, &grant.user_id, address);
    }

    fn travelled(&self, by: &str, who: &str, user: &str, address: Option<IpAddr>) {
        let Some(place) = address.and_then(|address| self.0.places.find(address)) else { return };
        let now = self.0.clock.unix_seconds();
        let mut travellers = self.0.travellers.lock().unwrap_or_else(PoisonError::into_inner);
        let trip = travellers.see(who, place, now);
        drop(travellers);
        let Some(trip) = trip else { return };
        let (km, minutes) = (format!("{:.0}", trip.km), trip.seconds / 60);
        let message = format!(
            "The same person uses {by} {km} km away from where they were {minutes} minutes ago."
        );
        let about = format!("{who} {now}");
        let signal = self.signal("ImpossibleTravel", Severity::Severe, &about, message);
        self.tell(
            signal
                .with("user", &user)
                .with("address", &text(address))
                .with("km", &km)
                .with("minutes", &minutes),
        );
    }

    /// A login failed for a name that was typed (rule 16).
    pub fn login_failed(&self, name: &str, address: Option<IpAddr>) {
        let (now, from) = (self.0.clock.unix_seconds(), network(address));
        let name = self.0.hasher.hash_one(name);
        let (by_network, by_name) = {
            let mut guesses = self.guesses();
            (
                guesses.names_of_network.see(&from, name, now),
                guesses.networks_of_name.see(&name.to_string(), self.0.hasher.hash_one(&from), now),
            )
        };
        if let Some(begun) = by_network {
            let message = format!("Logins with many names fail from the network {from}.");
            let about = format!("network {from} {begun}");
            let signal = self.signal("CredentialStuffing", Severity::Severe, &about, message);
            self.tell(signal.with("network", &from));
        }
        if let Some(begun) = by_name {
            let message = "Logins with one name fail from many networks.".to_owned();
            let about = format!("name {name} {begun}");
            let signal = self.signal("CredentialStuffing", Severity::Severe, &about, message);
            self.tell(signal.with("address", &text(address)));
        }
    }

    /// A client did not prove who it is; `client` is what it called itself.
    pub fn client_failed(&self, client: &str, address: Option<IpAddr>) {
        let (now, from) = (self.0.clock.unix_seconds(), network(address));
        let guess = self.0.counted.fetch_add(1, Ordering::Relaxed);
        let (by_network, by_client) = {
            let mut guesses = self.guesses();
            // One that names no client is counted for its network only.
            let named = Some(client).filter(|client| !client.is_empty());
            (
                guesses.secrets_of_network.see(&from, guess, now),
                named.and_then(|client| guesses.secrets_of_client.see(client, guess, now)),
            )
        };
        if let Some(begun) = by_network {
            let message = format!("Client secrets are guessed from the network {from}.");
            let about = format!("network {from} {begun}");
            let signal = self.signal("ClientSecretGuessing", Severity::Severe, &about, message);
            self.tell(signal.with("network", &from).with("client", &client));
        }
        if let Some(begun) = by_client {
            let message = format!("The secret of the client {client} is guessed.");
            let about = format!("client {client} {begun}");
            let signal = self.signal("ClientSecretGuessing", Severity::Severe, &about, message);
            self.tell(signal.with("client", &client).with("address", &text(address)));
        }
    }

    fn guesses(&self) -> std::sync::MutexGuard<'_, Guesses> {
        self.0.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(
        &self,
        kind: &'static str,
        severity: Severity,
        about: &str,
        message: String,
    ) -> Signal {
        Signal::new(kind, severity, about, self.0.clock.unix_seconds(), message)
    }

    fn tell(&self, signal: Signal) {
        tracing::warn!(kind = signal.kind, id = signal.id, message = signal.message, "noticed");
        self.0.meter.noticed(signal.kind);
        if self.0.out.try_send(signal).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn text(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_canonical().to_string()).unwrap_or_default()
}
