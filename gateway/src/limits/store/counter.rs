//! What is said to the engine, and what does it answer?
//!
//! One script knows everything about counters, and each question is one call of it: one round trip, on one
//! node. See `counter/fields.lua`.

use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind};
use throttle::{
    Back, Correction, Cost, Granted, Limit, LimitState, Measure, Ruling, Subject, Wanted,
};

use super::error::StoreError;
use super::link::Connection;
use super::rule::{self, place_for_meter, place_for_script, units};
use crate::hex;

/// Nothing was taken there.
const NOT_TAKEN: i64 = -1;
/// The script, one part for each question that it answers: what is used further down stands above.
const COUNTER: &str = concat!(
    include_str!("counter/fields.lua"),
    include_str!("counter/window.lua"),
    include_str!("counter/ring.lua"),
    include_str!("counter/pace.lua"),
    include_str!("counter/change.lua"),
    include_str!("counter/ask.lua"),
);
/// How long a gateway counts that is not heard of.
const MEMBER_US: u64 = 10_000_000;

/// The words for a store.
#[derive(Debug)]
pub struct Counters {
    prefix: String,
    /// What this process is called among those who have units in hand.
    holder: String,
    counter: Script,
    members: Script,
}

/// Some limits of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Whose.
    pub subject: Subject,
    /// All limits of its meter.
    pub limits: &'a [Limit],
    /// This gateway's time, in microseconds since the Unix epoch: it has to be right to a day.
    pub now_us: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The engine's time.
    pub now_us: u64,
    /// Whether there was room.
    pub verdict: Verdict,
    /// How full the limits are, in their order.
    pub states: Vec<LimitState>,
}

/// Whether there was room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In all limits.
    Taken(Ruling),
    /// Not in that one; nothing was taken.
    Full {
        /// Which one.
        index: usize,
        /// When to come again.
        retry_after_us: u64,
    },
}

/// What came of asking for units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// The engine's time.
    pub now_us: u64,
    /// The units.
    pub granted: Granted,
    /// How full the limit is now.
    pub state: LimitState,
}

impl Counters {
    /// All keys begin with `prefix`; `holder` is the name of this process, which no other one has.
    pub fn new(prefix: &str, holder: Subject) -> Self {
        let Subject([holder @ .., _, _, _, _, _, _, _, _]) = holder;
        Self {
            prefix: prefix.to_owned(),
            holder: hex::text(&holder),
            counter: Script::new(COUNTER),
            members: Script::new(include_str!("members.lua")),
        }
    }

    /// Takes the room of one call, all or nothing.
    pub async fn take(
        &self,
        connection: &mut Connection,
        of: Of<'_>,
        cost: &Cost,
    ) -> Result<Answer, StoreError> {
        let mut command = self.command("take", of);
        for (index, limit) in of.limits.iter().enumerate() {
            rule::write(&mut command, of.limits, index, of.now_us);
            command.arg(units(limit, cost));
        }
        let said = self.ask(connection, &command).await?;
        Numbers(&said).taken(of.limits).ok_or(StoreError::Answer)
    }

    /// Asks for `wanted` units of the limit at `index`, which `gateways` share, at `of.now_us`. What is owed counts
    /// first.
    pub async fn grant(
        &self,
        connection: &mut Connection,
        of: Of<'_>,
        index: usize,
        wanted: Wanted,
        gateways: u64,
    ) -> Result<Portion, StoreError> {
        let limit = of.limits.get(index).ok_or(StoreError::Answer)?;
        let mut command = self.command("grant", of);
        rule::write(&mut command, of.limits, index, of.now_us);
        command.arg(wanted.units).arg(gateways).arg(wanted.owed);
        // How far ahead of its time a unit may be given away, and how many those are; of a quota how long before
        // its window begins.
        let (ahead_us, ahead_units) = match limit.measure {
            Measure::Rate(rate) => (rate.ahead_us(), rate.ahead_units()),
            Measure::Quota(quota) => (quota.ahead_us(), 0),
        };
        command.arg(ahead_us).arg(ahead_units);
        command.arg(&self.holder).arg(wanted.in_hand.min(rule::MOST)).arg(of.now_us);
        command.arg(u8::from(wanted.next));
        let said = self.ask(connection, &command).await?;
        Numbers(&said).granted(limit).ok_or(StoreError::Answer)
    }

    /// Corrects what was taken.
    pub async fn settle(
        &self,
        connection: &mut Connection,
        of: Of<'_>,
        corrections: &[Correction],
    ) -> Result<(), StoreError> {
        let mut command = self.command("settle", of);
        for correction in corrections {
            let Correction { index, place, taken_us, units, actual } = *correction;
            let limit = of.limits.get(index).ok_or(StoreError::Answer)?;
            rule::write(&mut command, of.limits, index, of.now_us);
            command.arg(place_for_script(limit, place)).arg(taken_us).arg(units).arg(actual);
        }
        self.ask(connection, &command).await.map(drop)
    }

    /// Gives back units of these limits. When, by the engine's time.
    pub async fn put_back(
        &self,
        connection: &mut Connection,
        of: Of<'_>,
        backs: &[(usize, Back)],
    ) -> Result<u64, StoreError> {
        let mut command = self.command("back", of);
        for (index, Back { place, granted_us, units }) in backs {
            let limit = of.limits.get(*index).ok_or(StoreError::Answer)?;
            rule::write(&mut command, of.limits, *index, of.now_us);
            command.arg(place_for_script(limit, *place)).arg(*units);
            command.arg(&self.holder).arg(*granted_us);
        }
        let said = self.ask(connection, &command).await?;
        Numbers(&said).count().ok_or(StoreError::Answer)
    }

    /// The engine's time, and how full the limits are.
    pub async fn state(
        &self,
        connection: &mut Connection,
        of: Of<'_>,
    ) -> Result<(u64, Vec<LimitState>), StoreError> {
        let mut command = self.command("state", of);
        for index in 0..of.limits.len() {
            rule::write(&mut command, of.limits, index, of.now_us);
        }
        let said = self.ask(connection, &command).await?;
        let mut said = Numbers(&said);
        let now_us = said.count().ok_or(StoreError::Answer)?;
        said.states(of.limits).map(|states| (now_us, states)).ok_or(StoreError::Answer)
    }

    /// Nothing is used any more.
    pub async fn reset(
        &self,
        connection: &mut Connection,
        subject: Subject,
    ) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(subject));
        let said = command.query_async::<()>(connection).await;
        said.map_err(|error| StoreError::Failed(error.into()))
    }

    /// Says that the gateway `name` is there, or `leaves`. How many there are.
    pub async fn announce(
        &self,
        connection: &mut Connection,
        name: &str,
        leaves: bool,
    ) -> Result<u64, StoreError> {
        let key = format!("{}:limits:{{gateways}}", self.prefix);
        let mut call = self.members.key(key);
        let call = call.arg(MEMBER_US).arg(name).arg(u8::from(leaves));
        let said = call.invoke_async(connection).await;
        said.map_err(|error| StoreError::Failed(error.into()))
    }

    /// The key of a subject's counters. What stands in braces decides in a cluster where it is.
    fn key(&self, subject: Subject) -> String {
        format!("{}:limits:{{{}}}", self.prefix, hex::text(&subject.0))
    }

    fn command(&self, what: &str, of: Of<'_>) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.counter.get_hash()).arg(1).arg(self.key(of.subject)).arg(what);
        command
    }

    async fn ask(
        &self,
        connection: &mut Connection,
        command: &Cmd,
    ) -> Result<Vec<i64>, StoreError> {
        let failed = |error: RedisError| StoreError::Failed(error.into());
        match command.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // It was started anew, or is another one.
                self.counter.load_async(connection).await.map_err(failed)?;
                command.query_async(connection).await.map_err(failed)
            }
            said => said.map_err(failed),
        }
    }
}

/// The numbers of an answer that are still to be read.
struct Numbers<'a>(&'a [i64]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<i64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.next()?).ok()
    }

    fn states(&mut self, limits: &[Limit]) -> Option<Vec<LimitState>> {
        limits
            .iter()
            .map(|limit| {
                let (remaining, reset_us) = (self.count()?, self.count()?);
                Some(LimitState { limit: *limit, remaining, reset_us })
            })
            .collect()
    }

    fn taken(mut self, limits: &[Limit]) -> Option<Answer> {
        let (now_us, refused, retry_after_us) = (self.count()?, self.count()?, self.count()?);
        let (over_quota, shadow) = (self.count()? > 0, self.count()? > 0);
        let places: Vec<Option<u64>> = limits
            .iter()
            .map(|limit| match self.next()? {
                NOT_TAKEN => Some(None),
                named => Some(Some(place_for_meter(limit, u64::try_from(named).ok()?))),
            })
            .collect::<Option<_>>()?;
        let verdict = match usize::try_from(refused).ok()?.checked_sub(1) {
            Some(index) if index < limits.len() => Verdict::Full { index, retry_after_us },
            Some(_) => return None,
            None => Verdict::Taken(Ruling { at_us: now_us, places, over_quota, shadow }),
        };
        Some(Answer { now_us, verdict, states: self.states(limits)? })
    }

    fn granted(mut self, limit: &Limit) -> Option<Portion> {
        let now_us = self.count()?;
        let (units, left, place) = (self.count()?, self.count()?, self.count()?);
        let (ends_us, again_us, last_us) = (self.count()?, self.count()?, self.count()?);
        let begins_us = self.count()?;
        let place = place_for_meter(limit, place);
        let state = self.states(std::slice::from_ref(limit))?.pop()?;
        let granted = Granted { units, left, place, begins_us, ends_us, again_us, last_us };
        Some(Portion { now_us, granted, state })
    }
}
