//! How do answers look on the wire?

use data_encoding::HEXLOWER;
use prost_types::{Duration, Timestamp};
use tonic::Status;
use turnpike_proto::usage::v1;

use crate::alert;
use crate::event::Row;
use crate::live::matches::client_address;
use crate::question::{Dimension, Group, Measure};
use crate::report::ask::text;
use crate::report::compare::ComparedRow;
use crate::report::errors::ErrorRow;
use crate::report::geography::GeographyRow;
use crate::report::last_used::LastUse;
use crate::report::latency::LatencyRow;
use crate::report::usage::UsageRow;
use crate::report::{Answer, ReportError, names};
use crate::store::QueryError;

/// Counts.
pub fn usage(row: UsageRow) -> v1::UsageRow {
    v1::UsageRow {
        from: Some(timestamp(row.from_us)),
        api: row.api,
        api_version: row.api_version,
        application: row.application,
        calls: row.calls,
        errors: row.errors,
        throttled: row.throttled,
        request_bytes: row.request_bytes,
        response_bytes: row.response_bytes,
    }
}

/// Times.
pub fn latency(row: LatencyRow) -> v1::LatencyRow {
    v1::LatencyRow {
        from: Some(timestamp(row.from_us)),
        api: row.api,
        api_version: row.api_version,
        calls: row.calls,
        p50_us: row.p50_us,
        p95_us: row.p95_us,
        p99_us: row.p99_us,
        max_us: row.max_us,
        backend_p50_us: row.backend_p50_us,
        backend_p99_us: row.backend_p99_us,
    }
}

/// Errors.
pub fn error(row: ErrorRow) -> v1::ErrorRow {
    v1::ErrorRow {
        api: row.api,
        api_version: row.api_version,
        status: row.status,
        fault_code: row.fault_code,
        fault_type: row.fault_type,
        calls: row.calls,
        last: Some(timestamp(row.last_us)),
    }
}

/// Places.
pub fn geography(row: GeographyRow) -> v1::GeographyRow {
    let known = !row.country.is_empty();
    let country = if known { row.country } else { "unknown".to_owned() };
    let GeographyRow { subdivision, city, asn, api, calls, addresses, .. } = row;
    v1::GeographyRow { country, api, calls, addresses, subdivision, city, asn }
}

/// What was counted of any question.
pub fn answer(by: &[Dimension], measures: &[Measure], answer: Answer) -> v1::QueryResponse {
    let Answer { groups, more, hidden_calls } = answer;
    let groups = groups.into_iter().map(group).collect();
    let (by, measures) = columns(by, measures);
    v1::QueryResponse { by, measures, groups, more, hidden_calls }
}

/// What dimensions and measures are called.
pub fn columns(by: &[Dimension], measures: &[Measure]) -> (Vec<String>, Vec<String>) {
    let by = by.iter().map(|of| names::dimension(*of).to_owned()).collect();
    (by, measures.iter().map(|measure| names::measure(*measure)).collect())
}

fn group(group: Group) -> v1::Group {
    let Group { from_us, by, measures } = group;
    v1::Group { from: Some(timestamp(from_us)), values: by.iter().map(text).collect(), measures }
}

/// A group at two times.
pub fn compared(row: ComparedRow) -> v1::ComparedRow {
    let measures = row.measures.into_iter().map(|pair| v1::Compared {
        now: pair.now,
        before: pair.before,
        difference: pair.difference(),
        share: pair.share(),
    });
    v1::ComparedRow { values: row.values, measures: measures.collect() }
}

/// A call with all that is stored of it.
pub fn call(row: Row) -> v1::Call {
    v1::Call {
        at: Some(timestamp(row.at_us)),
        request_id: HEXLOWER.encode(&row.request_id),
        trace_id: HEXLOWER.encode(&row.trace_id),
        client_ip: client_address(&row),
        api: row.api,
        api_version: row.api_version,
        api_context: row.api_context,
        api_type: row.api_type,
        api_owner: row.api_owner,
        operation: row.operation,
        method: row.method,
        path: row.path,
        host: row.host,
        application: row.application,
        application_owner: row.application_owner,
        consumer_key: row.consumer_key,
        user: row.user,
        tier: row.tier,
        key_type: row.key_type,
        auth_type: row.auth_type,
        country: row.country,
        subdivision: row.subdivision,
        city: row.city,
        asn: row.asn,
        user_agent: row.user_agent,
        device: row.device,
        operating_system: row.operating_system,
        agent: row.agent,
        protocol: row.protocol,
        status: row.status,
        backend_status: row.backend_status,
        backend: row.backend,
        fault_code: row.fault_code,
        fault_type: row.fault_type,
        fault_subtype: row.fault_subtype,
        total_us: row.total_us,
        backend_us: row.backend_us,
        security_us: row.security_us,
        throttling_us: row.throttling_us,
        request_mediation_us: row.request_mediation_us,
        response_mediation_us: row.response_mediation_us,
        request_bytes: row.request_bytes,
        response_bytes: row.response_bytes,
        over_quota: row.over_quota,
        from_cache: row.from_cache,
        gateway: row.gateway,
        region: row.region,
        tenant: row.tenant,
        weight: row.weight,
    }
}

/// Last calls.
pub fn last_used(row: LastUse) -> v1::LastUsedRow {
    v1::LastUsedRow { key: row.key, at: Some(timestamp(row.at_us)) }
}

/// An alert.
pub fn alert(alert: &alert::Alert) -> v1::Alert {
    let severity = match alert.severity {
        alert::Severity::Severe => v1::alert::Severity::Severe,
        alert::Severity::Moderate => v1::alert::Severity::Moderate,
        alert::Severity::Mild => v1::alert::Severity::Mild,
    };
    v1::Alert {
        id: alert.id.clone(),
        r#type: alert.kind.clone(),
        severity: severity.into(),
        raised_at: Some(timestamp(alert.raised_at_us)),
        message: alert.message.clone(),
        api: alert.api.clone(),
        api_version: alert.api_version.clone(),
        application: alert.application.clone(),
        evidence: alert.evidence.clone(),
        cause: alert.cause.clone(),
    }
}

/// No answer.
pub fn status(error: &ReportError) -> Status {
    let why = error.to_string();
    match error {
        ReportError::TooManyGroups
        | ReportError::Query(QueryError::Memory(_) | QueryError::Busy) => {
            Status::resource_exhausted(why)
        }
        ReportError::TooLong(_) | ReportError::Query(QueryError::Refused(_)) => {
            Status::invalid_argument(why)
        }
        ReportError::Query(QueryError::Timeout(_)) => Status::deadline_exceeded(why),
        ReportError::Query(QueryError::Away(_)) => Status::unavailable(why),
        ReportError::Query(QueryError::Engine(_) | QueryError::Server(_) | QueryError::Broken) => {
            Status::internal(why)
        }
    }
}

/// A span of time.
pub fn duration(us: i64) -> Duration {
    let Timestamp { seconds, nanos } = timestamp(us);
    Duration { seconds, nanos }
}

/// An instant.
pub fn timestamp(us: i64) -> Timestamp {
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1000).unwrap_or(0);
    Timestamp { seconds: us.div_euclid(1_000_000), nanos }
}
