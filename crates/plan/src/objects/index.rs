//! Which resources name the same thing?
//!
//! Nearly always one, seldom thousands: one alone is held without a tree of its own, which would
//! take more memory than the resource.

use imbl::{OrdMap, OrdSet};

use crate::resource::ResourceKey;

/// Resources by what they name. Persistent: a copy costs nothing.
#[derive(Clone)]
pub(super) struct Index<K>(OrdMap<K, Keys>);

#[derive(Clone)]
enum Keys {
    One(ResourceKey),
    Many(OrdSet<ResourceKey>),
}

impl<K: Ord> Default for Index<K> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<K: Ord + Clone> Index<K> {
    /// Whether nobody names anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The resource `key` names `thing`.
    pub(super) fn enter(&mut self, thing: K, key: &ResourceKey) {
        match self.0.get_mut(&thing) {
            None => {
                self.0.insert(thing, Keys::One(key.clone()));
            }
            Some(Keys::Many(keys)) => {
                keys.insert(key.clone());
            }
            Some(Keys::One(known)) if known == key => {}
            Some(keys @ Keys::One(_)) => {
                let Keys::One(known) = keys else { return };
                *keys = Keys::Many([known.clone(), key.clone()].into_iter().collect());
            }
        }
    }

    /// It names `thing` no more.
    pub(super) fn leave(&mut self, thing: &K, key: &ResourceKey) {
        let gone = match self.0.get_mut(thing) {
            None => false,
            Some(Keys::One(known)) => known == key,
            Some(Keys::Many(keys)) => {
                keys.remove(key);
                keys.is_empty()
            }
        };
        if gone {
            self.0.remove(thing);
        }
    }

    /// Those that name `thing`, in order.
    pub(super) fn get<Q: Ord + ?Sized>(&self, thing: &Q) -> impl Iterator<Item = &ResourceKey>
    where
        K: std::borrow::Borrow<Q>,
    {
        let keys = self.0.get(thing);
        let one = keys.and_then(|keys| match keys {
            Keys::One(key) => Some(key),
            Keys::Many(_) => None,
        });
        let many = keys.into_iter().filter_map(|keys| match keys {
            Keys::One(_) => None,
            Keys::Many(keys) => Some(keys.iter()),
        });
        one.into_iter().chain(many.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Kind;

    /// Steps: `+a` says that `a` names the thing, `-a` that it does so no more.
    #[track_caller]
    fn check(steps: &str, left: &str) {
        let mut index = Index::default();
        for step in steps.split_whitespace() {
            let (what, name) = step.split_at(1);
            let key = ResourceKey::of_id(Kind::Tier, name);
            match what {
                "+" => index.enter("thing", &key),
                _ => index.leave(&"thing", &key),
            }
        }
        let names: Vec<&str> = index.get("thing").map(ResourceKey::id).collect();
        assert_eq!(names.join(" "), left);
        assert_eq!(index.is_empty(), left.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn whoever_names_a_thing_is_found_and_nobody_else() {
        check("", "");
        check("+a", "a");
        check("+a +a -a", "");
        check("+b +a +c", "a b c");
        check("+a +b -a", "b");
        check("+a +b -a -b", "");
        check("+a -b", "a");
        check("-a", "");
    }
}
