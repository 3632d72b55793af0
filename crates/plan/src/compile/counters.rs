//! Who counts the calls that a limit is for?
//!
//! One meter for all of them, or one for each user, address or text. Other limits go on counting with
//! the counters that are there.

use std::sync::Arc;

use throttle::{Crowded, Meter, MeterConfig, Meters, Subject};

use super::tier::TierPlan;
use super::tier_group::{Carried, GroupForm};

/// How many subjects of one policy are counted at most, where nobody says another number.
pub(crate) const USUAL_SUBJECTS: usize = 100_000;

/// A meter for each subject of a policy.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The tier, or the policy, that says the limits.
    pub name: Arc<str>,
    scope: &'static str,
    /// What all of its subjects have in common.
    of: Box<[Box<str>]>,
    config: MeterConfig,
    meters: Arc<Meters>,
}

/// Who counts.
#[derive(Clone, Debug)]
pub enum Counters {
    /// All calls are counted together.
    Together(Arc<Meter>),
    /// Each user's are.
    Each(Keyed),
}

/// The limits of an API or an operation, whoever calls.
#[derive(Debug)]
pub struct LimitsPlan {
    /// The tier that says them.
    pub tier: Arc<str>,
    place: Place,
    groups: Box<[(GroupForm, Counters)]>,
    otherwise: Counters,
}

/// Whose limits they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `name:version`.
    Api(Arc<str>),
    /// And `METHOD path`.
    Operation(Arc<str>, Box<str>),
}

impl Keyed {
    /// `scope` and `of` name what is counted; what a call adds to that names the subject.
    pub(crate) fn new(
        name: &str,
        (scope, of): (&'static str, &[&str]),
        config: &MeterConfig,
        most: usize,
    ) -> Self {
        Self {
            name: name.into(),
            scope,
            of: of.iter().map(|part| Box::from(*part)).collect(),
            config: config.clone(),
            meters: Arc::new(Meters::new(config, most)),
        }
    }

    /// What is counted for calls of `key`.
    pub fn subject(&self, key: &str) -> Subject {
        match &*self.of {
            [] => Subject::of(self.scope, &[key]),
            [one] => Subject::of(self.scope, &[one, key]),
            [one, two] => Subject::of(self.scope, &[one, two, key]),
            [one, two, three, ..] => Subject::of(self.scope, &[one, two, three, key]),
        }
    }

    /// The meter of a subject. Takes a lock: to be remembered until it is retired.
    pub fn meter(&self, subject: Subject, now_us: u64) -> Result<Arc<Meter>, Crowded> {
        self.meters.meter(subject, now_us)
    }

    /// The meter of a subject that has one.
    pub fn known(&self, subject: Subject) -> Option<Arc<Meter>> {
        self.meters.known(subject)
    }

    /// Goes on with the counters of `old`, which come under these limits when they are put in force.
    pub(crate) fn count_on(&mut self, old: &Self) {
        if self.scope == old.scope && self.of == old.of {
            self.meters = Arc::clone(&old.meters);
        }
    }

    /// These limits are in force from now on.
    pub(crate) fn put_in_force(&self) {
        self.meters.configure(&self.config);
    }
}

impl Counters {
    fn count_on(&mut self, old: &Self, name: impl FnOnce() -> Subject) {
        match (self, old) {
            (Self::Together(new), Self::Together(old)) => {
                *new = old.under(new.config(), name);
            }
            (Self::Each(new), Self::Each(old)) => new.count_on(old),
            _ => {}
        }
    }

    fn put_in_force(&self) {
        if let Self::Each(keyed) = self {
            keyed.put_in_force();
        }
    }
}

impl Place {
    /// How the counters of a group are called, `None` for those of calls that fit to none; `users`: of
    /// each user.
    fn scope(&self, group: Option<usize>, users: bool) -> &'static str {
        match (self, group.is_some(), users) {
            (_, true, false) => "condition",
            (_, true, true) => "condition-user",
            (Self::Api(_), false, false) => "api",
            (Self::Api(_), false, true) => "api-user",
            (Self::Operation(..), false, false) => "operation",
            (Self::Operation(..), false, true) => "operation-user",
        }
    }

    fn parts(&self, group: Option<usize>) -> Vec<String> {
        let (api, operation) = match self {
            Self::Api(api) => (api, None),
            Self::Operation(api, operation) => (api, Some(operation)),
        };
        let of_group =
            group.map(|group| [operation.map_or("", |it| it).to_owned(), group.to_string()]);
        let alone = operation.filter(|_| group.is_none()).map(ToString::to_string);
        let rest = alone.into_iter().chain(of_group.into_iter().flatten());
        std::iter::once(api.to_string()).chain(rest).collect()
    }

    fn subject(&self, group: Option<usize>) -> Subject {
        let parts = self.parts(group);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Subject::of(self.scope(group, false), &parts)
    }
}

impl LimitsPlan {
    /// The limits of `tier`, called `name`, at work in one place.
    pub(crate) fn new(name: &str, tier: &TierPlan, place: Place, most: usize) -> Self {
        let counters = |config: &MeterConfig, group: Option<usize>| {
            if !tier.per_user {
                let subject = || place.subject(group);
                return Counters::Together(Arc::new(Meter::named(config.clone(), subject)));
            }
            let parts = place.parts(group);
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            Counters::Each(Keyed::new(name, (place.scope(group, true), &parts), config, most))
        };
        let groups = tier.groups.iter().enumerate();
        let groups = groups
            .map(|(index, group)| (group.clone(), counters(&group.meter, Some(index + 1))))
            .collect();
        let otherwise = counters(&tier.meter, None);
        Self { tier: name.into(), place, groups, otherwise }
    }

    /// Who counts a call, and the number of the group of conditions that says so, from 1 on.
    pub fn of_call(&self, call: &dyn Carried) -> (&Counters, Option<usize>) {
        let mut fitting = self.groups.iter().zip(1..).filter(|((group, _), _)| group.fits(call));
        match fitting.next() {
            Some(((_, counters), number)) => (counters, Some(number)),
            None => (&self.otherwise, None),
        }
    }

    /// Whether it is asked of a call what it carries.
    pub fn has_conditions(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Goes on counting where `old`, limits of the same place, has counted for the same calls.
    pub(crate) fn count_on(&mut self, old: &Self) {
        let place = &self.place;
        self.otherwise.count_on(&old.otherwise, || place.subject(None));
        let groups = self.groups.iter_mut().zip(&old.groups).zip(1..);
        for (((group, counters), (before, counted)), number) in groups {
            if group.spelling == before.spelling {
                counters.count_on(counted, || place.subject(Some(number)));
            }
        }
    }

    /// These limits are in force from now on.
    pub(crate) fn put_in_force(&self) {
        self.otherwise.put_in_force();
        self.groups.iter().for_each(|(_, counters)| counters.put_in_force());
    }
}
