//! How does a trie grow, before it is packed?

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::Conditions;
use super::segment::{Segment, Shape};
use super::template::Template;

/// How many characters are literal, and the spelling.
type Order = (Reverse<usize>, Box<str>);

/// A node with everything below it.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    pub(super) literals: BTreeMap<Box<str>, Self>,
    /// Those with more literal characters first.
    pub(super) shaped: BTreeMap<Order, (Arc<Shape>, Self)>,
    pub(super) any: Option<Box<Self>>,
    /// Operations that end here.
    pub(super) here: Vec<Ending>,
    /// Operations that end with `/*` here.
    pub(super) rest: Vec<Ending>,
}

/// Where the way to an operation ends.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) method: Box<str>,
    pub(super) conditions: Option<Arc<Conditions>>,
    pub(super) operation: usize,
}

impl Growing {
    /// Adds an operation; `false` when the template has one for the method and the conditions
    /// already.
    pub(crate) fn insert(
        &mut self,
        template: &Template,
        method: &str,
        conditions: Option<Arc<Conditions>>,
        operation: usize,
    ) -> bool {
        let mut node = self;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Shaped(shape) => {
                    let place = (Reverse(shape.literal), shape.spelling.clone());
                    let fresh = || (Arc::clone(shape), Self::default());
                    &mut node.shaped.entry(place).or_insert_with(fresh).1
                }
            };
        }
        let endings = if template.rest { &mut node.rest } else { &mut node.here };
        let spelling = |conditions: &Option<Arc<Conditions>>| {
            conditions.as_ref().map(|conditions| conditions.spelling.clone())
        };
        let asks = spelling(&conditions);
        if endings.iter().any(|one| &*one.method == method && spelling(&one.conditions) == asks) {
            return false;
        }
        endings.push(Ending { method: method.into(), conditions, operation });
        true
    }
}
