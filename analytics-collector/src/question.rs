//! What can be asked of the events, whatever store keeps them?
//!
//! Reports are made of two kinds of questions: counts of calls, grouped ([`Question`]), and the calls
//! themselves, newest first ([`Search`]). A store answers both with the same numbers, from rolled-up
//! counts where those suffice. What a caller says is always a value and never part of a query's text.

use crate::event::Row;

/// The calls from `since_us` on and before `until_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first microsecond that counts.
    pub since_us: i64,
    /// The first that does not count any more.
    pub until_us: i64,
}

/// Counts of calls, grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which time.
    pub window: Window,
    /// Only calls for which all of these hold.
    pub conditions: Vec<Condition>,
    /// Time is cut into parts of so many microseconds, counted from the Unix epoch; absent: not cut.
    pub interval_us: Option<i64>,
    /// Calls with equal values are counted together.
    pub by: Vec<Dimension>,
    /// What is counted.
    pub measures: Vec<Measure>,
    /// Which groups come first. With an interval, groups stand in the order of time first.
    pub order: Order,
    /// At most so many groups; a store answers one more where there are more.
    pub most: usize,
}

/// What calls are told apart by. Each is a column of [`Row`] of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Name of the Api.
    Api,
    /// Its version.
    ApiVersion,
    /// Its context.
    ApiContext,
    /// `HTTP`, `WS`, `SSE`, `GRPC`, `GRAPHQL`, …
    ApiType,
    /// Who owns the Api.
    ApiOwner,
    /// Path template.
    Operation,
    /// HTTP method.
    Method,
    /// The path that was called.
    Path,
    /// The host that was asked for.
    Host,
    /// Name of the Application.
    Application,
    /// Its owner.
    ApplicationOwner,
    /// Client identifier.
    ConsumerKey,
    /// Subject of the token.
    User,
    /// Tier of the subscription.
    Tier,
    /// `production` or `sandbox`.
    KeyType,
    /// How the caller showed who they are: `jwt`, `opaque`, `api-key`, `basic`, `certificate`; empty: not.
    AuthType,
    /// As much of the client's address as is kept, as text.
    ClientIp,
    /// Country.
    Country,
    /// State, province, canton.
    Subdivision,
    /// City.
    City,
    /// Number of the autonomous system.
    Asn,
    /// `desktop`, `phone`, `tablet`, `bot`, `program`, `other`.
    Device,
    /// Name of the operating system.
    OperatingSystem,
    /// Name of the browser or the program.
    Agent,
    /// `HTTP/1.1`, `HTTP/2.0`.
    Protocol,
    /// Status that the client got; 0: it left before.
    Status,
    /// Status that the backend gave; 0: none.
    BackendStatus,
    /// Host and port of the backend.
    Backend,
    /// Code of the gateway's fault; 0: none.
    FaultCode,
    /// Class of the fault.
    FaultType,
    /// Part of the class: which limit, which check.
    FaultSubtype,
    /// Whether the answer came from the cache.
    FromCache,
    /// Name of the gateway.
    Gateway,
    /// Where the gateway stands.
    Region,
    /// Tenant of the Api; empty: the operator.
    Tenant,
}

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Amount {
    /// The whole call, microseconds.
    Total,
    /// The backend's part; only calls that reached one are counted.
    Backend,
    /// Finding the caller and their rights.
    Security,
    /// Asking the limits.
    Throttling,
    /// Changing and checking the request.
    RequestMediation,
    /// Changing and checking the answer.
    ResponseMediation,
    /// What is left of the total when the other parts are taken away.
    Other,
    /// Body bytes from the client.
    RequestBytes,
    /// Body bytes to the client.
    ResponseBytes,
}

/// What is counted of a group. Calls count with their weight: one that stands for ten counts as ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// All calls.
    Calls,
    /// Those with a status of 400 or more, or none.
    Errors,
    /// Those with a status of 500 or more.
    ServerErrors,
    /// Those refused by a limit.
    Throttled,
    /// Those answered from the cache.
    Cached,
    /// Sum of an amount; it stays at the largest number where it would pass it.
    Sum(Amount),
    /// Mean of an amount.
    Mean(Amount),
    /// Largest amount.
    Max(Amount),
    /// The amount that so many of a thousand calls do not exceed, off by at most 1 %.
    Quantile(Amount, u16),
    /// Different values, off by at most 2 % beyond some thousands; by the whole address where the
    /// dimension is [`Dimension::ClientIp`].
    Distinct(Dimension),
    /// When the last call began, microseconds since the Unix epoch.
    Last,
}

/// What must hold of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of which value.
    pub of: Dimension,
    /// What.
    pub test: Test,
}

/// What must hold of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is one of these.
    OneOf(Vec<String>),
    /// It is none of these.
    NoneOf(Vec<String>),
    /// It begins so.
    Prefix(String),
    /// It contains this, whatever the case of letters.
    Contains(String),
    /// It is a number from the first to the second, both included.
    Between(i64, i64),
}

/// Which groups come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those with most of the measure at this place; ties by the values of the dimensions.
    Most(usize),
    /// Those with least of it.
    Least(usize),
    /// By the values of the dimensions.
    Values,
}

/// A group and what was counted of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Start of its part of time, microseconds since the Unix epoch; of the window where time is not
    /// cut.
    pub from_us: i64,
    /// Values of the dimensions, in the order of the question.
    pub by: Vec<Cell>,
    /// What was counted, in the order of the question. A measure of no calls is 0.
    pub measures: Vec<f64>,
}

/// A value of a dimension.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text; empty: unknown.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

/// Calls themselves, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Which time.
    pub window: Window,
    /// Only calls for which all of these hold.
    pub conditions: Vec<Condition>,
    /// Only this call.
    pub request_id: Option<[u8; 16]>,
    /// Only calls that took so many microseconds or more.
    pub slower_than_us: Option<u64>,
    /// Where the page before ended.
    pub after: Option<Place>,
    /// At most so many.
    pub most: usize,
}

/// A place in the order of calls: newest first, then by request identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When the call began.
    pub at_us: i64,
    /// Which it was.
    pub request_id: [u8; 16],
}

/// A page of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Newest first.
    pub rows: Vec<Row>,
    /// Where it ends, if there may be more.
    pub next: Option<Place>,
}
