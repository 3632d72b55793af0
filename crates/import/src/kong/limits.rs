//! Which tier does a rate limit of Kong become?

use plan::Resource;
use serde_json::Value;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{Metadata, Quota, Tier, TierSpec};

use crate::reading::{list, number, text};
use crate::report::Report;

/// The members that say a limit, and their seconds.
const WINDOWS: [(&str, i64); 6] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
    ("month", 30 * 86_400),
    ("year", 365 * 86_400),
];
/// The most quotas of a tier.
const QUOTAS: usize = 3;

/// A tier with the limits of `config`: of an Api, or of an Application; `None`: it has none.
pub(super) fn tier(
    config: &Value,
    name: &str,
    of_api: bool,
    place: &str,
    report: &mut Report,
) -> Option<Resource> {
    let mut quotas = quotas(config);
    for beyond in quotas.split_off(quotas.len().min(QUOTAS)) {
        let per = beyond.per.map(|per| per.seconds).unwrap_or_default();
        let what = format!("{} calls per {per} s", beyond.requests);
        report.left(place, what, format!("a tier has at most {QUOTAS} quotas"));
    }
    if quotas.is_empty() {
        report.left(place, "plugin", "it says no limit");
        return None;
    }
    let by = match text(config, "limit_by") {
        "" => "consumer",
        by => by,
    };
    let per_user = of_api && by != "service";
    let mut how = format!("Tier/{name}");
    if per_user && !matches!(by, "consumer" | "credential" | "ip") {
        how.push_str(", counted for each caller");
    } else if per_user {
        how.push_str(", counted for each caller; who shows nothing is one by its address");
    }
    if matches!(text(config, "policy"), "redis" | "cluster") {
        how.push_str("; each gateway counts for itself until spec.counting says otherwise");
    }
    report.changed(place, "plugin", how);
    let mut all = quotas.into_iter();
    Some(Resource {
        resource: Some(Any::Tier(Tier {
            metadata: Some(Metadata { name: name.to_owned(), ..Metadata::default() }),
            spec: Some(TierSpec {
                level: if of_api { Level::Advanced } else { Level::Application }.into(),
                quota: all.next(),
                quotas: all.collect(),
                per_user,
                ..TierSpec::default()
            }),
            ..Tier::default()
        })),
    })
}

fn quotas(config: &Value) -> Vec<Quota> {
    let quota = |requests: u64, seconds: i64| Quota {
        requests,
        per: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..Quota::default()
    };
    let mut quotas: Vec<Quota> = WINDOWS
        .iter()
        .filter_map(|(name, seconds)| Some(quota(number(config, name)?, *seconds)))
        .collect();
    // The advanced plugin says limits and windows side by side.
    let pairs = list(config, "limit").iter().zip(list(config, "window_size"));
    quotas.extend(pairs.filter_map(|(limit, window)| {
        Some(quota(limit.as_u64()?, i64::try_from(window.as_u64()?).ok()?))
    }));
    quotas.retain(|quota| quota.requests > 0);
    quotas
}
