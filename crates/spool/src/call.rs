//! How does a call that has ended become bytes, without a copy of its words on the way?
//!
//! The fields of `turnpike.usage.v1.Event` are written straight from borrowed data into the
//! worker's buffer, each event already framed as one `events` entry of a `CollectRequest`. A batch
//! is therefore sent as it was encoded. Long words are cut, so an event stays far below 16 KiB.

use std::net::IpAddr;

/// The `events` field of `CollectRequest`, length-delimited.
const EVENTS: u8 = 4 << 3 | 2;
/// The place of the length in front of an event: a varint of exactly two bytes.
const LENGTH_BYTES: usize = 2;

const NAME_BYTES: usize = 256;
const LONG_BYTES: usize = 1024;
const AGENT_BYTES: usize = 512;

/// A call that has ended, however it ended. Unknown words are empty, unknown numbers 0.
///
/// The fields are those of `turnpike.usage.v1.Event`, whose comments say what they mean.
#[expect(missing_docs, reason = "the contract documents them")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    pub at_us: i64,
    pub request_id: [u8; 16],
    /// All zero: the call belongs to no trace.
    pub trace_id: [u8; 16],
    pub api: &'a str,
    pub api_version: &'a str,
    pub api_context: &'a str,
    pub operation: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    pub application: &'a str,
    pub application_owner: &'a str,
    pub consumer_key: &'a str,
    pub user: &'a str,
    pub tier: &'a str,
    pub key_type: &'a str,
    pub client_ip: Option<IpAddr>,
    /// As it came; what is not UTF-8 in it is replaced.
    pub user_agent: &'a [u8],
    pub protocol: &'a str,
    pub status: u16,
    pub backend_status: u16,
    pub backend: &'a str,
    pub fault_code: u32,
    pub fault_type: &'a str,
    pub total_us: u64,
    pub backend_us: u64,
    pub security_us: u64,
    pub throttling_us: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub over_quota: bool,
    pub from_cache: bool,
    pub api_type: &'a str,
    pub api_owner: &'a str,
    pub auth_type: &'a str,
    pub fault_subtype: &'a str,
    pub tenant: &'a str,
    pub request_mediation_us: u64,
    pub response_mediation_us: u64,
    pub weight: u32,
    pub scope: &'a str,
}

/// Who reports.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name of the gateway, or of another service that reports.
    pub gateway: String,
    /// Where it stands; empty: it does not say.
    pub region: String,
}

/// Appends `call`, reported from `origin`, to a batch.
pub(crate) fn encode(call: &Call<'_>, origin: &Origin, batch: &mut Vec<u8>) {
    batch.push(EVENTS);
    let length_at = batch.len();
    batch.extend_from_slice(&[0; LENGTH_BYTES]);
    let start = batch.len();
    fields(call, origin, &mut Fields(batch));
    let length = batch.len() - start;
    // A varint may be longer than it must be, so two bytes hold every length below 2^14. The cuts
    // above keep an event below 9 KiB.
    debug_assert!(length < 1 << 14, "an event is cut to fit its length");
    if let Some([low, high]) = batch.get_mut(length_at..start) {
        *low = 0x80 | low_bits(length as u64);
        *high = low_bits(length as u64 >> 7);
    }
}

fn fields(call: &Call<'_>, origin: &Origin, out: &mut Fields<'_>) {
    out.number(1, call.at_us.cast_unsigned());
    out.bytes(2, &call.request_id);
    if call.trace_id != [0; 16] {
        out.bytes(3, &call.trace_id);
    }
    out.word(4, call.api, NAME_BYTES);
    out.word(5, call.api_version, NAME_BYTES);
    out.word(6, call.api_context, NAME_BYTES);
    out.word(7, call.operation, LONG_BYTES);
    out.word(8, call.method, NAME_BYTES);
    out.word(9, call.path, LONG_BYTES);
    out.word(10, call.host, NAME_BYTES);
    out.word(11, call.application, NAME_BYTES);
    out.word(12, call.application_owner, NAME_BYTES);
    out.word(13, call.consumer_key, NAME_BYTES);
    out.word(14, call.user, NAME_BYTES);
    out.word(15, call.tier, NAME_BYTES);
    out.word(16, call.key_type, NAME_BYTES);
    match call.client_ip {
        Some(IpAddr::V4(address)) => out.bytes(17, &address.octets()),
        Some(IpAddr::V6(address)) => out.bytes(17, &address.octets()),
        None => {}
    }
    match str::from_utf8(call.user_agent) {
        Ok(agent) => out.word(18, agent, AGENT_BYTES),
        Err(_) => out.word(18, &String::from_utf8_lossy(call.user_agent), AGENT_BYTES),
    }
    out.word(19, call.protocol, NAME_BYTES);
    out.number(20, call.status.into());
    out.number(21, call.backend_status.into());
    out.word(22, call.backend, NAME_BYTES);
    out.number(23, call.fault_code.into());
    out.word(24, call.fault_type, NAME_BYTES);
    out.number(25, call.total_us);
    out.number(26, call.backend_us);
    out.number(27, call.security_us);
    out.number(28, call.throttling_us);
    out.number(29, call.request_bytes);
    out.number(30, call.response_bytes);
    out.number(31, call.over_quota.into());
    out.word(33, &origin.gateway, NAME_BYTES);
    out.number(34, call.from_cache.into());
    out.word(35, call.api_type, NAME_BYTES);
    out.word(36, call.api_owner, NAME_BYTES);
    out.word(37, call.auth_type, NAME_BYTES);
    out.word(38, call.fault_subtype, NAME_BYTES);
    out.word(39, call.tenant, NAME_BYTES);
    out.number(47, call.request_mediation_us);
    out.number(48, call.response_mediation_us);
    out.word(49, &origin.region, NAME_BYTES);
    out.number(50, call.weight.into());
    out.word(51, call.scope, NAME_BYTES);
}

/// Writes protobuf fields; those with their default value are left out, as proto3 asks.
struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value);
        }
    }

    fn word(&mut self, field: u8, value: &str, most: usize) {
        let kept = value.get(..value.floor_char_boundary(most)).unwrap_or(value);
        self.bytes(field, kept.as_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        if !value.is_empty() {
            self.varint(u64::from(field) << 3 | 2);
            self.varint(value.len() as u64);
            self.0.extend_from_slice(value);
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(0x80 | low_bits(value));
            value >>= 7;
        }
        self.0.push(low_bits(value));
    }
}

/// The lowest seven bits.
fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use turnpike_proto::usage::v1::{CollectRequest, Event};

    use super::*;

    /// Encodes `calls` as one batch and reads them back with the generated code.
    #[track_caller]
    fn check(calls: &[Call<'_>], expected: &[Event]) {
        let (mut batch, region) = (Vec::new(), "eu-1".to_owned());
        let origin = Origin { gateway: "gw-1".to_owned(), region };
        for call in calls {
            encode(call, &origin, &mut batch);
        }
        let read = CollectRequest::decode(batch.as_slice()).expect("a well-formed batch");
        assert_eq!(read.events, expected);
    }

    fn full() -> Call<'static> {
        Call {
            at_us: 1_700_000_000_000_001,
            request_id: [7; 16],
            trace_id: [9; 16],
            api: "orders",
            api_version: "1.0.0",
            api_context: "/orders",
            operation: "/{id}",
            method: "GET",
            path: "/orders/1.0.0/17",
            host: "api.example.com",
            application: "shop",
            application_owner: "ann",
            consumer_key: "k1",
            user: "ann@example.com",
            tier: "Gold",
            key_type: "production",
            client_ip: Some(IpAddr::from([192, 0, 2, 1])),
            user_agent: b"curl/8.5",
            protocol: "HTTP/1.1",
            status: 200,
            backend_status: 201,
            backend: "127.0.0.1:3001",
            fault_code: 900_804,
            fault_type: "THROTTLED",
            total_us: 1,
            backend_us: 127,
            security_us: 128,
            throttling_us: 16_384,
            request_bytes: u64::MAX,
            response_bytes: 5,
            over_quota: true,
            from_cache: true,
            api_type: "GRPC",
            api_owner: "ben",
            auth_type: "jwt",
            fault_subtype: "SUBSCRIPTION",
            tenant: "acme",
            request_mediation_us: 2,
            response_mediation_us: 3,
            weight: 10,
            scope: "orders:read",
        }
    }

    fn full_event() -> Event {
        Event {
            at_us: 1_700_000_000_000_001,
            request_id: vec![7; 16],
            trace_id: vec![9; 16],
            api: "orders".into(),
            api_version: "1.0.0".into(),
            api_context: "/orders".into(),
            operation: "/{id}".into(),
            method: "GET".into(),
            path: "/orders/1.0.0/17".into(),
            host: "api.example.com".into(),
            application: "shop".into(),
            application_owner: "ann".into(),
            consumer_key: "k1".into(),
            user: "ann@example.com".into(),
            tier: "Gold".into(),
            key_type: "production".into(),
            client_ip: vec![192, 0, 2, 1],
            user_agent: "curl/8.5".into(),
            protocol: "HTTP/1.1".into(),
            status: 200,
            backend_status: 201,
            backend: "127.0.0.1:3001".into(),
            fault_code: 900_804,
            fault_type: "THROTTLED".into(),
            total_us: 1,
            backend_us: 127,
            security_us: 128,
            throttling_us: 16_384,
            request_bytes: u64::MAX,
            response_bytes: 5,
            over_quota: true,
            gateway: "gw-1".into(),
            from_cache: true,
            api_type: "GRPC".into(),
            api_owner: "ben".into(),
            auth_type: "jwt".into(),
            fault_subtype: "SUBSCRIPTION".into(),
            tenant: "acme".into(),
            request_mediation_us: 2,
            response_mediation_us: 3,
            region: "eu-1".into(),
            weight: 10,
            scope: "orders:read".into(),
            ..Event::default()
        }
    }

    #[test]
    fn every_field_arrives_where_the_contract_puts_it() {
        check(&[full()], &[full_event()]);
    }

    #[test]
    fn a_call_without_words_is_an_event_with_its_identity_alone() {
        let bare = Event {
            request_id: vec![0; 16],
            gateway: "gw-1".into(),
            region: "eu-1".into(),
            ..Event::default()
        };
        check(&[Call::default(), Call::default()], &[bare.clone(), bare]);
    }

    #[test]
    fn long_words_are_cut_between_characters_and_still_fit() {
        let long = "ü".repeat(20_000);
        let calls = [Call {
            api: &long,
            api_version: &long,
            api_context: &long,
            operation: &long,
            method: &long,
            path: &long,
            host: &long,
            application: &long,
            application_owner: &long,
            consumer_key: &long,
            user: &long,
            tier: &long,
            key_type: &long,
            user_agent: long.as_bytes(),
            protocol: &long,
            backend: &long,
            fault_type: &long,
            api_type: &long,
            api_owner: &long,
            auth_type: &long,
            fault_subtype: &long,
            tenant: &long,
            scope: &long,
            ..full()
        }];
        let (name, longer) = ("ü".repeat(NAME_BYTES / 2), "ü".repeat(LONG_BYTES / 2));
        check(
            &calls,
            &[Event {
                api: name.clone(),
                api_version: name.clone(),
                api_context: name.clone(),
                operation: longer.clone(),
                method: name.clone(),
                path: longer,
                host: name.clone(),
                application: name.clone(),
                application_owner: name.clone(),
                consumer_key: name.clone(),
                user: name.clone(),
                tier: name.clone(),
                key_type: name.clone(),
                user_agent: "ü".repeat(AGENT_BYTES / 2),
                protocol: name.clone(),
                backend: name.clone(),
                fault_type: name.clone(),
                api_type: name.clone(),
                api_owner: name.clone(),
                auth_type: name.clone(),
                fault_subtype: name.clone(),
                tenant: name.clone(),
                scope: name,
                ..full_event()
            }],
        );
    }

    #[test]
    fn an_agent_that_is_not_utf8_is_repaired() {
        check(
            &[Call { user_agent: b"a\xffb", ..full() }],
            &[Event { user_agent: "a\u{fffd}b".into(), ..full_event() }],
        );
    }
}
