//! How do answers look on the wire?

use prost_types::Timestamp;
use tonic::Status;
use turnpike_proto::usage::v1;

use crate::alert;
use crate::report::ReportError;
use crate::report::errors::ErrorRow;
use crate::report::geography::GeographyRow;
use crate::report::last_used::LastUse;
use crate::report::latency::LatencyRow;
use crate::report::usage::UsageRow;
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
    v1::GeographyRow { country, api: row.api, calls: row.calls, addresses: row.addresses }
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
        ReportError::TooManyRows | ReportError::Query(QueryError::Memory(_) | QueryError::Busy) => {
            Status::resource_exhausted(why)
        }
        ReportError::Query(QueryError::Refused(_)) => Status::invalid_argument(why),
        ReportError::Query(QueryError::Timeout(_)) => Status::deadline_exceeded(why),
        ReportError::Query(QueryError::Engine(_) | QueryError::Broken) => Status::internal(why),
    }
}

fn timestamp(us: i64) -> Timestamp {
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1000).unwrap_or(0);
    Timestamp { seconds: us.div_euclid(1_000_000), nanos }
}
