//! Which events are sent?
//!
//! Calls of a week in the order of time, of the callers that detect's benches have (`traffic`). The same number makes
//! the same event every time.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use detect::span::DAY_US;
use turnpike_proto::usage::v1::{CollectRequest, Event};

use super::dice::Dice;
use super::traffic::{CONSUMERS_OF_AN_APPLICATION, Callers, Picked, address_of};

/// Events of a batch.
pub(crate) const BATCH: u64 = 1000;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/",
    "okhttp/",
    "python-requests/2.",
    "curl/8.",
];

/// The events of a run.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// How many.
    pub(crate) events: u64,
    /// When the last of them was.
    pub(crate) until_us: i64,
    /// Whose calls they are.
    pub(crate) callers: Callers,
}

impl Traffic {
    /// So many events until now.
    pub(crate) fn ending_now(events: u64, callers: Callers) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let until_us = i64::try_from(since.as_micros()).unwrap();
        Self { events: events.next_multiple_of(BATCH), until_us, callers }
    }

    /// The events that a folder has from an earlier run, or so many until now.
    pub(crate) fn of(folder: &Path, events: u64, callers: Callers) -> Self {
        let path = folder.join("traffic");
        if let Ok(text) = fs::read_to_string(&path) {
            let mut words = text.split(' ');
            let mut number = || words.next().unwrap().parse::<i64>().unwrap();
            let (events, until_us) = (number().unsigned_abs(), number());
            let callers = words.next().and_then(Callers::named).unwrap();
            return Self { events, until_us, callers };
        }
        let traffic = Self::ending_now(events, callers);
        let Self { events, until_us, .. } = traffic;
        fs::write(path, format!("{events} {until_us} {}", callers.name())).unwrap();
        traffic
    }

    /// The batch `at` of all, as the batch `sequence` of a source.
    pub(crate) fn batch(&self, at: u64, source: &str, sequence: u64) -> CollectRequest {
        CollectRequest {
            source: source.to_owned(),
            epoch: "bench".to_owned(),
            sequence,
            events: (at * BATCH..(at + 1) * BATCH).map(|at| self.event(at)).collect(),
            dropped: 0,
        }
    }

    /// One event.
    pub(crate) fn event(&self, at: u64) -> Event {
        let Picked { consumer, called, thing, address, status, backend_us } = self.callers.pick(at);
        let mut dice = Dice(at.wrapping_mul(0xd134_2543_de82_ef95));
        let span = 7 * i128::from(DAY_US);
        let share = i128::from(at) * span / i128::from(self.events);
        let security_us = 20 + dice.next() % 60;
        let (backend_status, fault_code, fault_type) = match status {
            429 => (0, 900_800, "THROTTLED"),
            _ if called.is_none() => (0, 404, "NOT_FOUND"),
            _ => (status, 0, ""),
        };
        let event = Event {
            at_us: self.until_us - 7 * DAY_US + i64::try_from(share).unwrap(),
            request_id: dice.identity(),
            trace_id: dice.identity(),
            method: "GET".to_owned(),
            path: format!("/{thing}.php"),
            host: "api.example.com".to_owned(),
            client_ip: bytes_of(address_of(address)),
            user_agent: agent_of(address),
            protocol: "HTTP/1.1".to_owned(),
            status,
            backend_status,
            fault_code,
            fault_type: fault_type.to_owned(),
            total_us: backend_us + security_us + 30 + dice.next() % 90,
            backend_us,
            security_us,
            throttling_us: dice.next() % 6,
            request_bytes: dice.next() % 2000,
            response_bytes: dice.next() % 50_000,
            gateway: "gateway-1".to_owned(),
            region: "eu-1".to_owned(),
            ..Event::default()
        };
        let event = match called {
            Some(called) => to_api(event, called, thing),
            None => event,
        };
        match consumer {
            Some(consumer) => from_consumer(event, consumer, &mut dice),
            None => event,
        }
    }
}

/// A call that an API takes.
fn to_api(event: Event, (api, operation): (usize, usize), thing: u64) -> Event {
    Event {
        api: format!("api{api}"),
        api_version: "1.0.0".to_owned(),
        api_context: format!("/api{api}"),
        api_type: "HTTP".to_owned(),
        api_owner: format!("owner{}", api % 20),
        operation: format!("/things/{{id}}/part{operation}"),
        method: if operation.is_multiple_of(4) { "POST" } else { "GET" }.to_owned(),
        path: format!("/things/{thing}/part{operation}"),
        backend: format!("10.0.{}.7:8080", api % 50),
        ..event
    }
}

/// A call whose caller is known.
fn from_consumer(event: Event, consumer: usize, dice: &mut Dice) -> Event {
    let application = consumer / CONSUMERS_OF_AN_APPLICATION;
    Event {
        application: format!("application{application}"),
        application_owner: format!("person{}", application % 500),
        consumer_key: format!("consumer-{consumer}"),
        user: format!("user{consumer}"),
        user_agent: agent_of(consumer),
        auth_type: "jwt".to_owned(),
        tier: "Gold".to_owned(),
        key_type: "production".to_owned(),
        from_cache: dice.next().is_multiple_of(20),
        ..event
    }
}

/// Who calls has one program for it.
fn agent_of(number: usize) -> String {
    let (agent, version) = (number % AGENTS.len(), 100 + number % 17);
    format!("{}{version}.0", AGENTS.get(agent).unwrap())
}

/// An address as it lies in events.
pub(crate) fn bytes_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

impl Dice {
    fn identity(&mut self) -> Vec<u8> {
        [self.next().to_le_bytes(), self.next().to_le_bytes()].concat()
    }
}
