//! Which events are taken as they come, which are changed, and which are refused?
//!
//! A batch that no correct source sends is refused as a whole. A single event is refused when its
//! time cannot be right: with it a query for yesterday would find calls of another year. Over-long
//! fields are cut. Nothing else is lost with either.

use std::time::Duration;

use serde::Deserialize;
use turnpike_proto::usage::v1::{CollectRequest, Event};

use crate::enrich::{Addresses, Agents, Geo, address};
use crate::event::Row;
use crate::store::{Batch, Losses, Record, StoreError, batch_of};

const MOST_EVENTS: usize = 10_000;
const LONGEST_NAME: usize = 256;
const LONGEST_PATH: usize = 1024;
const LONGEST_AGENT: usize = 512;
/// Larger times and sizes are not true; sums of them would overflow.
const LARGEST: u64 = 1 << 48;
/// One event stands for no more calls: a share of less than a millionth is none.
const MOST_CALLS: u32 = 1_000_000;

/// The section `[collect]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events from longer ago are refused.
    #[serde(with = "chassis::config::duration")]
    pub oldest: Duration,
    /// Events from further in the future are refused.
    #[serde(with = "chassis::config::duration")]
    pub ahead: Duration,
}

/// Why a batch is refused.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A name is missing or too long.
    #[error("{0} must have 1 to {LONGEST_NAME} bytes")]
    Name(&'static str),
    /// Sequences begin at 1.
    #[error("sequence must not be 0")]
    Sequence,
    /// Too many events.
    #[error("events must be at most {MOST_EVENTS}, not {0}")]
    Events(usize),
    /// Its rows do not fit into columns.
    #[error("events cannot be laid out")]
    Columns(#[source] StoreError),
}

/// What is needed to make a row of an event.
#[derive(Debug)]
pub struct Desk {
    /// Where addresses are.
    pub geo: Geo,
    /// What of them is kept.
    pub addresses: Addresses,
    /// What programs call.
    pub agents: Agents,
    /// Which times are taken.
    pub config: Config,
}

impl Desk {
    /// Checks and enriches a batch. `after` is the sequence before it in its stream.
    pub fn batch_of(
        &self,
        request: CollectRequest,
        after: Option<u64>,
        now_us: i64,
    ) -> Result<Batch, Malformed> {
        check(&request)?;
        let CollectRequest { source, epoch, sequence, events, dropped } = request;
        let mut losses = Losses { dropped_by_source: dropped, ..Losses::default() };
        let oldest = now_us.saturating_sub(micros(self.config.oldest));
        let newest = now_us.saturating_add(micros(self.config.ahead));
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            if event.at_us < oldest {
                losses.too_old += 1;
            } else if event.at_us > newest {
                losses.in_the_future += 1;
            } else {
                rows.push(self.row_of(event, &source, &mut losses.cut));
            }
        }
        let columns = batch_of(&rows).map_err(|error| Malformed::Columns(error.into()))?;
        let record = Record { source, epoch, sequence, at_us: now_us, rows };
        let frame = record.frame();
        let Record { source, epoch, rows: calls, .. } = record;
        let (rows, calls) = (columns, calls.into());
        Ok(Batch { source, epoch, sequence, after, frame, rows, calls, losses })
    }

    fn row_of(&self, event: Event, source: &str, cuts: &mut u64) -> Row {
        let client = address::parse(&event.client_ip);
        let place = client.map(|address| self.geo.place(address)).unwrap_or_default();
        let user_agent = cut(event.user_agent, LONGEST_AGENT, cuts);
        let agent = self.agents.agent(&user_agent);
        let mut name = |text| cut(text, LONGEST_NAME, cuts);
        Row {
            api: name(event.api),
            api_version: name(event.api_version),
            api_context: name(event.api_context),
            api_type: name(event.api_type),
            api_owner: name(event.api_owner),
            tenant: name(event.tenant),
            method: name(event.method),
            host: name(event.host),
            application: name(event.application),
            application_owner: name(event.application_owner),
            consumer_key: name(event.consumer_key),
            user: name(event.user),
            auth_type: name(event.auth_type),
            tier: name(event.tier),
            key_type: name(event.key_type),
            protocol: name(event.protocol),
            backend: name(event.backend),
            fault_type: name(event.fault_type),
            fault_subtype: name(event.fault_subtype),
            gateway: if event.gateway.is_empty() { source.to_owned() } else { name(event.gateway) },
            region: name(event.region),
            scope: name(event.scope),
            operation: cut(event.operation, LONGEST_PATH, cuts),
            path: cut(event.path, LONGEST_PATH, cuts),
            user_agent,
            device: agent.device.to_owned(),
            operating_system: agent.operating_system.to_owned(),
            agent: agent.name.clone(),
            at_us: event.at_us,
            request_id: identity(event.request_id, cuts),
            trace_id: identity(event.trace_id, cuts),
            client_ip: client.map(|address| self.addresses.kept(address)).unwrap_or_default(),
            address_id: client.map_or(0, |address| self.addresses.identify(address)),
            country: place.country,
            subdivision: place.subdivision,
            city: place.city,
            asn: place.asn,
            position: place.position,
            status: event.status,
            backend_status: event.backend_status,
            fault_code: event.fault_code,
            total_us: event.total_us.min(LARGEST),
            backend_us: event.backend_us.min(LARGEST),
            security_us: event.security_us.min(LARGEST),
            throttling_us: event.throttling_us.min(LARGEST),
            request_mediation_us: event.request_mediation_us.min(LARGEST),
            response_mediation_us: event.response_mediation_us.min(LARGEST),
            request_bytes: event.request_bytes.min(LARGEST),
            response_bytes: event.response_bytes.min(LARGEST),
            over_quota: event.over_quota,
            from_cache: event.from_cache,
            weight: event.weight.clamp(1, MOST_CALLS),
        }
    }
}

fn check(request: &CollectRequest) -> Result<(), Malformed> {
    for (field, text) in [("source", &request.source), ("epoch", &request.epoch)] {
        if text.is_empty() || text.len() > LONGEST_NAME {
            return Err(Malformed::Name(field));
        }
    }
    match (request.sequence, request.events.len()) {
        (0, _) => Err(Malformed::Sequence),
        (_, events) if events > MOST_EVENTS => Err(Malformed::Events(events)),
        _ => Ok(()),
    }
}

fn cut(mut text: String, most: usize, cuts: &mut u64) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        *cuts += 1;
    }
    text
}

/// Sixteen bytes, or nothing.
fn identity(bytes: Vec<u8>, cuts: &mut u64) -> Vec<u8> {
    if bytes.is_empty() || bytes.len() == 16 {
        return bytes;
    }
    *cuts += 1;
    Vec::new()
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
