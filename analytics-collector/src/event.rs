//! What of a call is kept?
//!
//! A `Row` is a checked and enriched event: strings are within their bounds, the client's address
//! is as much of it as the operator keeps. It is also the record of the write-ahead log, so tags
//! are never reused.

/// Type of a row that is no call of an API but a request for tokens, answered by a key manager.
pub const TOKEN: &str = "TOKEN";

/// One call, as it is stored. Unknown values are empty or 0.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Row {
    /// When the call began, microseconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub at_us: i64,
    /// Identifies the call; 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub request_id: Vec<u8>,
    /// W3C trace id; 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub trace_id: Vec<u8>,
    /// Name of the Api.
    #[prost(string, tag = "4")]
    pub api: String,
    /// Its version.
    #[prost(string, tag = "5")]
    pub api_version: String,
    /// Its context.
    #[prost(string, tag = "6")]
    pub api_context: String,
    /// Path template of the operation.
    #[prost(string, tag = "7")]
    pub operation: String,
    /// HTTP method.
    #[prost(string, tag = "8")]
    pub method: String,
    /// The path without query.
    #[prost(string, tag = "9")]
    pub path: String,
    /// The Host that was asked for.
    #[prost(string, tag = "10")]
    pub host: String,
    /// Name of the Application.
    #[prost(string, tag = "11")]
    pub application: String,
    /// Its owner.
    #[prost(string, tag = "12")]
    pub application_owner: String,
    /// Client identifier of the token.
    #[prost(string, tag = "13")]
    pub consumer_key: String,
    /// Subject of the token.
    #[prost(string, tag = "14")]
    pub user: String,
    /// Tier of the subscription.
    #[prost(string, tag = "15")]
    pub tier: String,
    /// `production` or `sandbox`.
    #[prost(string, tag = "16")]
    pub key_type: String,
    /// As much of the client's address as is kept; 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "17")]
    pub client_ip: Vec<u8>,
    /// The User-Agent field.
    #[prost(string, tag = "18")]
    pub user_agent: String,
    /// `HTTP/1.1`, `HTTP/2.0`.
    #[prost(string, tag = "19")]
    pub protocol: String,
    /// Status that the client got; 0: it left before.
    #[prost(uint32, tag = "20")]
    pub status: u32,
    /// Status that the backend gave; 0: none.
    #[prost(uint32, tag = "21")]
    pub backend_status: u32,
    /// Host and port of the backend server.
    #[prost(string, tag = "22")]
    pub backend: String,
    /// Code of the gateway's fault; 0: none.
    #[prost(uint32, tag = "23")]
    pub fault_code: u32,
    /// Class of the fault; empty: none.
    #[prost(string, tag = "24")]
    pub fault_type: String,
    /// The whole call, microseconds.
    #[prost(uint64, tag = "25")]
    pub total_us: u64,
    /// The backend's part.
    #[prost(uint64, tag = "26")]
    pub backend_us: u64,
    /// Finding the caller and their rights.
    #[prost(uint64, tag = "27")]
    pub security_us: u64,
    /// Asking the limits.
    #[prost(uint64, tag = "28")]
    pub throttling_us: u64,
    /// Body bytes from the client.
    #[prost(uint64, tag = "29")]
    pub request_bytes: u64,
    /// Body bytes to the client.
    #[prost(uint64, tag = "30")]
    pub response_bytes: u64,
    /// Whether the call passed over a used-up limit.
    #[prost(bool, tag = "31")]
    pub over_quota: bool,
    /// Country of the client; `ZZ`: not a public address; empty: unknown.
    #[prost(string, tag = "32")]
    pub country: String,
    /// Name of the gateway.
    #[prost(string, tag = "33")]
    pub gateway: String,
    /// Keyed digest of the whole address, so that different clients can be counted when only a
    /// part of the address is kept; 0: unknown, or not kept.
    #[prost(uint64, tag = "40")]
    pub address_id: u64,
    /// Whether the answer came from the gateway's cache.
    #[prost(bool, tag = "34")]
    pub from_cache: bool,
    /// `HTTP`, `WS`, `SSE`, `GRPC`, `GRAPHQL`, …
    #[prost(string, tag = "35")]
    pub api_type: String,
    /// Who owns the Api.
    #[prost(string, tag = "36")]
    pub api_owner: String,
    /// How the caller showed who they are; empty: they did not.
    #[prost(string, tag = "37")]
    pub auth_type: String,
    /// Part of the fault's class; empty: no fault.
    #[prost(string, tag = "38")]
    pub fault_subtype: String,
    /// Tenant of the Api; empty: the operator.
    #[prost(string, tag = "39")]
    pub tenant: String,
    /// State, province, canton of the client; empty: unknown, or not kept.
    #[prost(string, tag = "41")]
    pub subdivision: String,
    /// Its city; empty: unknown, or not kept.
    #[prost(string, tag = "42")]
    pub city: String,
    /// Number of its autonomous system; 0: unknown, or not kept.
    #[prost(uint32, tag = "43")]
    pub asn: u32,
    /// Kind of the client's device; empty: nothing was said of it.
    #[prost(string, tag = "44")]
    pub device: String,
    /// Its operating system; empty: unknown.
    #[prost(string, tag = "45")]
    pub operating_system: String,
    /// The browser or the program; empty: unknown.
    #[prost(string, tag = "46")]
    pub agent: String,
    /// Changing and checking the request, microseconds.
    #[prost(uint64, tag = "47")]
    pub request_mediation_us: u64,
    /// Changing and checking the answer, microseconds.
    #[prost(uint64, tag = "48")]
    pub response_mediation_us: u64,
    /// Where the gateway stands.
    #[prost(string, tag = "49")]
    pub region: String,
    /// For how many calls this one stands; 0 counts as 1.
    #[prost(uint32, tag = "50")]
    pub weight: u32,
    /// Scopes of the tokens that were asked for. For the watch alone: no column keeps it.
    #[prost(string, tag = "51")]
    pub scope: String,
    /// Where the client is, for the watch alone; absent: unknown, or not to be known.
    #[prost(message, optional, tag = "52")]
    pub position: Option<Position>,
}

/// A position on the globe, in ten-thousandths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Position {
    /// North is positive.
    #[prost(sint32, tag = "1")]
    pub north: i32,
    /// East is positive.
    #[prost(sint32, tag = "2")]
    pub east: i32,
}

impl Position {
    const PARTS: f64 = 10_000.0;

    /// Of degrees; none where these are not on the globe.
    #[expect(clippy::cast_possible_truncation, reason = "it is within bounds")]
    pub fn of(north: f64, east: f64) -> Option<Self> {
        let is_real = (-90.0..=90.0).contains(&north) && (-180.0..=180.0).contains(&east);
        let part = |degrees: f64| (degrees * Self::PARTS).round() as i32;
        is_real.then(|| Self { north: part(north), east: part(east) })
    }

    /// Degrees north and degrees east.
    pub fn degrees(self) -> (f64, f64) {
        (f64::from(self.north) / Self::PARTS, f64::from(self.east) / Self::PARTS)
    }
}

impl Row {
    /// Whether it is a call, and no request for tokens.
    pub fn is_call(&self) -> bool {
        self.api_type != TOKEN
    }

    /// For how many calls this one stands; at least 1.
    pub fn calls(&self) -> u64 {
        self.weight.max(1).into()
    }
}

/// Calls of one minute by who called what: what is counted exactly for alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Minutes since the Unix epoch.
    pub minute: i64,
    /// Who called what.
    pub subject: Subject,
    /// How many calls, those included that others stand for.
    pub calls: u64,
}

/// An application's use of an API version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// Name of the Api.
    pub api: String,
    /// Its version.
    pub api_version: String,
    /// Name of the Application; empty: none was known.
    pub application: String,
    /// Consumer key of the client where no application was known; empty: neither was.
    pub client: String,
}
