//! Which operation of an API does a call mean?
//!
//! A trie over segments. At each segment literals are tried first, then shaped segments (those
//! with more literal characters first), then parameters, then `/*`; what leads nowhere is left for
//! the next. A path that is found without the method is told apart from one that is not found.
//!
//! It is packed into few arrays, parents beside their children: with a hundred thousand routes a
//! look-up costs as many cache misses as it touches places, and little else.

use std::sync::Arc;

use super::edges::{Edges, NONE, Text};
use super::grow::Growing;
use super::segment::Shape;

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
    nodes: Vec<Node>,
    edges: Edges,
    /// The literal segments.
    text: Vec<u8>,
    shaped: Vec<(Arc<Shape>, u32)>,
    methods: Vec<Method>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    literals: Literals,
    any: u32,
    shaped: Span,
    here: Span,
    rest: Span,
}

/// The literal children of a node.
#[derive(Clone, Copy, Debug)]
enum Literals {
    None,
    One(Text, u32),
    /// In `edges`.
    Many,
}

/// Some elements of an array.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    count: u32,
}

impl Span {
    fn of<T>(self, all: &[T]) -> &[T] {
        let (start, count) = (self.start as usize, self.count as usize);
        all.get(start..).and_then(|rest| rest.get(..count)).unwrap_or_default()
    }
}

/// An operation by its method.
#[derive(Debug)]
struct Method {
    code: Code,
    name: Box<str>,
    operation: usize,
}

/// The usual methods, so that they are compared without a look at their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
    /// `*`.
    Every,
    Named,
}

impl Code {
    fn of(method: &str) -> Self {
        match method {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "*" => Self::Every,
            _ => Self::Named,
        }
    }
}

/// What is looked for.
struct Search<'m, 't> {
    method: &'m str,
    code: Code,
    others: Vec<&'t str>,
}

impl Trie {
    /// Packs what has grown.
    pub(crate) fn packed(growing: &Growing) -> Self {
        let mut trie = Self::default();
        trie.pack(growing);
        trie
    }

    /// The operation for a method and what follows the context: empty, or starting with `/`.
    pub(crate) fn find<'t>(&'t self, method: &str, rest: &str) -> Match<'t> {
        let mut search = Search { method, code: Code::of(method), others: Vec::new() };
        let left = rest.strip_prefix('/').filter(|left| !left.is_empty());
        match self.find_below(0, left, &mut search) {
            Some(operation) => Match::Found(operation),
            None if search.others.is_empty() => Match::Nothing,
            None => {
                search.others.sort_unstable();
                search.others.dedup();
                Match::OtherMethods(search.others)
            }
        }
    }

    /// `left` is what follows the slash after this node; `None` at the end of the path.
    fn find_below<'t>(
        &'t self,
        place: u32,
        left: Option<&str>,
        search: &mut Search<'_, 't>,
    ) -> Option<usize> {
        let node = self.nodes.get(place as usize)?;
        let Some(left) = left else {
            return self.of_method(node.here, search).or_else(|| self.of_method(node.rest, search));
        };
        let (segment, left) = match left.bytes().position(|byte| byte == b'/') {
            Some(end) => (left.get(..end)?, left.get(end + 1..)),
            None => (left, None),
        };
        let literal = match node.literals {
            Literals::None => None,
            Literals::One(text, child) => text.is(&self.text, segment).then_some(child),
            Literals::Many => self.edges.get(&self.text, place, segment),
        };
        literal
            .and_then(|child| self.find_below(child, left, search))
            .or_else(|| {
                let shaped = node.shaped.of(&self.shaped).iter();
                let mut fitting = shaped.filter(|(shape, _)| shape.matches(segment));
                fitting.find_map(|(_, child)| self.find_below(*child, left, search))
            })
            .or_else(|| {
                let matches = node.any != NONE && !segment.is_empty();
                matches.then(|| self.find_below(node.any, left, search)).flatten()
            })
            .or_else(|| self.of_method(node.rest, search))
    }

    fn of_method<'t>(&'t self, span: Span, search: &mut Search<'_, 't>) -> Option<usize> {
        let methods = span.of(&self.methods);
        let is = |one: &&Method| {
            one.code == search.code && (one.code != Code::Named || *one.name == *search.method)
        };
        let every = |one: &&Method| one.code == Code::Every;
        if let Some(found) = methods.iter().find(is).or_else(|| methods.iter().find(every)) {
            return Some(found.operation);
        }
        search.others.extend(methods.iter().map(|one| &*one.name));
        None
    }

    /// Packs a node and what is below it; parameters come right behind their parent.
    fn pack(&mut self, growing: &Growing) -> u32 {
        let place = number(self.nodes.len());
        let node = Node {
            literals: Literals::None,
            any: NONE,
            shaped: Span::default(),
            here: self.pack_methods(&growing.here),
            rest: self.pack_methods(&growing.rest),
        };
        self.nodes.push(node);
        let any = growing.any.as_ref().map_or(NONE, |child| self.pack(child));
        let literals = self.pack_literals(place, growing);
        let shaped: Vec<_> = growing
            .shaped
            .values()
            .map(|(shape, child)| (Arc::clone(shape), self.pack(child)))
            .collect();
        let span = Span { start: number(self.shaped.len()), count: number(shaped.len()) };
        self.shaped.extend(shaped);
        if let Some(node) = self.nodes.get_mut(place as usize) {
            (node.any, node.literals, node.shaped) = (any, literals, span);
        }
        place
    }

    fn pack_literals(&mut self, place: u32, growing: &Growing) -> Literals {
        let mut literals = Literals::None;
        for (segment, child) in &growing.literals {
            let text = Text { start: number(self.text.len()), length: number(segment.len()) };
            self.text.extend_from_slice(segment.as_bytes());
            let child = self.pack(child);
            if growing.literals.len() == 1 {
                return Literals::One(text, child);
            }
            self.edges.insert(place, segment, text, child);
            literals = Literals::Many;
        }
        literals
    }

    fn pack_methods(&mut self, methods: &[(Box<str>, usize)]) -> Span {
        let span = Span { start: number(self.methods.len()), count: number(methods.len()) };
        self.methods.extend(methods.iter().map(|(name, operation)| Method {
            code: Code::of(name),
            name: name.clone(),
            operation: *operation,
        }));
        span
    }
}

/// Counts within an API are bounded by its size, far below 2^32.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
