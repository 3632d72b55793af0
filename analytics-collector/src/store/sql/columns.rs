//! Where does each value of a question lie?

use super::dialect::Dialect;
use crate::question::{Amount, Dimension};

/// What the values of a dimension are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts; empty: unknown.
    Text,
    /// Numbers; 0: unknown.
    Number,
    /// Yes or no.
    Flag,
    /// Addresses, 4 or 16 bytes; empty: unknown.
    Address,
}

/// The column of a dimension.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the table.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// As SQL; quoted, because `user` is a word of its own there.
    pub fn sql(self) -> String {
        format!("\"{}\"", self.name)
    }

    /// The value in an answer; `name` is what the query calls it.
    pub fn shown(self, name: &str, dialect: Dialect) -> String {
        match self.kind {
            Kind::Address => dialect.shown(name),
            Kind::Text | Kind::Number | Kind::Flag => name.to_owned(),
        }
    }

    /// Whether a call has a value there, as SQL.
    pub fn is_known(self) -> String {
        match self.kind {
            Kind::Flag => "true".to_owned(),
            Kind::Text => format!("{} <> ''", self.sql()),
            Kind::Number => format!("{} <> 0", self.sql()),
            // Several addresses may have the same kept part.
            Kind::Address => "address_id <> 0".to_owned(),
        }
    }

    /// The same in every version of the engine, as SQL: what sketches are made of that are kept.
    /// It takes its time.
    pub fn lasting_digest(self, dialect: Dialect, value: &str) -> String {
        match self.kind {
            Kind::Address => value.to_owned(),
            _ => dialect.lasting_digest(value),
        }
    }

    /// What the digest is made of, as SQL.
    pub fn digested(self) -> String {
        match self.kind {
            Kind::Address => "address_id".to_owned(),
            _ => self.sql(),
        }
    }

    /// A number of 64 bits that differs where values differ, as SQL.
    pub fn digest(self, dialect: Dialect) -> String {
        match self.kind {
            Kind::Address => "address_id".to_owned(),
            _ => dialect.digest(&self.sql()),
        }
    }
}

/// Where a dimension lies.
pub fn of(dimension: Dimension) -> Column {
    let (name, kind) = match dimension {
        Dimension::Api => ("api", Kind::Text),
        Dimension::ApiVersion => ("api_version", Kind::Text),
        Dimension::ApiContext => ("api_context", Kind::Text),
        Dimension::ApiType => ("api_type", Kind::Text),
        Dimension::ApiOwner => ("api_owner", Kind::Text),
        Dimension::Operation => ("operation", Kind::Text),
        Dimension::Method => ("method", Kind::Text),
        Dimension::Path => ("path", Kind::Text),
        Dimension::Host => ("host", Kind::Text),
        Dimension::Application => ("application", Kind::Text),
        Dimension::ApplicationOwner => ("application_owner", Kind::Text),
        Dimension::ConsumerKey => ("consumer_key", Kind::Text),
        Dimension::User => ("user", Kind::Text),
        Dimension::Tier => ("tier", Kind::Text),
        Dimension::KeyType => ("key_type", Kind::Text),
        Dimension::AuthType => ("auth_type", Kind::Text),
        Dimension::ClientIp => ("client_ip", Kind::Address),
        Dimension::Country => ("country", Kind::Text),
        Dimension::Subdivision => ("subdivision", Kind::Text),
        Dimension::City => ("city", Kind::Text),
        Dimension::Asn => ("asn", Kind::Number),
        Dimension::Device => ("device", Kind::Text),
        Dimension::OperatingSystem => ("operating_system", Kind::Text),
        Dimension::Agent => ("agent", Kind::Text),
        Dimension::Protocol => ("protocol", Kind::Text),
        Dimension::Status => ("status", Kind::Number),
        Dimension::BackendStatus => ("backend_status", Kind::Number),
        Dimension::Backend => ("backend", Kind::Text),
        Dimension::FaultCode => ("fault_code", Kind::Number),
        Dimension::FaultType => ("fault_type", Kind::Text),
        Dimension::FaultSubtype => ("fault_subtype", Kind::Text),
        Dimension::FromCache => ("from_cache", Kind::Flag),
        Dimension::Gateway => ("gateway", Kind::Text),
        Dimension::Region => ("region", Kind::Text),
        Dimension::Tenant => ("tenant", Kind::Text),
    };
    Column { name, kind }
}

/// For how many calls one stands, as SQL.
pub const WEIGHT: &str = "greatest(weight, 1)";

/// The parts of a call's time that have a name.
const PARTS: [&str; 5] =
    ["backend_us", "security_us", "throttling_us", "request_mediation_us", "response_mediation_us"];

/// An amount, as SQL.
pub fn amount(amount: Amount, dialect: Dialect) -> String {
    let name = match amount {
        Amount::Total => "total_us",
        Amount::Backend => "backend_us",
        Amount::Security => "security_us",
        Amount::Throttling => "throttling_us",
        Amount::RequestMediation => "request_mediation_us",
        Amount::ResponseMediation => "response_mediation_us",
        Amount::Other => return dialect.remainder("total_us", &PARTS),
        Amount::RequestBytes => "request_bytes",
        Amount::ResponseBytes => "response_bytes",
    };
    name.to_owned()
}

/// Which calls an amount is counted of, as SQL; nothing: all.
pub fn counted(amount: Amount) -> Option<&'static str> {
    (amount == Amount::Backend).then_some("backend_us > 0")
}
