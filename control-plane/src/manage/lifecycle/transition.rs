//! Which steps are there in the life of an API or a product, and where does each lead?

use std::str::FromStr;

use turnpike_proto::config::v1::lifecycle::State;

/// A step in the life of an API or a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It serves its subscribers.
    Publish,
    /// It serves every application, on trial.
    DeployAsPrototype,
    /// It serves nobody, as in the beginning.
    DemoteToCreated,
    /// Its calls are refused for a while.
    Block,
    /// It takes no new subscriptions.
    Deprecate,
    /// It serves again after it was blocked.
    RePublish,
    /// It is gone.
    Retire,
}

use Action::{Block, DemoteToCreated, DeployAsPrototype, Deprecate, Publish, RePublish, Retire};

/// From where each step may be taken, and where it leads.
const TRANSITIONS: &[(State, Action, State)] = &[
    (State::Created, Publish, State::Published),
    (State::Created, DeployAsPrototype, State::Prototyped),
    (State::Prototyped, Publish, State::Published),
    (State::Prototyped, DeployAsPrototype, State::Prototyped),
    (State::Prototyped, DemoteToCreated, State::Created),
    (State::Published, Publish, State::Published),
    (State::Published, DeployAsPrototype, State::Prototyped),
    (State::Published, DemoteToCreated, State::Created),
    (State::Published, Block, State::Blocked),
    (State::Published, Deprecate, State::Deprecated),
    (State::Blocked, Deprecate, State::Deprecated),
    (State::Blocked, RePublish, State::Published),
    (State::Deprecated, Retire, State::Retired),
];

impl Action {
    /// Every step.
    pub const ALL: [Self; 7] =
        [Publish, DeployAsPrototype, DemoteToCreated, Block, Deprecate, RePublish, Retire];

    /// Its name on command lines and in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Publish => "publish",
            DeployAsPrototype => "deploy_as_prototype",
            DemoteToCreated => "demote_to_created",
            Block => "block",
            Deprecate => "deprecate",
            RePublish => "re_publish",
            Retire => "retire",
        }
    }

    /// Where it leads from this state; `None`: it is not taken there.
    pub fn from(self, state: State) -> Option<State> {
        steps(state).find(|(action, _)| *action == self).map(|(_, to)| to)
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|action| action.name() == text).ok_or(())
    }
}

/// The steps that may be taken from this state, and where each leads.
pub fn steps(from: State) -> impl Iterator<Item = (Action, State)> {
    let here = TRANSITIONS.iter().filter(move |(state, ..)| *state == from);
    here.map(|(_, action, to)| (*action, *to))
}

/// Whether steps lead from one state to the other; nobody writes a state that they do not reach.
pub(super) fn is_reachable(from: State, to: State) -> bool {
    let (mut open, mut seen) = (vec![from], Vec::new());
    while let Some(state) = open.pop() {
        if state == to {
            return true;
        }
        if !seen.contains(&state) {
            seen.push(state);
            open.extend(steps(state).map(|(_, next)| next));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Created,
        State::Prototyped,
        State::Published,
        State::Blocked,
        State::Deprecated,
        State::Retired,
    ];

    #[track_caller]
    fn check(from: State, expected: &str) {
        let said =
            steps(from).map(|(action, to)| format!("{}>{}", action.name(), to.as_str_name()));
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn each_state_has_its_steps() {
        check(State::Created, "publish>PUBLISHED deploy_as_prototype>PROTOTYPED");
        check(
            State::Prototyped,
            "publish>PUBLISHED deploy_as_prototype>PROTOTYPED demote_to_created>CREATED",
        );
        check(
            State::Published,
            "publish>PUBLISHED deploy_as_prototype>PROTOTYPED demote_to_created>CREATED \
             block>BLOCKED deprecate>DEPRECATED",
        );
        check(State::Blocked, "deprecate>DEPRECATED re_publish>PUBLISHED");
        check(State::Deprecated, "retire>RETIRED");
        check(State::Retired, "");
    }

    #[test]
    fn nothing_leads_back_from_the_end() {
        for to in STATES {
            assert_eq!(is_reachable(State::Retired, to), to == State::Retired);
            let late = matches!(to, State::Deprecated | State::Retired);
            assert_eq!(is_reachable(State::Deprecated, to), late);
            assert!(is_reachable(State::Created, to) && is_reachable(State::Blocked, to));
        }
    }

    #[test]
    fn a_step_is_known_by_its_name() {
        for action in Action::ALL {
            assert_eq!(action.name().parse(), Ok(action));
        }
        assert_eq!("explode".parse::<Action>(), Err(()));
    }
}
