//! How does a call come back out of columns?
//!
//! The other way round than `table` lays it out; every column has its line here.

use crate::event::Row;

use super::table::SCHEMA;

/// The call of a row that has all columns of the table, in their order.
pub fn row(found: &duckdb::Row<'_>) -> duckdb::Result<Row> {
    let mut row = Row::default();
    for (at, field) in SCHEMA.fields().iter().enumerate() {
        set(&mut row, field.name(), found, at)?;
    }
    Ok(row)
}

fn set(row: &mut Row, name: &str, found: &duckdb::Row<'_>, at: usize) -> duckdb::Result<()> {
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
        unknown => return Err(duckdb::Error::InvalidColumnName(unknown.to_owned())),
    }
    Ok(())
}
