//! In which waves is a change to come into force, as a query says it?

use std::time::Duration;

use turnpike_proto::admin::v1::{RolloutGuard, RolloutPlan};

use super::fault::Fault;
use super::input::Query;

/// The parameters that are read here; all but the first say more of it.
pub(super) const NAMES: [&str; 7] =
    ["rollout", "group", "stepByStep", "errorsPercent", "latencyPercent", "watch", "minimumCalls"];

/// None: in one go.
pub(super) fn waves(query: &mut Query) -> Result<Option<RolloutPlan>, Fault> {
    let steps = query.take("rollout");
    let group = query.take("group");
    let pauses = query.switch("stepByStep")?;
    let guard = RolloutGuard {
        errors_percent: number(query, "errorsPercent")?,
        latency_percent: number(query, "latencyPercent")?,
        watch: query.span("watch")?.map(span),
        minimum_calls: number(query, "minimumCalls")?,
    };
    let Some(steps) = steps else {
        if group.is_some() || pauses || guard != RolloutGuard::default() {
            let [_, more @ ..] = NAMES;
            let what = format!("{} say more of `rollout`, which is missing", more.join(", "));
            return Err(Fault::Request(what));
        }
        return Ok(None);
    };
    let steps: Result<Vec<u32>, _> = steps.split(',').map(|step| step.trim().parse()).collect();
    let steps = steps.map_err(|_| {
        Fault::Request("rollout is a list of percentages, like 5,25,100".to_owned())
    })?;
    let group = group.unwrap_or_default();
    Ok(Some(RolloutPlan { steps, guard: Some(guard), pauses, group }))
}

fn number<T: std::str::FromStr>(query: &mut Query, name: &str) -> Result<Option<T>, Fault> {
    let text = query.take(name);
    let number = text.map(|text| text.trim_end_matches('%').parse()).transpose();
    number.map_err(|_| Fault::Request(format!("{name} is a number")))
}

fn span(span: Duration) -> prost_types::Duration {
    // What is longer than a message can say is longer than any plan may.
    prost_types::Duration::try_from(span)
        .unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let said = match waves(&mut Query::of(Some(query))) {
            Ok(None) => "in one go".to_owned(),
            Ok(Some(plan)) => {
                let RolloutPlan { steps, guard, pauses, group } = plan;
                let RolloutGuard { errors_percent, watch, minimum_calls, .. } = guard.unwrap();
                let seconds = watch.map(|watch| watch.seconds);
                format!(
                    "{steps:?} {group} {pauses} {errors_percent:?} {seconds:?} {minimum_calls:?}"
                )
            }
            Err(Fault::Request(why)) => why,
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_query_says_how_a_change_goes_in_force() {
        check("wait=all", "in one go");
        check("rollout=5,25,100", "[5, 25, 100]  false None None None");
        check(
            "rollout=100&group=canary&stepByStep=true&errorsPercent=0.5%25&watch=1m&minimumCalls=0",
            "[100] canary true Some(0.5) Some(60) Some(0)",
        );
    }

    #[test]
    fn what_says_nothing_is_refused() {
        check("rollout=some", "rollout is a list of percentages, like 5,25,100");
        check("rollout=100&minimumCalls=-1", "minimumCalls is a number");
        check(
            "group=canary",
            "group, stepByStep, errorsPercent, latencyPercent, watch, minimumCalls say more of \
             `rollout`, which is missing",
        );
    }
}
