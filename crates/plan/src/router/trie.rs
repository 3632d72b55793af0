//! Which operation of an API does a call mean?
//!
//! A trie over segments. At each segment literals are tried first, then shaped segments (those
//! with more literal characters first), then parameters, then `/*`; what leads nowhere is left for
//! the next. A path that is found without the method is told apart from one that is not found.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::segment::{Segment, Shape};
use super::template::Template;
use crate::map::seeded;

/// What became of the search; operations are told by their position in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match<'t> {
    Found(usize),
    /// The path exists; these methods do.
    OtherMethods(Vec<&'t str>),
    Nothing,
}

/// The operations of one API.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: Literals,
    shaped: Vec<(Arc<Shape>, Self)>,
    any: Option<Box<Self>>,
    here: Methods,
    rest: Methods,
}

/// Operations by method; `*` is every method.
#[derive(Debug, Default)]
struct Methods(Vec<(Box<str>, usize)>);

/// Few children are compared one after the other, many are hashed.
#[derive(Debug, Default)]
struct Literals {
    nodes: Vec<(Box<str>, Node)>,
    /// Where each one stands; empty while there are few.
    places: Option<HashMap<Box<str>, usize, RandomState>>,
}

const FEW: usize = 6;

impl Trie {
    /// Adds an operation; `false` when the template has one for the method already.
    pub(crate) fn insert(&mut self, template: &Template, method: &str, operation: usize) -> bool {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.child(text),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Shaped(shape) => node.shaped_child(shape),
            };
        }
        let methods = if template.rest { &mut node.rest } else { &mut node.here };
        if methods.0.iter().any(|(known, _)| &**known == method) {
            return false;
        }
        methods.0.push((method.into(), operation));
        true
    }

    /// The operation for a method and what follows the context: empty, or starting with `/`.
    pub(crate) fn find<'t>(&'t self, method: &str, rest: &str) -> Match<'t> {
        let mut others = Vec::new();
        let left = rest.strip_prefix('/').filter(|left| !left.is_empty());
        match self.root.find(method, left, &mut others) {
            Some(operation) => Match::Found(operation),
            None if others.is_empty() => Match::Nothing,
            None => {
                others.sort_unstable();
                others.dedup();
                Match::OtherMethods(others)
            }
        }
    }
}

impl Node {
    fn shaped_child(&mut self, shape: &Arc<Shape>) -> &mut Self {
        let known = self.shaped.iter().position(|(known, _)| known.spelling == shape.spelling);
        let place = known.unwrap_or_else(|| {
            let before = |known: &Shape| {
                (std::cmp::Reverse(known.literal), &known.spelling)
                    < (std::cmp::Reverse(shape.literal), &shape.spelling)
            };
            let place = self.shaped.partition_point(|(known, _)| before(known));
            self.shaped.insert(place, (Arc::clone(shape), Self::default()));
            place
        });
        // INVARIANT: `place` was found or filled just now.
        &mut self.shaped.get_mut(place).unwrap_or_else(|| unreachable!("no such place")).1
    }

    /// `left` is what follows the slash after this node; `None` at the end of the path.
    fn find<'t>(
        &'t self,
        method: &str,
        left: Option<&str>,
        others: &mut Vec<&'t str>,
    ) -> Option<usize> {
        let Some(left) = left else {
            return self.here.find(method, others).or_else(|| self.rest.find(method, others));
        };
        let (segment, left) = match left.split_once('/') {
            Some((segment, left)) => (segment, Some(left)),
            None => (left, None),
        };
        self.literals
            .get(segment)
            .and_then(|child| child.find(method, left, others))
            .or_else(|| {
                self.shaped
                    .iter()
                    .filter(|(shape, _)| shape.matches(segment))
                    .find_map(|(_, child)| child.find(method, left, others))
            })
            .or_else(|| {
                let child = self.any.as_ref().filter(|_| !segment.is_empty())?;
                child.find(method, left, others)
            })
            .or_else(|| self.rest.find(method, others))
    }
}

impl Methods {
    fn find<'t>(&'t self, method: &str, others: &mut Vec<&'t str>) -> Option<usize> {
        let of = |wanted: &str| self.0.iter().find(|(known, _)| &**known == wanted);
        if let Some((_, operation)) = of(method).or_else(|| of("*")) {
            return Some(*operation);
        }
        others.extend(self.0.iter().map(|(known, _)| &**known));
        None
    }
}

impl Literals {
    fn get(&self, segment: &str) -> Option<&Node> {
        self.place(segment).and_then(|place| self.nodes.get(place)).map(|(_, node)| node)
    }

    fn place(&self, segment: &str) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(segment).copied(),
            None => self.nodes.iter().position(|(known, _)| &**known == segment),
        }
    }

    /// The node for a segment; made when there is none.
    fn child(&mut self, segment: &str) -> &mut Node {
        let place = self.place(segment).unwrap_or_else(|| {
            self.nodes.push((segment.into(), Node::default()));
            if let Some(places) = &mut self.places {
                places.insert(segment.into(), self.nodes.len() - 1);
            } else if self.nodes.len() > FEW {
                let mut places = HashMap::with_hasher(seeded());
                places.extend(self.nodes.iter().map(|(known, _)| known.clone()).zip(0..));
                self.places = Some(places);
            }
            self.nodes.len() - 1
        });
        // INVARIANT: `place` was found or filled just now.
        &mut self.nodes.get_mut(place).unwrap_or_else(|| unreachable!("no such place")).1
    }
}

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
