//! Which operation of an API does a call mean?
//!
//! A trie over segments. At each segment literals are tried first, then shaped segments (those
//! with more literal characters first), then parameters, then `/*`; what leads nowhere is left for
//! the next. A path that is found without the method is told apart from one that is not found.
//! A slash at the end is looked for as it is first, and then as if it were, or were not, there.
//!
//! It is packed into few arrays, parents beside their children: with a hundred thousand routes a
//! look-up costs as many cache misses as it touches places, and little else.

use std::sync::Arc;

use super::condition::{Asked, Bare, Conditions};
use super::edges::{Edges, NONE, Text};
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
#[repr(C)]
pub(crate) struct Trie {
    pub(super) nodes: Box<[Node]>,
    pub(super) methods: Box<[Method]>,
    /// Operations that ask for more than path and method, by method; narrower ones first.
    pub(super) conditional: Box<[(Arc<Conditions>, u32)]>,
    pub(super) shaped: Box<[(Arc<Shape>, u32)]>,
    pub(super) edges: Edges,
    /// The literal segments.
    pub(super) text: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Whether a slash behind its path, and nothing else, means the same: not for the root, and
    /// not where its path has one already.
    pub(super) may_end_with_slash: bool,
    pub(super) literals: Literals,
    pub(super) any: u32,
    pub(super) shaped: Span,
    pub(super) here: Span,
    pub(super) rest: Span,
}

/// The literal children of a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Literals {
    None,
    One(Text, u32),
    /// In `edges`.
    Many,
}

/// Some elements of an array.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) count: u32,
}

impl Span {
    fn of<T>(self, all: &[T]) -> &[T] {
        let (start, count) = (self.start as usize, self.count as usize);
        all.get(start..).and_then(|rest| rest.get(..count)).unwrap_or_default()
    }
}

/// The operations of a path that have one method.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) code: Code,
    pub(super) name: Box<str>,
    /// The one that asks for nothing else.
    pub(super) operation: u32,
    /// Those that do.
    pub(super) conditional: Span,
}

/// The usual methods, so that they are compared without a look at their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
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
    pub(super) fn of(method: &str) -> Self {
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
    call: &'m dyn Asked,
    /// Whether only `others` are asked for.
    collects: bool,
    others: Vec<&'t str>,
    /// Whether the path has the method, for calls that carry something else.
    unfit: bool,
}

impl Trie {
    /// The operation for a method and what follows the context: empty, or starting with `/`.
    pub(crate) fn find<'t>(&'t self, method: &str, rest: &str, call: &dyn Asked) -> Match<'t> {
        let code = Code::of(method);
        let others = Vec::new();
        let mut search = Search { method, code, call, collects: false, others, unfit: false };
        match self.find_below(0, below(rest), &mut search) {
            Some(operation) => Match::Found(operation),
            None if search.others.is_empty() || search.unfit => Match::Nothing,
            None => Match::OtherMethods(listed(search.others)),
        }
    }

    /// The methods of a path, sorted.
    pub(crate) fn methods(&self, rest: &str) -> Vec<&str> {
        let (code, others) = (Code::Named, Vec::new());
        let mut search =
            Search { method: "", code, call: &Bare, collects: true, others, unfit: false };
        self.find_below(0, below(rest), &mut search);
        listed(search.others)
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
            return self
                .of_method(node.here, search)
                .or_else(|| self.of_method(self.with_slash(place, node), search))
                .or_else(|| self.of_method(node.rest, search));
        };
        let (segment, left) = match left.bytes().position(|byte| byte == b'/') {
            Some(end) => (left.get(..end)?, left.get(end + 1..)),
            None => (left, None),
        };
        self.literal(place, node, segment)
            .and_then(|child| self.find_below(child, left, search))
            .or_else(|| {
                let slash_at_end = segment.is_empty() && left.is_none();
                (slash_at_end && node.may_end_with_slash)
                    .then(|| self.of_method(node.here, search))
                    .flatten()
            })
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

    fn literal(&self, place: u32, node: &Node, segment: &str) -> Option<u32> {
        match node.literals {
            Literals::None => None,
            Literals::One(text, child) => text.is(&self.text, segment).then_some(child),
            Literals::Many => self.edges.get(&self.text, place, segment),
        }
    }

    /// The operations of this node's path with a slash at the end.
    fn with_slash(&self, place: u32, node: &Node) -> Span {
        if !node.may_end_with_slash {
            return Span::default();
        }
        let child = self.literal(place, node, "");
        child.and_then(|child| self.nodes.get(child as usize)).map_or(Span::default(), |it| it.here)
    }

    fn of_method<'t>(&'t self, span: Span, search: &mut Search<'_, 't>) -> Option<usize> {
        let methods = span.of(&self.methods);
        if search.collects {
            search.others.extend(methods.iter().map(|one| &*one.name));
            return None;
        }
        let named = |one: &Method| {
            one.code == search.code && (one.code != Code::Named || *one.name == *search.method)
        };
        if let Some(found) = methods.iter().find(|one| named(one))
            && let Some(operation) = self.fitting(found, search)
        {
            return Some(operation);
        }
        // RFC 9110 §9.3.2: HEAD is GET without the content of the answer.
        let instead = [(search.code == Code::Head).then_some(Code::Get), Some(Code::Every)];
        for code in instead.into_iter().flatten() {
            if let Some(found) = methods.iter().find(|one| one.code == code)
                && let Some(operation) = self.fitting(found, search)
            {
                return Some(operation);
            }
        }
        search.others.extend(methods.iter().map(|one| &*one.name));
        None
    }

    fn fitting(&self, method: &Method, search: &mut Search<'_, '_>) -> Option<usize> {
        let asked = method.conditional.of(&self.conditional).iter();
        let mut fitting = asked.filter(|(conditions, _)| conditions.fit(search.call));
        let operation = fitting.next().map_or(method.operation, |(_, operation)| *operation);
        search.unfit |= operation == NONE;
        (operation != NONE).then_some(operation as usize)
    }
}

/// What follows the first slash; `None`: nothing does.
fn below(rest: &str) -> Option<&str> {
    rest.strip_prefix('/').filter(|left| !left.is_empty())
}

/// Methods as `Allow` wants them: HEAD is there where GET is.
fn listed(mut methods: Vec<&str>) -> Vec<&str> {
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    methods
}

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
