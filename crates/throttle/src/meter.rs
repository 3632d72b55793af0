//! What counts for one subject?
//!
//! A meter joins up to four limits, all or nothing: a call that one refuses takes no room from
//! the others. Several meters (application, subscription, …) are joined by whoever asks: collect
//! the holds, and drop them all when one meter is full.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::counter::{Counter, Counters};
use crate::keeping::{FRESH, Keeping, NEWS, STILL};
use crate::kept::outlives;
use crate::shared::Shared;
use crate::{Limit, MeterConfig, Strategy, Subject, Unit};

/// The limits of one subject at work.
#[derive(Debug)]
pub struct Meter {
    pub(crate) config: MeterConfig,
    counters: Counters,
    /// The latest time that somebody asked, for `reconfigured`.
    pub(crate) latest_us: AtomicU64,
    retired: AtomicBool,
    pub(crate) news: AtomicU8,
    /// Absent: nothing of it outlives the process.
    pub(crate) keeping: Option<Box<Keeping>>,
    /// Absent: this gateway counts for itself.
    pub(crate) shared: Option<Box<Shared>>,
}

impl Meter {
    /// An unused meter whose limits this gateway counts for itself, whatever the configuration says.
    pub fn new(config: MeterConfig) -> Self {
        let counters = Counters::new(config.limits());
        let (latest_us, retired) = (AtomicU64::new(0), AtomicBool::new(false));
        let news = AtomicU8::new(NEWS);
        Self { config, counters, latest_us, retired, news, keeping: None, shared: None }
    }

    /// An unused meter for limits that are counted as the configuration says; `name` is asked for where
    /// they are shared, and where what is used of them outlives the process.
    pub fn named(config: MeterConfig, name: impl FnOnce() -> Subject) -> Self {
        let is_shared =
            config.sharing().strategy != Strategy::InProcess && !config.limits().is_empty();
        let is_kept = outlives(&config);
        let name = (is_shared || is_kept).then(name);
        let shared = name.filter(|_| is_shared);
        let shared = shared.map(|name| Box::new(Shared::new(name, config.limits())));
        let keeping = name.filter(|_| is_kept);
        let keeping = keeping.map(|name| Box::new(Keeping { name, resumed: OnceLock::new() }));
        let news = AtomicU8::new(if keeping.is_some() { FRESH } else { NEWS });
        Self { news, keeping, shared, ..Self::new(config) }
    }

    /// Its name among those who share it; `None`: nobody does.
    pub fn name(&self) -> Option<Subject> {
        self.shared.as_ref().map(|shared| shared.name)
    }

    /// Whether units have to be asked for.
    pub(crate) fn leased(&self) -> Option<&Shared> {
        let shared = self.shared.as_deref()?;
        self.config.sharing().strategy.authority().map(|_| shared)
    }

    /// Its limits.
    pub const fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        self.config.limits().is_empty()
    }

    /// Whether a limit counts this.
    pub fn counts(&self, unit: Unit) -> bool {
        self.config.limits().iter().any(|limit| limit.unit == unit)
    }

    /// Whether a limit counts what is known of a call only in the end.
    pub(crate) fn counts_late(&self) -> bool {
        self.config.limits().iter().any(|limit| limit.unit != Unit::Requests)
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (&Limit, Counter<'_>)> {
        self.counters.each(self.config.limits())
    }

    /// Whether the authority is asked about each call.
    pub(crate) fn is_strict(&self) -> bool {
        self.config.sharing().strategy == Strategy::Strict
    }

    /// Split: the part of this gateway.
    pub(crate) fn own_part(&self, index: usize) -> Option<u64> {
        self.shared.as_ref()?.part(index)
    }

    /// Nothing is used any more. Holds that are out give nothing back to the windows that begin now.
    pub fn reset(&self) {
        if let Some(shared) = self.leased() {
            shared.reset();
        }
        self.each().for_each(|(_, counter)| counter.reset());
    }

    /// The meter for these limits that goes on counting: this one, where they are its own. `name` is
    /// asked for as by [`named`](Self::named).
    #[must_use]
    pub fn under(
        self: &Arc<Self>,
        config: &MeterConfig,
        name: impl FnOnce() -> Subject,
    ) -> Arc<Self> {
        if self.config == *config {
            Arc::clone(self)
        } else {
            Arc::new(self.reconfigured(config, name))
        }
    }

    /// A meter with other limits that is as used as this one: each limit takes over the first that counts
    /// the same unit in the same way and is not taken over yet. Holds that are out stay with the old
    /// meter. What is in hand of a pace that an authority counts is there for the calls of both.
    #[must_use]
    pub fn reconfigured(&self, config: &MeterConfig, name: impl FnOnce() -> Subject) -> Self {
        let latest_us = self.latest_us.load(Ordering::Relaxed);
        let mut next = Self::named(config.clone(), name);
        if let Some(before) = &self.shared
            && matches!(self.config.sharing().strategy, Strategy::Lease(_))
            && self.config.sharing().strategy == config.sharing().strategy
        {
            next.shared = next.shared.map(|shared| {
                let (limits, old) = (config.limits(), self.config.limits());
                Box::new(shared.succeeding(limits, before, old))
            });
        }
        let mut old: Vec<_> = self.each().collect();
        for (limit, counter) in next.each() {
            let like = old.iter().position(|(before, _)| before.counts_like(limit));
            if let Some((before, counted)) = like.map(|place| old.remove(place)) {
                counter.take_over(limit, before, counted, latest_us);
            }
        }
        next.latest_us.store(latest_us, Ordering::Relaxed);
        if let (Some(keeping), Some(old)) = (&next.keeping, &self.keeping)
            && old.resumed.get().is_some()
        {
            // It was taken over already.
            keeping.resumed.get_or_init(|| ());
            next.news.store(STILL, Ordering::Relaxed);
        }
        next
    }

    /// Whether another one has come into its place: who remembers it has to look again.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
