//! What is known of each thing, found once for all engines, and not of more things than there is room.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

use super::rules::SERIES;
use super::words::{SEPARATOR, join, parts};
use crate::scatter::Scatter;

/// A bounded table.
#[derive(Clone, Debug)]
pub(super) struct Keyed<T> {
    most: usize,
    known: HashTable<Known<T>>,
    /// Places of things that have made room, for those that come.
    spare: Vec<Box<Held<T>>>,
}

/// What is known lies apart from the table, so that to move the table, or to see who was quiet for longest, is to
/// read only this.
#[derive(Clone, Debug)]
struct Known<T> {
    hash: u64,
    /// When something was heard of it last.
    last_us: i64,
    held: Box<Held<T>>,
}

#[derive(Clone, Debug)]
struct Held<T> {
    key: String,
    thing: T,
}

/// The names of a thing, and where it lies in every table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'c, const N: usize> {
    names: [&'c str; N],
    hash: u64,
}

/// What is kept of one engine of each thing, over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept<T> {
    most: usize,
    known: HashMap<String, (T, i64)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { most: SERIES, known: HashMap::new() }
    }
}

impl<T> Kept<T> {
    /// The same under other keys.
    pub(super) fn renamed(self, key: impl Fn(&str) -> String) -> Self {
        let known = self.known.into_iter().map(|(name, it)| (key(&name), it));
        Self { most: self.most, known: known.collect() }
    }
}

impl<'c, const N: usize> Key<'c, N> {
    pub(super) fn of(names: [&'c str; N]) -> Self {
        Self { names, hash: hash_of(&names) }
    }
}

impl<T> Keyed<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(8), known: HashTable::new(), spare: Vec::new() }
    }

    /// All things with their keys.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.known.iter_mut().map(|known| {
            let Held { key, thing } = &mut *known.held;
            (key.as_str(), thing)
        })
    }

    /// Of how many things this is known.
    pub(super) fn count(&self, is_known: impl Fn(&T) -> bool) -> usize {
        self.known.iter().filter(|known| is_known(&known.held.thing)).count()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What is known of the thing with these names; it begins with `make`, which gets its key. An eighth of all
    /// makes room when there are too many: those that nothing was heard of for longest.
    pub(super) fn of<const N: usize>(
        &mut self,
        key: &Key<'_, N>,
        at_us: i64,
        make: impl FnOnce(&str) -> T,
    ) -> &mut T {
        self.at(key.hash, &key.names, at_us, make)
    }

    /// Reads the beginning of what is known of it, so that it is near when it is asked for.
    pub(super) fn approach<const N: usize>(&self, key: Option<&Key<'_, N>>) {
        let found = key.and_then(|key| self.known.find(key.hash, |it| it.hash == key.hash));
        black_box(found.and_then(|it| it.held.key.as_bytes().first()).copied());
    }

    fn at(
        &mut self,
        hash: u64,
        names: &[&str],
        at_us: i64,
        make: impl FnOnce(&str) -> T,
    ) -> &mut T {
        let Self { most, known, spare } = self;
        let found = known.entry(hash, |it| it.hash == hash && it.held.is(names), |it| it.hash);
        match found {
            Entry::Occupied(found) => {
                let Known { last_us, held, .. } = found.into_mut();
                *last_us = at_us.max(*last_us);
                &mut held.thing
            }
            Entry::Vacant(vacant) => {
                let known = vacant.into_table();
                make_room(known, spare, *most);
                let held = take(spare, names, make);
                let new = Known { hash, last_us: at_us, held };
                &mut known.insert_unique(hash, new, |it| it.hash).into_mut().held.thing
            }
        }
    }

    /// What is kept of one engine of each thing that has it.
    pub(super) fn kept<U>(&self, engine: impl Fn(&T) -> Option<U>) -> Kept<U> {
        let known = self.known.iter().filter_map(|known| {
            let Held { key, thing } = &*known.held;
            Some((key.clone(), (engine(thing)?, known.last_us)))
        });
        Kept { most: self.most, known: known.collect() }
    }

    /// A table as it was kept.
    pub(super) fn resumed(kept: Kept<T>) -> Self {
        let mut table = Self::new(kept.most);
        for (key, (thing, last_us)) in kept.known {
            let names = names_of(&key);
            table.at(hash_of(&names), &names, last_us, |_| thing);
        }
        table
    }

    /// Goes on with an engine that was kept, in a table as large as that one was.
    pub(super) fn resume<U>(
        &mut self,
        kept: Kept<U>,
        make: impl Fn(&str) -> T,
        engine: impl Fn(&mut T, U),
    ) {
        self.most = kept.most.max(8);
        for (key, (it, last_us)) in kept.known {
            let names = names_of(&key);
            engine(self.at(hash_of(&names), &names, last_us, &make), it);
        }
    }
}

impl<T> Held<T> {
    /// Whether its key is that of these names.
    fn is(&self, names: &[&str]) -> bool {
        let mut rest = Some(self.key.as_str());
        for (number, name) in names.iter().enumerate() {
            let separator = if number > 0 { SEPARATOR } else { "" };
            rest = rest.and_then(|rest| rest.strip_prefix(separator)?.strip_prefix(name));
        }
        rest == Some("")
    }
}

/// No text is made of the names only to look for them.
fn hash_of(names: &[&str]) -> u64 {
    let mut hasher = Scatter.build_hasher();
    for name in names {
        hasher.write(name.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

fn names_of(key: &str) -> Vec<&str> {
    parts(key).collect()
}

/// A place for a thing; one that made room, if there is one.
#[expect(clippy::unnecessary_box_returns, reason = "places that made room are boxed already")]
fn take<T>(
    spare: &mut Vec<Box<Held<T>>>,
    names: &[&str],
    make: impl FnOnce(&str) -> T,
) -> Box<Held<T>> {
    let names = names.iter().copied();
    if let Some(mut held) = spare.pop() {
        held.key.clear();
        join(names, &mut held.key);
        held.thing = make(&held.key);
        return held;
    }
    let mut key = String::new();
    join(names, &mut key);
    let thing = make(&key);
    Box::new(Held { key, thing })
}

fn make_room<T>(known: &mut HashTable<Known<T>>, spare: &mut Vec<Box<Held<T>>>, most: usize) {
    if known.len() < most {
        return;
    }
    let mut times: Vec<i64> = known.iter().map(|known| known.last_us).collect();
    let eighth = (most / 8).min(times.len().saturating_sub(1));
    let (_, oldest, _) = times.select_nth_unstable(eighth);
    let oldest_us = *oldest;
    spare.extend(known.extract_if(|known| known.last_us <= oldest_us).map(|known| known.held));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_quiet_for_longest_makes_room() {
        let mut table = Keyed::new(16);
        for n in 0..1000_i64 {
            *table.of(&Key::of(["busy"]), n, |_| 0_i64) += 1;
            table.of(&Key::of([&n.to_string()]), n, |_| 0);
            assert!(table.known.len() <= 17, "{}", table.known.len());
        }
        assert_eq!(*table.of(&Key::of(["busy"]), 1000, |_| 0), 1000);
        assert_eq!(*table.of(&Key::of(["3"]), 1000, |_| 7), 7);
    }

    #[test]
    fn what_is_kept_is_there_again_and_makes_room_as_before() {
        let mut table = Keyed::new(16);
        for n in 0..16_i64 {
            *table.of(&Key::of(["thing", &n.to_string()]), n, |_| 0) += n;
        }
        let odd = table.kept(|it| (it % 2 == 1).then_some(*it));
        let mut again = Keyed::new(100);
        again.resume(odd, |_| 0, |it, kept| *it = kept);
        assert_eq!(again.count(|it| it % 2 == 1), 8);
        for n in 100..109_i64 {
            *again.of(&Key::of(["new", &n.to_string()]), n, |_| 0) = 2;
        }
        assert_eq!((again.len(), again.count(|it| it % 2 == 1)), (14, 5));
        assert_eq!(*again.of(&Key::of(["thing", "15"]), 200, |_| 0), 15);
    }
}
