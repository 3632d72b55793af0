//! What are dimensions and measures called by whoever asks?
//!
//! A dimension is called like the column that it is; a measure says what is made of which amount:
//! `p95_total`, `sum_request_bytes`, `distinct_user`. Times are in microseconds, sizes in bytes.

use crate::question::{Amount, Dimension, Measure};

/// What values of a dimension are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Numbers from 0.
    Number,
    /// `true` and `false`.
    Flag,
}

const DIMENSIONS: &[(&str, Dimension)] = &[
    ("api", Dimension::Api),
    ("api_version", Dimension::ApiVersion),
    ("api_context", Dimension::ApiContext),
    ("api_type", Dimension::ApiType),
    ("api_owner", Dimension::ApiOwner),
    ("operation", Dimension::Operation),
    ("method", Dimension::Method),
    ("path", Dimension::Path),
    ("host", Dimension::Host),
    ("application", Dimension::Application),
    ("application_owner", Dimension::ApplicationOwner),
    ("consumer_key", Dimension::ConsumerKey),
    ("user", Dimension::User),
    ("tier", Dimension::Tier),
    ("key_type", Dimension::KeyType),
    ("auth_type", Dimension::AuthType),
    ("client_ip", Dimension::ClientIp),
    ("country", Dimension::Country),
    ("subdivision", Dimension::Subdivision),
    ("city", Dimension::City),
    ("asn", Dimension::Asn),
    ("device", Dimension::Device),
    ("operating_system", Dimension::OperatingSystem),
    ("agent", Dimension::Agent),
    ("protocol", Dimension::Protocol),
    ("status", Dimension::Status),
    ("backend_status", Dimension::BackendStatus),
    ("backend", Dimension::Backend),
    ("fault_code", Dimension::FaultCode),
    ("fault_type", Dimension::FaultType),
    ("fault_subtype", Dimension::FaultSubtype),
    ("from_cache", Dimension::FromCache),
    ("gateway", Dimension::Gateway),
    ("region", Dimension::Region),
    ("tenant", Dimension::Tenant),
];

const AMOUNTS: &[(&str, Amount)] = &[
    ("total", Amount::Total),
    ("backend", Amount::Backend),
    ("security", Amount::Security),
    ("throttling", Amount::Throttling),
    ("request_mediation", Amount::RequestMediation),
    ("response_mediation", Amount::ResponseMediation),
    ("other", Amount::Other),
    ("request_bytes", Amount::RequestBytes),
    ("response_bytes", Amount::ResponseBytes),
];

/// Measures that are of no amount.
const COUNTS: &[(&str, Measure)] = &[
    ("calls", Measure::Calls),
    ("errors", Measure::Errors),
    ("server_errors", Measure::ServerErrors),
    ("throttled", Measure::Throttled),
    ("cached", Measure::Cached),
    ("last", Measure::Last),
];

type Making = fn(Amount) -> Measure;

/// What can be made of an amount.
const MAKINGS: &[(&str, Making)] = &[
    ("sum", Measure::Sum),
    ("mean", Measure::Mean),
    ("max", Measure::Max),
    ("p50", |amount| Measure::Quantile(amount, 500)),
    ("p75", |amount| Measure::Quantile(amount, 750)),
    ("p90", |amount| Measure::Quantile(amount, 900)),
    ("p95", |amount| Measure::Quantile(amount, 950)),
    ("p99", |amount| Measure::Quantile(amount, 990)),
    ("p999", |amount| Measure::Quantile(amount, 999)),
];

/// The dimension of this name.
pub fn find_dimension(name: &str) -> Option<Dimension> {
    find(DIMENSIONS, name)
}

/// The measure of this name.
pub fn find_measure(name: &str) -> Option<Measure> {
    if let Some(count) = find(COUNTS, name) {
        return Some(count);
    }
    let (making, of) = name.split_once('_')?;
    if making == "distinct" {
        return find_dimension(of).map(Measure::Distinct);
    }
    Some(find(MAKINGS, making)?(find(AMOUNTS, of)?))
}

/// What a dimension is called.
pub fn dimension(dimension: Dimension) -> &'static str {
    name_of(DIMENSIONS, dimension).unwrap_or_default()
}

/// What a measure is called.
pub fn measure(measure: Measure) -> String {
    if let Some(name) = name_of(COUNTS, measure) {
        return name.to_owned();
    }
    let (Measure::Sum(amount)
    | Measure::Mean(amount)
    | Measure::Max(amount)
    | Measure::Quantile(amount, _)) = measure
    else {
        return match measure {
            Measure::Distinct(of) => format!("distinct_{}", dimension(of)),
            _ => String::new(),
        };
    };
    let making = MAKINGS.iter().find(|(_, make)| make(amount) == measure);
    let making = making.map_or("quantile", |(name, _)| *name);
    format!("{making}_{}", name_of(AMOUNTS, amount).unwrap_or_default())
}

/// What values of a dimension are.
pub const fn kind(dimension: Dimension) -> Kind {
    match dimension {
        Dimension::Asn | Dimension::Status | Dimension::BackendStatus | Dimension::FaultCode => {
            Kind::Number
        }
        Dimension::FromCache => Kind::Flag,
        _ => Kind::Text,
    }
}

/// The names of all dimensions, for whoever named none of them.
pub fn dimensions() -> String {
    join(DIMENSIONS)
}

/// What measures are called, for whoever named none of them.
pub fn measures() -> String {
    format!(
        "{}; one of {} with `_` and one of {}; and distinct_ with a dimension",
        join(COUNTS),
        join(MAKINGS),
        join(AMOUNTS)
    )
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn name_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == value).map(|(name, _)| *name)
}

fn join<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, understood: Option<Measure>) {
        assert_eq!(find_measure(name), understood, "{name}");
        if let Some(understood) = understood {
            assert_eq!(measure(understood), name);
        }
    }

    #[test]
    fn measures_are_called_what_they_are() {
        check("calls", Some(Measure::Calls));
        check("server_errors", Some(Measure::ServerErrors));
        check("p999_total", Some(Measure::Quantile(Amount::Total, 999)));
        check("sum_request_bytes", Some(Measure::Sum(Amount::RequestBytes)));
        check("mean_request_mediation", Some(Measure::Mean(Amount::RequestMediation)));
        check("distinct_client_ip", Some(Measure::Distinct(Dimension::ClientIp)));
    }

    #[test]
    fn what_is_no_measure_is_none() {
        for name in
            ["", "p95", "p95_", "p94_total", "sum_calls", "distinct_", "distinct_total", "Calls"]
        {
            check(name, None);
        }
    }

    #[test]
    fn every_dimension_finds_itself_by_its_name() {
        for (name, known) in DIMENSIONS {
            assert_eq!(find_dimension(name), Some(*known));
            assert_eq!(dimension(*known), *name);
        }
    }
}
