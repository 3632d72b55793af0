//! What is known of each of the things that one caller has to do with?
//!
//! Mostly those are few, and a short list of them lies within what is known of the caller: it takes no room of
//! its own, and nothing to find a place in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scatter::Scatter;

/// A table that is a list of `FEW` while it has no more.
#[derive(Clone, Debug, Default)]
pub(super) enum Few<K, V, const FEW: usize> {
    #[default]
    None,
    List([(K, V); FEW], usize),
    Many(HashMap<K, V, Scatter>),
}

impl<K: Copy + Eq + Hash, V: Copy, const FEW: usize> Few<K, V, FEW> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::List(_, count) => *count,
            Self::Many(table) => table.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        let (list, table) = match self {
            Self::None => (None, None),
            Self::List(list, count) => (list.get(..*count), None),
            Self::Many(table) => (None, Some(table)),
        };
        let table = table.into_iter().flatten().map(|(key, value)| (*key, *value));
        list.into_iter().flatten().copied().chain(table)
    }

    /// Puts what is made of what is there, and says what was there.
    pub(super) fn put(&mut self, key: K, make: impl FnOnce(Option<V>) -> V) -> Option<V> {
        match self {
            Self::None => *self = Self::List([(key, make(None)); FEW], 1),
            Self::List(list, count) => {
                let mut known = list.iter_mut().take(*count);
                if let Some((_, value)) = known.find(|(known, _)| *known == key) {
                    let before = *value;
                    *value = make(Some(before));
                    return Some(before);
                }
                let new = (key, make(None));
                if let Some(place) = list.get_mut(*count) {
                    *place = new;
                    *count = count.saturating_add(1);
                } else {
                    *self = Self::Many(list.iter().copied().chain([new]).collect());
                }
            }
            Self::Many(table) => match table.entry(key) {
                Entry::Occupied(mut known) => {
                    let before = *known.get();
                    known.insert(make(Some(before)));
                    return Some(before);
                }
                Entry::Vacant(place) => {
                    place.insert(make(None));
                }
            },
        }
        None
    }

    pub(super) fn remove(&mut self, key: K) {
        match self {
            Self::Many(table) => {
                table.remove(&key);
            }
            _ => self.retain(|known, value| (known != key).then_some(value)),
        }
    }

    /// Keeps those of which something is left.
    pub(super) fn retain(&mut self, left: impl Fn(K, V) -> Option<V>) {
        let all = std::mem::take(self);
        for (key, value) in all.iter().filter_map(|(key, value)| Some((key, left(key, value)?))) {
            self.put(key, |_| value);
        }
    }

    /// Who had many keeps the room for as many.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Many(table) if table.len() > FEW => table.clear(),
            _ => *self = Self::None,
        }
    }
}

/// As a table is written, with keys.
impl<K, V, const FEW: usize> Serialize for Few<K, V, FEW>
where
    K: Copy + Eq + Hash + Serialize,
    V: Copy + Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K, V, const FEW: usize> Deserialize<'de> for Few<K, V, FEW>
where
    K: Copy + Eq + Hash + Deserialize<'de>,
    V: Copy + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(HashMap::<K, V>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<K: Copy + Eq + Hash, V: Copy, const FEW: usize> FromIterator<(K, V)> for Few<K, V, FEW> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(all: I) -> Self {
        let mut few = Self::None;
        for (key, value) in all {
            few.put(key, |_| value);
        }
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many things are counted three times, and kept between; then the even ones stay.
    #[track_caller]
    fn check(count: u32) {
        let mut few = Few::<u32, u32, 4>::default();
        for round in 0..3 {
            for key in 0..count {
                let before = few.put(key, |before| before.map_or(1, |times| times + 1));
                assert_eq!(before, (round > 0).then_some(round));
            }
            let kept = serde_json::to_string(&few).unwrap();
            few = serde_json::from_str(&kept).unwrap();
        }
        few.retain(|key, times| key.is_multiple_of(2).then_some(times + key));
        let mut all: Vec<_> = few.iter().collect();
        all.sort_unstable();
        let expected: Vec<_> = (0..count).step_by(2).map(|key| (key, 3 + key)).collect();
        assert_eq!((all, few.len()), (expected.clone(), expected.len()));
        few.clear();
        assert_eq!((few.len(), few.put(7, |_| 1), few.len()), (0, None, 1));
    }

    #[test]
    fn few_are_kept_as_many_are() {
        (0..=20).for_each(check);
    }
}
