//! How does a call come back out of columns?
//!
//! The other way round than `table` lays it out; every column has its line here.

use data_encoding::HEXUPPER_PERMISSIVE;
use duckdb::types::FromSql;

use super::table::SCHEMA;
use crate::event::Row;

/// What an engine has found: values by their place.
pub trait Found {
    /// Why there is no value.
    type Error;

    /// The value at a place.
    fn get<T: Kept>(&self, at: usize) -> Result<T, Self::Error>;

    /// A column of this name is none of the table.
    fn unknown(&self, name: &str) -> Self::Error;
}

/// A value that the table keeps, as each of the engines gives it.
pub trait Kept: FromSql + Sized {
    /// Out of JSON; bytes are hexadecimal digits there.
    fn from_json(json: &serde_json::Value) -> Option<Self>;
}

impl Found for duckdb::Row<'_> {
    type Error = duckdb::Error;

    fn get<T: Kept>(&self, at: usize) -> duckdb::Result<T> {
        self.get(at)
    }

    fn unknown(&self, name: &str) -> duckdb::Error {
        duckdb::Error::InvalidColumnName(name.to_owned())
    }
}

impl Kept for i64 {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_i64()
    }
}

impl Kept for u64 {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_u64()
    }
}

impl Kept for u32 {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_u64()?.try_into().ok()
    }
}

impl Kept for bool {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_bool()
    }
}

impl Kept for String {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_str().map(str::to_owned)
    }
}

impl Kept for Vec<u8> {
    fn from_json(json: &serde_json::Value) -> Option<Self> {
        HEXUPPER_PERMISSIVE.decode(json.as_str()?.as_bytes()).ok()
    }
}

/// The call of a row that has all columns of the table, in their order.
pub fn row<F: Found>(found: &F) -> Result<Row, F::Error> {
    let mut row = Row::default();
    for (at, field) in SCHEMA.fields().iter().enumerate() {
        set(&mut row, field.name(), found, at)?;
    }
    Ok(row)
}

fn set<F: Found>(row: &mut Row, name: &str, found: &F, at: usize) -> Result<(), F::Error> {
    match name {
        "at_us" => row.at_us = found.get(at)?,
        "request_id" => row.request_id = found.get(at)?,
        "trace_id" => row.trace_id = found.get(at)?,
        "api" => row.api = found.get(at)?,
        "api_version" => row.api_version = found.get(at)?,
        "api_context" => row.api_context = found.get(at)?,
        "operation" => row.operation = found.get(at)?,
        "method" => row.method = found.get(at)?,
        "path" => row.path = found.get(at)?,
        "host" => row.host = found.get(at)?,
        "application" => row.application = found.get(at)?,
        "application_owner" => row.application_owner = found.get(at)?,
        "consumer_key" => row.consumer_key = found.get(at)?,
        "user" => row.user = found.get(at)?,
        "tier" => row.tier = found.get(at)?,
        "key_type" => row.key_type = found.get(at)?,
        "client_ip" => row.client_ip = found.get(at)?,
        "user_agent" => row.user_agent = found.get(at)?,
        "protocol" => row.protocol = found.get(at)?,
        "status" => row.status = found.get(at)?,
        "backend_status" => row.backend_status = found.get(at)?,
        "backend" => row.backend = found.get(at)?,
        "fault_code" => row.fault_code = found.get(at)?,
        "fault_type" => row.fault_type = found.get(at)?,
        "total_us" => row.total_us = found.get(at)?,
        "backend_us" => row.backend_us = found.get(at)?,
        "security_us" => row.security_us = found.get(at)?,
        "throttling_us" => row.throttling_us = found.get(at)?,
        "request_bytes" => row.request_bytes = found.get(at)?,
        "response_bytes" => row.response_bytes = found.get(at)?,
        "over_quota" => row.over_quota = found.get(at)?,
        "country" => row.country = found.get(at)?,
        "gateway" => row.gateway = found.get(at)?,
        "address_id" => row.address_id = found.get(at)?,
        "from_cache" => row.from_cache = found.get(at)?,
        "api_type" => row.api_type = found.get(at)?,
        "api_owner" => row.api_owner = found.get(at)?,
        "auth_type" => row.auth_type = found.get(at)?,
        "fault_subtype" => row.fault_subtype = found.get(at)?,
        "tenant" => row.tenant = found.get(at)?,
        "subdivision" => row.subdivision = found.get(at)?,
        "city" => row.city = found.get(at)?,
        "asn" => row.asn = found.get(at)?,
        "device" => row.device = found.get(at)?,
        "operating_system" => row.operating_system = found.get(at)?,
        "agent" => row.agent = found.get(at)?,
        "request_mediation_us" => row.request_mediation_us = found.get(at)?,
        "response_mediation_us" => row.response_mediation_us = found.get(at)?,
        "region" => row.region = found.get(at)?,
        "weight" => row.weight = found.get(at)?,
        unknown => return Err(found.unknown(unknown)),
    }
    Ok(())
}
