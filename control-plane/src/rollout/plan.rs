//! What was asked for, complete and checked?

use std::time::Duration;

use turnpike_proto::admin::v1::{RolloutGuard, RolloutPlan};

use super::error::RolloutError;

const MOST_STEPS: usize = 20;
const WATCH: Duration = Duration::from_secs(30);
const LONGEST_WATCH: Duration = Duration::from_hours(24);
const ERRORS_PERCENT: f64 = 1.0;
const MINIMUM_CALLS: u32 = 100;

/// The plan with everything that was left out.
pub(super) fn complete(plan: RolloutPlan) -> Result<RolloutPlan, RolloutError> {
    let RolloutPlan { steps, guard, pauses, group } = plan;
    check_steps(&steps)?;
    let guard = guard.unwrap_or_default();
    let errors = guard.errors_percent.unwrap_or(ERRORS_PERCENT);
    if !(0.0..=100.0).contains(&errors) {
        return Err(RolloutError::Plan("`errorsPercent` is from 0 to 100"));
    }
    if guard.latency_percent.is_some_and(|percent| !(percent > 0.0 && percent.is_finite())) {
        return Err(RolloutError::Plan("`latencyPercent` is greater than 0"));
    }
    let watch = guard.watch.map(Duration::try_from).transpose();
    let watch = watch.map_err(|_| RolloutError::Plan("`watch` is not a span of time"))?;
    let watch = watch.unwrap_or(WATCH);
    if !(Duration::from_secs(1)..=LONGEST_WATCH).contains(&watch) {
        return Err(RolloutError::Plan("`watch` is from 1 s to 24 h"));
    }
    let guard = RolloutGuard {
        errors_percent: Some(errors),
        latency_percent: guard.latency_percent,
        watch: prost_types::Duration::try_from(watch).ok(),
        minimum_calls: Some(guard.minimum_calls.unwrap_or(MINIMUM_CALLS)),
    };
    Ok(RolloutPlan { steps, guard: Some(guard), pauses, group })
}

fn check_steps(steps: &[u32]) -> Result<(), RolloutError> {
    if steps.is_empty() || steps.len() > MOST_STEPS {
        return Err(RolloutError::Plan("a rollout has 1 to 20 steps"));
    }
    let grows = steps.iter().zip(steps.iter().skip(1)).all(|(one, next)| one < next);
    if !grows || steps.first() == Some(&0) {
        return Err(RolloutError::Plan("each step is larger than the one before, and than 0"));
    }
    if steps.last() != Some(&100) {
        return Err(RolloutError::Plan("the last step is 100"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(steps: &[u32], guard: RolloutGuard, expected: &str) {
        let (steps, guard) = (steps.to_vec(), Some(guard));
        let plan = RolloutPlan { steps, guard, ..RolloutPlan::default() };
        let said = match complete(plan) {
            Ok(plan) => {
                let guard = plan.guard.unwrap();
                let seconds = guard.watch.unwrap().seconds;
                let (errors, calls) = (guard.errors_percent.unwrap(), guard.minimum_calls.unwrap());
                format!("{errors}% for {seconds}s, {calls} calls")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        check(&[5, 100], RolloutGuard::default(), "1% for 30s, 100 calls");
        let zero = RolloutGuard { errors_percent: Some(0.0), ..RolloutGuard::default() };
        check(&[100], zero, "0% for 30s, 100 calls");
    }

    #[test]
    fn steps_grow_up_to_everybody() {
        check(&[], RolloutGuard::default(), "a rollout has 1 to 20 steps");
        check(
            &[0, 100],
            RolloutGuard::default(),
            "each step is larger than the one before, and than 0",
        );
        check(
            &[25, 5, 100],
            RolloutGuard::default(),
            "each step is larger than the one before, and than 0",
        );
        check(&[5, 25], RolloutGuard::default(), "the last step is 100");
        check(&[5, 101], RolloutGuard::default(), "the last step is 100");
    }

    #[test]
    fn a_limit_that_says_nothing_is_refused() {
        let not_a_number =
            RolloutGuard { errors_percent: Some(f64::NAN), ..RolloutGuard::default() };
        check(&[100], not_a_number, "`errorsPercent` is from 0 to 100");
        let none = RolloutGuard { latency_percent: Some(0.0), ..RolloutGuard::default() };
        check(&[100], none, "`latencyPercent` is greater than 0");
        let watch = Some(prost_types::Duration { seconds: 0, nanos: 5 });
        check(
            &[100],
            RolloutGuard { watch, ..RolloutGuard::default() },
            "`watch` is from 1 s to 24 h",
        );
    }
}
