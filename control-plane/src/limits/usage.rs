//! How full are the limits of an application, at all gateways together?
//!
//! Gateways are asked and not waited for beyond a bound: who says nothing is named, so that nobody takes
//! a part for the whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Clock;
use prost_types::Timestamp;
use throttle::Subject;
use tokio::sync::mpsc;
use turnpike_proto::admin::v1::{GatewayUsage, LimitUsage};
use turnpike_proto::config::v1::counting::Strategy;
use turnpike_proto::config::v1::share_response::Message;
use turnpike_proto::config::v1::{LimitQuery, LimitState, LimitStates};

use super::sharing::Sharing;

/// Answers that wait for whoever asked; nobody asks so many gateways that more came at once.
const UNREAD: usize = 1024;

/// What gateways said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// How full each limit is.
    pub limits: Vec<LimitUsage>,
    /// The gateways that have answered, in order.
    pub answered: Vec<String>,
    /// The gateways that were asked and have not.
    pub silent: Vec<String>,
    /// When that was, in microseconds since the Unix epoch.
    pub at_us: i64,
}

type Answer = (String, LimitStates);

/// The questions that wait for answers.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Mutex<BTreeMap<u64, mpsc::Sender<Answer>>>,
}

/// A question; forgotten when it drops.
struct Question<'a> {
    questions: &'a Questions,
    number: u64,
}

impl Questions {
    fn ask(&self) -> (Question<'_>, mpsc::Receiver<Answer>) {
        let (tell, hear) = mpsc::channel(UNREAD);
        let mut open = self.open();
        let number = open.last_key_value().map_or(0, |(number, _)| *number).wrapping_add(1);
        open.insert(number, tell);
        drop(open);
        (Question { questions: self, number }, hear)
    }

    /// A gateway answers; nobody waits any more where nobody has asked.
    pub(super) fn answered(&self, node: &str, states: LimitStates) {
        let open = self.open();
        if let Some(tell) = open.get(&states.query) {
            // Who does not read as fast as that counts it among the silent.
            let _ = tell.try_send((node.to_owned(), states));
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.open().remove(&self.number);
    }
}

/// Asks all gateways, and waits for them no longer than `limit`.
pub async fn usage(
    sharing: &Arc<Sharing>,
    clock: &Clock,
    mut query: LimitQuery,
    limit: Duration,
) -> Told {
    let (question, mut hear) = sharing.questions().ask();
    query.query = question.number;
    if query.reset {
        // First here, so that what gateways are given afterwards counts.
        sharing.reset(&counters(&query));
    }
    let mut silent = sharing.tell_all(&Message::Query(query));
    let mut answers = Vec::new();
    let all = async {
        while !silent.is_empty()
            && let Some((node, states)) = hear.recv().await
        {
            silent.retain(|other| *other != node);
            answers.push((node, states.states));
        }
    };
    // What has come until then is told.
    let _ = clock.timeout(limit, all).await;
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    let at_us = clock.unix_us();
    let limits = together(&answers, at_us);
    Told { limits, answered: answers.into_iter().map(|(node, _)| node).collect(), silent, at_us }
}

/// What limits that are leased are counted under here.
fn counters(query: &LimitQuery) -> Vec<Subject> {
    let LimitQuery { application, apis, user, .. } = query;
    let of_apis = apis.iter().map(|api| Subject::of("subscription", &[application, api]));
    let of_user = Subject::of("application-user", &[application, user]);
    let of_user = Some(of_user).filter(|_| !user.is_empty());
    of_apis.chain(of_user).chain([Subject::of("application", &[application])]).collect()
}

/// What the answers come to.
fn together(answers: &[(String, Vec<LimitState>)], at_us: i64) -> Vec<LimitUsage> {
    // Limits of applications first, then those of their subscriptions, as their tiers say them.
    type Place<'a> = (std::cmp::Reverse<i32>, &'a str, u32);
    let mut limits = BTreeMap::<Place<'_>, (LimitUsage, u64)>::new();
    for (node, states) in answers {
        for state in states {
            let index = state.limit.as_ref().map_or(0, |limit| limit.index);
            let place = (std::cmp::Reverse(state.level), state.api.as_str(), index);
            let (usage, reset_us) = limits.entry(place).or_insert_with(|| (begun(state), 0));
            add(usage, node, state);
            *reset_us = (*reset_us).max(state.reset_us);
        }
    }
    let ended = |(usage, reset_us): (LimitUsage, u64)| LimitUsage {
        ends_at: (reset_us > 0).then(|| time(at_us.saturating_add_unsigned(reset_us))),
        ..usage
    };
    limits.into_values().map(ended).collect()
}

fn begun(state: &LimitState) -> LimitUsage {
    LimitUsage {
        level: state.level,
        api: state.api.clone(),
        tier: state.tier.clone(),
        limit: state.limit.clone(),
        counting: state.counting,
        ..LimitUsage::default()
    }
}

fn add(usage: &mut LimitUsage, node: &str, state: &LimitState) {
    let amount = usage.limit.as_ref().map_or(0, |limit| limit.amount);
    match usage.counting.unwrap_or_default().strategy() {
        Strategy::InProcess => {
            usage.used = usage.used.saturating_add(state.used);
            usage.remaining = usage.remaining.max(state.remaining);
        }
        Strategy::Split => {
            usage.used = usage.used.saturating_add(state.used);
            usage.remaining = amount.saturating_sub(usage.used);
        }
        // All speak of the same counter, and who has asked it last knows most of it.
        Strategy::Lease | Strategy::Strict => {
            usage.used = usage.used.max(state.used);
            usage.remaining = amount.saturating_sub(usage.used);
        }
    }
    usage.gateways.push(GatewayUsage {
        node: node.to_owned(),
        used: state.used,
        remaining: state.remaining,
        part: state.part,
    });
}

/// A moment in microseconds since the Unix epoch.
fn time(unix_us: i64) -> Timestamp {
    let nanos = i32::try_from(unix_us.rem_euclid(1_000_000)).unwrap_or(0).saturating_mul(1000);
    Timestamp { seconds: unix_us.div_euclid(1_000_000), nanos }
}

#[cfg(test)]
mod tests {
    use turnpike_proto::config::v1::limit_state::Level;
    use turnpike_proto::config::v1::{Counting, SharedLimit};

    use super::*;

    /// "used/remaining" of one limit of 10 at each gateway; what they come to together.
    #[track_caller]
    fn check(strategy: Strategy, gateways: &str, expected: (u64, u64)) {
        let answers: Vec<_> = gateways
            .split_whitespace()
            .enumerate()
            .map(|(place, said)| {
                let (used, remaining) = said.split_once('/').unwrap();
                let state = LimitState {
                    limit: Some(SharedLimit { amount: 10, ..SharedLimit::default() }),
                    used: used.parse().unwrap(),
                    remaining: remaining.parse().unwrap(),
                    reset_us: 1_500_000,
                    counting: Some(Counting { strategy: strategy.into(), ..Counting::default() }),
                    ..LimitState::default()
                };
                (format!("gw-{place}"), vec![state])
            })
            .collect();
        let told = together(&answers, 1_000_000);
        let [usage] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((usage.used, usage.remaining), expected, "{strategy:?} {gateways}");
        assert_eq!(usage.gateways.len(), answers.len());
        assert_eq!(usage.ends_at, Some(Timestamp { seconds: 2, nanos: 500_000_000 }));
    }

    #[test]
    fn what_gateways_count_is_added_as_they_count_it() {
        check(Strategy::InProcess, "3/7 9/1", (12, 7));
        check(Strategy::Split, "3/2 4/1", (7, 3));
        check(Strategy::Lease, "6/4 8/3", (8, 2));
        check(Strategy::Strict, "10/0", (10, 0));
    }

    #[test]
    fn limits_of_applications_stand_first() {
        let state = |level: Level, api: &str, index| LimitState {
            level: level.into(),
            api: api.to_owned(),
            limit: Some(SharedLimit { index, ..SharedLimit::default() }),
            ..LimitState::default()
        };
        let states = vec![
            state(Level::Subscription, "b:1", 0),
            state(Level::Subscription, "a:1", 1),
            state(Level::Subscription, "a:1", 0),
            state(Level::Application, "", 0),
        ];
        let told = together(&[("gw".to_owned(), states)], 0);
        let index = |usage: &LimitUsage| usage.limit.as_ref().unwrap().index;
        let shown: Vec<_> = told.iter().map(|it| format!("{} {}", it.api, index(it))).collect();
        assert_eq!(shown, [" 0", "a:1 0", "a:1 1", "b:1 0"]);
    }
}
