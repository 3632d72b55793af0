//! What follows from all that is seen of a rollout?
//!
//! What harms is taken back at once; what cannot be judged does not go on.

use std::time::Duration;

use turnpike_proto::admin::v1::CallFigures;
use turnpike_proto::admin::v1::rollout::State as Stage;

use super::calls::OfApi;
use super::guard::Guard;

/// How long a gateway of the wave may be away or behind, whatever the time for which steps are
/// watched: longer than it takes to come back after its control plane was away.
const LEAST_PATIENCE: Duration = Duration::from_secs(20);
const MOST_PATIENCE: Duration = Duration::from_mins(1);
/// A rollout that sees too few calls for so many times the time of a step waits for somebody.
const TOO_LONG: u32 = 10;

/// A gateway of the wave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) node: String,
    pub(super) is_connected: bool,
    /// For how long it has not served the change, as it should; none: it does.
    pub(super) behind_for: Option<Duration>,
    /// What it refuses, and why.
    pub(super) refuses: Option<String>,
}

/// What is seen of a rollout at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) stage: Stage,
    pub(super) pauses: bool,
    /// There is no gateway for which the change means something.
    pub(super) nobody: bool,
    /// The first wave would have every gateway, so that nobody is left to compare with.
    pub(super) begins_with_all: bool,
    pub(super) members: Vec<Member>,
    pub(super) wave: CallFigures,
    pub(super) rest: Option<CallFigures>,
    /// Single APIs that the change reaches.
    pub(super) apis: Vec<OfApi>,
    /// For how long the step is seen.
    pub(super) seen_for: Duration,
    /// For how long all gateways of the wave serve the change; none: not all do.
    pub(super) served_for: Option<Duration>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look again.
    Stay,
    /// Take the change back.
    Abort(String),
    /// Wait for somebody to say so.
    Pause(String),
    /// Begin the next step, or put the change in force after the last.
    Advance,
}

/// What to do by `guard`.
pub(super) fn next(guard: &Guard, sight: &Sight) -> Next {
    if sight.stage == Stage::Measuring {
        return measured(guard, sight);
    }
    if let Some(reason) = harm(guard, sight) {
        return Next::Abort(reason);
    }
    let Some(served_for) = sight.served_for.filter(|_| sight.stage == Stage::Watching) else {
        return Next::Stay;
    };
    if served_for < guard.watch {
        return Next::Stay;
    }
    match enough(guard, sight.wave.calls, served_for) {
        Next::Advance if sight.pauses => Next::Pause("the step is done".to_owned()),
        other => other,
    }
}

/// What there was before the change is needed only where nobody will be without it.
fn measured(guard: &Guard, sight: &Sight) -> Next {
    if sight.nobody {
        let patience = guard.watch.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let gone = "no gateway is there for which the change means something".to_owned();
        return if sight.seen_for > patience { Next::Abort(gone) } else { Next::Stay };
    }
    if !sight.begins_with_all || guard.minimum_calls == 0 {
        return Next::Advance;
    }
    if sight.seen_for < guard.watch {
        return Next::Stay;
    }
    enough(guard, sight.rest.as_ref().map_or(0, |rest| rest.calls), sight.seen_for)
}

fn enough(guard: &Guard, calls: u64, watched_for: Duration) -> Next {
    if calls >= guard.minimum_calls {
        Next::Advance
    } else if watched_for >= guard.watch.saturating_mul(TOO_LONG) {
        let least = guard.minimum_calls;
        Next::Pause(format!("{calls} calls were seen, and {least} are needed to judge"))
    } else {
        Next::Stay
    }
}

fn harm(guard: &Guard, sight: &Sight) -> Option<String> {
    let patience = guard.watch.clamp(LEAST_PATIENCE, MOST_PATIENCE);
    if sight.members.is_empty() && sight.seen_for > patience {
        return Some("no gateway of the wave is there".to_owned());
    }
    for member in &sight.members {
        let node = &member.node;
        if let Some(refused) = &member.refuses {
            return Some(format!("the gateway {node} refuses {refused}"));
        }
        if member.behind_for.is_some_and(|behind| behind > patience) {
            let what =
                if member.is_connected { "does not serve the change" } else { "has gone away" };
            return Some(format!("the gateway {node} {what}"));
        }
    }
    let of_all = guard.broken(&sight.wave, sight.rest.as_ref());
    of_all.or_else(|| sight.apis.iter().find_map(|of| guard.broken_api(of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard = Guard {
        errors_percent: 1.0,
        latency_percent: None,
        watch: Duration::from_secs(10),
        minimum_calls: 100,
    };

    /// One gateway that serves the change since the step began, `seconds` ago, with 100 good calls.
    fn good(seconds: u64) -> Sight {
        let span = Duration::from_secs(seconds);
        let member = Member { node: "one".to_owned(), is_connected: true, ..Member::default() };
        Sight {
            stage: Stage::Watching,
            pauses: false,
            nobody: false,
            begins_with_all: false,
            members: vec![member],
            wave: CallFigures { calls: 100, ..CallFigures::default() },
            rest: None,
            apis: Vec::new(),
            seen_for: span,
            served_for: Some(span),
        }
    }

    #[track_caller]
    fn check(sight: &Sight, expected: &str) {
        let said = match next(&GUARD, sight) {
            Next::Stay => "stay".to_owned(),
            Next::Advance => "advance".to_owned(),
            Next::Abort(reason) => format!("abort: {reason}"),
            Next::Pause(reason) => format!("pause: {reason}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_step_is_watched_for_its_time() {
        check(&good(9), "stay");
        check(&good(10), "advance");
    }

    #[test]
    fn too_few_calls_hold_a_rollout_up_and_then_stop_it() {
        let wave = CallFigures { calls: 99, ..CallFigures::default() };
        check(&Sight { wave, ..good(99) }, "stay");
        check(
            &Sight { wave, ..good(100) },
            "pause: 99 calls were seen, and 100 are needed to judge",
        );
    }

    #[test]
    fn a_refusal_takes_the_change_back_at_once() {
        let mut sight = good(0);
        sight.members[0].refuses = Some("Api/a:1: no".to_owned());
        check(&sight, "abort: the gateway one refuses Api/a:1: no");
    }

    #[test]
    fn calls_that_fail_take_the_change_back_at_once() {
        let wave = CallFigures { calls: 100, server_errors: 2, ..CallFigures::default() };
        let expected =
            "abort: 2.00 % of 100 calls in the wave were answered 5xx, and 0.00 % elsewhere";
        check(&Sight { wave, ..good(1) }, expected);
        check(&Sight { wave, stage: Stage::Paused, ..good(1) }, expected);
    }

    #[test]
    fn one_api_that_fails_takes_the_change_back_though_all_calls_hide_it() {
        let calls =
            |calls, server_errors| CallFigures { calls, server_errors, ..CallFigures::default() };
        let of = |here, there| {
            let apis = vec![OfApi { api: "a:1".to_owned(), wave: here, rest: there }];
            Sight { wave: calls(100_000, 100), rest: Some(calls(100_000, 0)), apis, ..good(1) }
        };
        let expected = "abort: Api/a:1: 50.00 % of 200 calls in the wave were answered 5xx, and 1.00 % elsewhere";
        check(&of(calls(200, 100), calls(100, 1)), expected);
        check(&of(calls(200, 2), calls(100, 1)), "stay");
        // Too few here, or there, say nothing.
        check(&of(calls(99, 99), calls(100, 1)), "stay");
        check(&of(calls(200, 100), calls(99, 1)), "stay");
    }

    #[test]
    fn a_gateway_that_stays_away_takes_the_change_back() {
        // However long it served the change before.
        let mut sight = Sight { served_for: None, ..good(500) };
        sight.members[0].is_connected = false;
        sight.members[0].behind_for = Some(Duration::from_secs(20));
        check(&sight, "stay");
        sight.members[0].behind_for = Some(Duration::from_secs(21));
        check(&sight, "abort: the gateway one has gone away");
    }

    #[test]
    fn a_gateway_that_does_not_answer_takes_the_change_back() {
        let mut sight = Sight { served_for: None, ..good(20) };
        sight.members[0].behind_for = Some(Duration::from_secs(20));
        check(&sight, "stay");
        sight.members[0].behind_for = Some(Duration::from_secs(21));
        check(&sight, "abort: the gateway one does not serve the change");
    }

    #[test]
    fn a_wave_without_gateways_proves_nothing() {
        let sight = Sight { members: Vec::new(), served_for: None, ..good(21) };
        check(&sight, "abort: no gateway of the wave is there");
    }

    #[test]
    fn who_goes_step_by_step_waits_after_each() {
        check(&Sight { pauses: true, ..good(10) }, "pause: the step is done");
        check(&Sight { stage: Stage::Paused, ..good(60) }, "stay");
    }

    #[test]
    fn what_there_was_before_is_measured_only_where_nobody_is_left_to_compare_with() {
        let measuring = |begins_with_all, calls, seconds| Sight {
            stage: Stage::Measuring,
            begins_with_all,
            rest: Some(CallFigures { calls, ..CallFigures::default() }),
            members: Vec::new(),
            ..good(seconds)
        };
        check(&Sight { nobody: true, ..measuring(true, 0, 20) }, "stay");
        check(
            &Sight { nobody: true, ..measuring(true, 0, 21) },
            "abort: no gateway is there for which the change means something",
        );
        check(&measuring(false, 0, 0), "advance");
        check(&measuring(true, 100, 9), "stay");
        check(&measuring(true, 100, 10), "advance");
        check(&measuring(true, 5, 50), "stay");
        check(&measuring(true, 5, 100), "pause: 5 calls were seen, and 100 are needed to judge");
    }
}
