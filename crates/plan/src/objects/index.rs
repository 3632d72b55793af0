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
        let Some(keys) = self.0.get_mut(&thing) else {
            self.0.insert(thing, Keys::One(key.clone()));
            return;
        };
        match keys {
            Keys::One(known) if known == key => {}
            Keys::One(known) => {
                let both = [known.clone(), key.clone()].into_iter().collect();
                *keys = Keys::Many(both);
            }
            Keys::Many(keys) => {
                keys.insert(key.clone());
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
        self.0.get(thing).into_iter().flat_map(Keys::iter)
    }
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = &ResourceKey> {
        let (one, many) = match self {
            Self::One(key) => (Some(key), None),
            Self::Many(keys) => (None, Some(keys)),
        };
        one.into_iter().chain(many.into_iter().flatten())
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
