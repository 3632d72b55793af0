//! Which events are sent?
//!
//! Calls of a week in the order of time: 200 APIs of ten operations, 20,000 consumers of 2,000 applications,
//! each at ten addresses, a fifth of them IPv6; some are called, and call, far more than others (a cube). The
//! same number makes the same event every time.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use detect::span::DAY_US;
use turnpike_proto::usage::v1::{CollectRequest, Event};

/// Events of a batch.
pub(crate) const BATCH: u64 = 1000;

const APIS: usize = 200;
const OPERATIONS: usize = 10;
const CONSUMERS: usize = 20_000;
const CONSUMERS_OF_AN_APPLICATION: usize = 10;
const ADDRESSES_OF_A_CONSUMER: usize = 10;
const THINGS: usize = 1_000_000;
/// First bytes of networks that are given out in different parts of the world.
const NETWORKS: [u8; 12] = [2, 5, 24, 41, 62, 80, 91, 103, 151, 177, 185, 203];
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
}

impl Traffic {
    /// So many events until now.
    pub(crate) fn ending_now(events: u64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let until_us = i64::try_from(since.as_micros()).unwrap();
        Self { events: events.next_multiple_of(BATCH), until_us }
    }

    /// The events that a folder has from an earlier run, or so many until now.
    pub(crate) fn of(folder: &Path, events: u64) -> Self {
        let path = folder.join("traffic");
        if let Ok(text) = fs::read_to_string(&path) {
            let (events, until_us) = text.split_once(' ').unwrap();
            return Self { events: events.parse().unwrap(), until_us: until_us.parse().unwrap() };
        }
        let traffic = Self::ending_now(events);
        fs::write(path, format!("{} {}", traffic.events, traffic.until_us)).unwrap();
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
        let mut dice = Dice(at.wrapping_mul(0xd134_2543_de82_ef95));
        let span = 7 * i128::from(DAY_US);
        let share = i128::from(at) * span / i128::from(self.events);
        let (api, operation) = (dice.cubic(APIS), dice.cubic(OPERATIONS));
        let consumer = dice.cubic(CONSUMERS);
        let address = consumer * ADDRESSES_OF_A_CONSUMER + dice.cubic(ADDRESSES_OF_A_CONSUMER);
        let application = consumer / CONSUMERS_OF_AN_APPLICATION;
        let (agent, version) = (consumer % AGENTS.len(), 100 + consumer % 17);
        let backend_us = dice.time_us();
        let security_us = 20 + dice.next() % 60;
        let (status, backend_status, fault_code, fault_type) = match dice.next() % 100 {
            0 => (503, 503, 0, ""),
            1 => (404, 404, 0, ""),
            2 => (429, 0, 900_800, "THROTTLED"),
            _ => (200, 200, 0, ""),
        };
        let backend_us = if backend_status == 0 { 0 } else { backend_us };
        Event {
            at_us: self.until_us - 7 * DAY_US + i64::try_from(share).unwrap(),
            request_id: dice.identity(),
            trace_id: dice.identity(),
            api: format!("api{api}"),
            api_version: "1.0.0".to_owned(),
            api_context: format!("/api{api}"),
            api_type: "HTTP".to_owned(),
            api_owner: format!("owner{}", api % 20),
            operation: format!("/things/{{id}}/part{operation}"),
            method: if operation.is_multiple_of(4) { "POST" } else { "GET" }.to_owned(),
            path: format!("/things/{}/part{operation}", dice.next() as usize % THINGS),
            host: "api.example.com".to_owned(),
            application: format!("application{application}"),
            application_owner: format!("person{}", application % 500),
            consumer_key: format!("consumer-{consumer}"),
            user: format!("user{consumer}"),
            auth_type: "jwt".to_owned(),
            tier: "Gold".to_owned(),
            key_type: "production".to_owned(),
            client_ip: address_of(address),
            user_agent: format!("{}{version}.0", AGENTS.get(agent).unwrap()),
            protocol: "HTTP/1.1".to_owned(),
            status,
            backend_status,
            backend: format!("10.0.{}.7:8080", api % 50),
            fault_code,
            fault_type: fault_type.to_owned(),
            total_us: backend_us + security_us + 30 + dice.next() % 90,
            backend_us,
            security_us,
            throttling_us: dice.next() % 6,
            request_bytes: dice.next() % 2000,
            response_bytes: dice.next() % 50_000,
            from_cache: dice.next().is_multiple_of(20),
            gateway: "gateway-1".to_owned(),
            region: "eu-1".to_owned(),
            ..Event::default()
        }
    }
}

/// The address of this number.
pub(crate) fn address_of(number: usize) -> Vec<u8> {
    let mixed = Dice(number as u64).next();
    let [first, rest @ ..] = mixed.to_le_bytes();
    if number.is_multiple_of(5) {
        return [[0x2a, first & 0x0f].as_slice(), &rest, &[0; 7]].concat();
    }
    let network = NETWORKS.get(usize::from(first) % NETWORKS.len()).copied().unwrap();
    std::iter::once(network).chain(rest).take(4).collect()
}

/// Numbers that look random and are the same every time.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of so many, the first far more often than the last.
    fn cubic(&mut self, many: usize) -> usize {
        (self.unit().powi(3) * many as f64) as usize
    }

    /// Milliseconds, mostly; one of a hundred takes twenty times as long.
    fn time_us(&mut self) -> u64 {
        let usual = (self.unit() + self.unit() + self.unit() - 1.5) * 1.6;
        let slow = if self.next().is_multiple_of(100) { 20.0 } else { 1.0 };
        (8000.0 * usual.exp() * slow) as u64
    }

    fn identity(&mut self) -> Vec<u8> {
        [self.next().to_le_bytes(), self.next().to_le_bytes()].concat()
    }
}
