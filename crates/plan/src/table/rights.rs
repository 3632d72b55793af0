//! Which right has an application to call an API?
//!
//! Of a million subscriptions a gateway sees calls of some thousands. So each is held as a few numbers,
//! and its form with its meter is made when its first call comes. All plans that follow each other find
//! the same form: a call of the plan before, which made it, counts for the plan after.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use ahash::RandomState;
use throttle::{Meter, MeterConfig, Subject};
use turnpike_proto::config::v1::subscription_spec::State;

use super::entry::Refusal;
use super::numbers::{Numbered, fresh};
use crate::compile::SubscriptionPlan;
use crate::hash_trie::{HashTrie, Hashed};
use crate::map::{hash_of, seeded};
use crate::names::Names;

/// All rights. Persistent: a copy costs nothing, a change its own size.
#[derive(Clone)]
pub(super) struct Rights {
    by_pair: HashTrie<Right>,
    by_name: HashTrie<NamedPair>,
    names: Names,
    /// The applications that subscriptions name,
    pub(super) applications: Numbered<Arc<str>>,
    /// and the APIs and products, by `name:version`.
    pub(super) apis: Numbered<Arc<str>>,
    terms: Numbered<Arc<Terms>>,
    firsts: Arc<Firsts>,
}

/// On which terms an application may call. Thousands of subscriptions share the same.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    pub(super) tier: Arc<str>,
    pub(super) limits: MeterConfig,
    pub(super) priority: u8,
    pub(super) state: State,
}

/// A subscription as it is held: two in a line of the processor's cache, and none in two lines.
#[derive(Clone, Debug)]
#[repr(align(32))]
struct Right {
    pair: Pair,
    terms: u32,
    name: u32,
    /// Made by its first call.
    form: OnceLock<Arc<SubscriptionPlan>>,
}

/// The numbers of an application and of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) application: u32,
    pub(super) api: u32,
}

/// The subscription of a name.
#[derive(Clone, Copy, Debug)]
struct NamedPair {
    hash: u32,
    pair: Pair,
}

/// A subscription as it is put in.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) application: Arc<str>,
    pub(super) api: Arc<str>,
    pub(super) terms: Arc<Terms>,
    /// Its form, where that has to be as it is; `None`: its first call makes it.
    pub(super) form: Option<Arc<SubscriptionPlan>>,
}

impl Hashed for Right {
    // Each call looks for one of them.
    const BITS: u32 = 8;

    fn hash(&self) -> u32 {
        self.pair.hash()
    }
}

impl Hashed for NamedPair {
    fn hash(&self) -> u32 {
        self.hash
    }
}

impl Grant {
    /// Whether it only stands in for one that could not be made.
    pub(super) fn is_broken(&self) -> bool {
        self.form.as_ref().is_some_and(|form| form.broken.is_some())
    }
}

impl Pair {
    fn hash(self) -> u32 {
        let both = (u64::from(self.application) << 32) | u64::from(self.api);
        // Fibonacci hashing: the numbers follow each other, their products do not.
        (both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}

impl Rights {
    pub(super) fn none() -> Self {
        Self {
            by_pair: HashTrie::default(),
            by_name: HashTrie::default(),
            names: Names::default(),
            applications: Numbered::new(),
            apis: Numbered::new(),
            terms: Numbered::new(),
            firsts: Arc::default(),
        }
    }

    /// The subscription of an application to an API.
    pub(super) fn find(
        &self,
        pair: Pair,
        application: &Arc<str>,
        api: &Arc<str>,
    ) -> Option<&Arc<SubscriptionPlan>> {
        let right = self.right(pair)?;
        if let Some(form) = right.form.get() {
            return Some(form);
        }
        let terms = self.terms.thing(right.terms)?;
        let name = self.names.get(right.name);
        let make = || made(name, application, api, terms, None, None);
        Some(right.form.get_or_init(|| self.firsts.first(pair, terms, name, make)))
    }

    /// The same by names.
    pub(super) fn find_named(
        &self,
        application: &str,
        api: &str,
    ) -> Option<&Arc<SubscriptionPlan>> {
        let pair = Pair {
            application: self.applications.number(application)?,
            api: self.apis.number(api)?,
        };
        let application = self.applications.thing(pair.application)?;
        self.find(pair, application, self.apis.thing(pair.api)?)
    }

    /// What is put in under this name; its form where a call, or whoever put it in, has made it.
    pub(super) fn of_name(&self, name: &str) -> Option<Grant> {
        let right = self.right(self.pair_of(name)?)?;
        let (pair, terms) = (right.pair, self.terms.thing(right.terms)?);
        Some(Grant {
            application: Arc::clone(self.applications.thing(pair.application)?),
            api: Arc::clone(self.apis.thing(pair.api)?),
            terms: Arc::clone(terms),
            form: right.form.get().cloned().or_else(|| self.firsts.known(pair, terms, name)),
        })
    }

    /// Puts one in. `is_new`: it is not another form of one that was there.
    pub(super) fn insert(
        &mut self,
        name: &str,
        pair: Pair,
        grant: &Grant,
        is_new: bool,
    ) -> Result<(), Refusal> {
        if let Some(other) = self.right(pair) {
            let other = self.names.get(other.name);
            let reason = format!("Subscription/{other} joins the same application and API already");
            return Err(Refusal::at("spec.api", reason));
        }
        let terms = self.terms.number(&grant.terms).map_or_else(fresh, Ok)?;
        let full = || Refusal::at("", "there are too many subscriptions");
        let form = grant.form.clone().map_or_else(OnceLock::new, OnceLock::from);
        let right = Right { pair, terms, name: self.names.add(name).ok_or_else(full)?, form };
        self.terms.enter(&grant.terms, terms);
        self.applications.enter(&grant.application, pair.application);
        self.apis.enter(&grant.api, pair.api);
        if is_new {
            self.firsts.forget(pair, &grant.terms);
        }
        self.by_pair.insert(right);
        self.by_name.insert(NamedPair { hash: hash_of(name), pair });
        Ok(())
    }

    /// Takes out what was put in under this name.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(pair) = self.pair_of(name) else { return };
        let Some(right) = self.by_pair.remove(pair.hash(), |it| it.pair == pair) else { return };
        self.by_name.remove(hash_of(name), |it| it.pair == pair);
        self.names.remove(right.name);
        self.terms.leave(right.terms);
        self.applications.leave(pair.application);
        self.apis.leave(pair.api);
    }

    fn right(&self, pair: Pair) -> Option<&Right> {
        self.by_pair.find(pair.hash(), |right| right.pair == pair)
    }

    fn pair_of(&self, name: &str) -> Option<Pair> {
        let hash = hash_of(name);
        let alike = self.by_name.alike(hash).filter(|it| it.hash == hash);
        let is_it = |it: &&NamedPair| {
            self.right(it.pair).is_some_and(|right| self.names.get(right.name) == name)
        };
        alike.into_iter().find(is_it).map(|it| it.pair)
    }

    /// Whether nothing is left of those that have gone.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        let numbered =
            self.applications.is_empty() && self.apis.is_empty() && self.terms.is_empty();
        self.by_pair.is_empty() && self.by_name.is_empty() && numbered
    }
}

/// What the calls of an application to an API are counted under.
pub(super) fn subscription_subject(application: &str, api: &str) -> Subject {
    Subject::of("subscription", &[application, api])
}

/// A form: with this meter or with a new one, sound or not.
pub(super) fn made(
    name: &str,
    application: &Arc<str>,
    api: &Arc<str>,
    terms: &Terms,
    meter: Option<Arc<Meter>>,
    broken: Option<Arc<str>>,
) -> Arc<SubscriptionPlan> {
    Arc::new(SubscriptionPlan {
        name: name.into(),
        application: Arc::clone(application),
        api: Arc::clone(api),
        state: terms.state,
        tier: Arc::clone(&terms.tier),
        priority: terms.priority,
        meter: meter.unwrap_or_else(|| {
            unused_meter(terms.limits.clone(), || subscription_subject(application, api))
        }),
        broken,
    })
}

/// Counts nothing.
static UNLIMITED: LazyLock<Arc<Meter>> =
    LazyLock::new(|| Arc::new(Meter::new(MeterConfig::unlimited())));

/// A meter that nothing was counted on. All that have no limits are the same one: every call looks
/// whether there is a limit, and so finds it in the processor's cache, whoever makes the call.
pub(super) fn unused_meter(limits: MeterConfig, name: impl FnOnce() -> Subject) -> Arc<Meter> {
    if limits == MeterConfig::unlimited() {
        return Arc::clone(&UNLIMITED);
    }
    Arc::new(Meter::named(limits, name))
}

/// How many places there are, so that first calls seldom meet.
const PLACES: usize = 64;
/// How many forms a place holds before those that no plan holds are looked for.
const FIRST_SWEEP: usize = 64;

/// The forms that first calls made, for all plans that follow each other.
///
/// A plan that was copied before a form was made does not have it, and it has to find the same one, or
/// the calls since would not count. This is the one lock on the way of a call: it is asked once for a
/// subscription and plan, and afterwards never again.
struct Firsts([Mutex<Place>; PLACES]);

struct Place {
    forms: HashMap<(Pair, Arc<Terms>), Arc<SubscriptionPlan>, RandomState>,
    sweep_at: usize,
}

impl Default for Firsts {
    fn default() -> Self {
        let place = || Place { forms: HashMap::with_hasher(seeded()), sweep_at: FIRST_SWEEP };
        Self(std::array::from_fn(|_| Mutex::new(place())))
    }
}

impl Firsts {
    /// The form that was made first, which may be now.
    fn first(
        &self,
        pair: Pair,
        terms: &Arc<Terms>,
        name: &str,
        make: impl Fn() -> Arc<SubscriptionPlan>,
    ) -> Arc<SubscriptionPlan> {
        let found = |place: &mut Place| {
            place.sweep();
            let form = place.forms.entry((pair, Arc::clone(terms))).or_insert_with(&make);
            // An older plan may have one between the same two under another name.
            if *form.name != *name {
                *form = make();
            }
            Arc::clone(form)
        };
        self.at(pair, found).unwrap_or_else(&make)
    }

    /// The form, where one was made.
    fn known(&self, pair: Pair, terms: &Arc<Terms>, name: &str) -> Option<Arc<SubscriptionPlan>> {
        let found = |place: &mut Place| place.forms.get(&(pair, Arc::clone(terms))).cloned();
        self.at(pair, found).flatten().filter(|form| *form.name == *name)
    }

    /// What was made for another subscription, which was there before, is not this one's.
    fn forget(&self, pair: Pair, terms: &Arc<Terms>) {
        self.at(pair, |place| place.forms.remove(&(pair, Arc::clone(terms))));
    }

    fn at<R>(&self, pair: Pair, ask: impl FnOnce(&mut Place) -> R) -> Option<R> {
        let place = self.0.get(pair.hash() as usize % PLACES)?;
        Some(ask(&mut place.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Place {
    /// Forgets the forms that no plan holds, each time there are twice as many.
    fn sweep(&mut self) {
        if self.forms.len() < self.sweep_at {
            return;
        }
        self.forms.retain(|_, form| Arc::strong_count(form) > 1);
        self.sweep_at = (2 * self.forms.len()).max(FIRST_SWEEP);
    }
}
