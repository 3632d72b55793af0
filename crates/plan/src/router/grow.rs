//! How does a trie grow, before it is packed?

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Operations that end here, by method.
    pub(super) here: Vec<(Box<str>, usize)>,
    /// Operations that end with `/*` here.
    pub(super) rest: Vec<(Box<str>, usize)>,
}

impl Growing {
    /// Adds an operation; `false` when the template has one for the method already.
    pub(crate) fn insert(&mut self, template: &Template, method: &str, operation: usize) -> bool {
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
        let methods = if template.rest { &mut node.rest } else { &mut node.here };
        if methods.iter().any(|(known, _)| &**known == method) {
            return false;
        }
        methods.push((method.into(), operation));
        true
    }
}
