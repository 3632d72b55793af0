//! How does what has grown become a trie?
//!
//! Parents beside their children, in arrays without a place to spare: there is one trie for each API.

use std::sync::Arc;

use super::condition::Conditions;
use super::edges::{Edges, NONE, Text};
use super::grow::{Ending, Growing};
use super::segment::Shape;
use super::trie::{Code, Literals, Method, Node, Span, Trie};

/// A trie that is being put together.
#[derive(Default)]
struct Packing {
    nodes: Vec<Node>,
    methods: Vec<Method>,
    conditional: Vec<(Arc<Conditions>, u32)>,
    shaped: Vec<(Arc<Shape>, u32)>,
    edges: Edges,
    text: Vec<u8>,
}

impl Trie {
    /// Packs what has grown.
    pub(crate) fn packed(growing: &Growing) -> Self {
        let mut packing = Packing::default();
        packing.pack(growing, false);
        let Packing { nodes, methods, conditional, shaped, edges, text } = packing;
        Self {
            nodes: nodes.into(),
            methods: methods.into(),
            conditional: conditional.into(),
            shaped: shaped.into(),
            edges,
            text: text.into(),
        }
    }
}

impl Packing {
    /// Packs a node and what is below it; parameters come right behind their parent.
    fn pack(&mut self, growing: &Growing, may_end_with_slash: bool) -> u32 {
        let place = number(self.nodes.len());
        let node = Node {
            may_end_with_slash,
            literals: Literals::None,
            any: NONE,
            shaped: Span::default(),
            here: self.pack_methods(&growing.here),
            rest: self.pack_methods(&growing.rest),
        };
        self.nodes.push(node);
        let any = growing.any.as_ref().map_or(NONE, |child| self.pack(child, true));
        let literals = self.pack_literals(place, growing);
        let shaped: Vec<_> = growing
            .shaped
            .values()
            .map(|(shape, child)| (Arc::clone(shape), self.pack(child, true)))
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
            let child = self.pack(child, !segment.is_empty());
            if growing.literals.len() == 1 {
                return Literals::One(text, child);
            }
            self.edges.insert(place, segment, text, child);
            literals = Literals::Many;
        }
        literals
    }

    /// Operations of one method lie behind the first of them, those with most conditions first.
    fn pack_methods(&mut self, endings: &[Ending]) -> Span {
        let mut methods: Vec<Method> = Vec::new();
        for ending in endings {
            if methods.iter().any(|known| known.name == ending.method) {
                continue;
            }
            let same = || endings.iter().filter(|other| other.method == ending.method);
            let plain = same().find(|one| one.conditions.is_none());
            let asks = |one: &Ending| Some((Arc::clone(one.conditions.as_ref()?), one.operation));
            let mut conditional: Vec<_> = same().filter_map(asks).collect();
            // Stable: equal ones stay in the order of the list.
            conditional.sort_by_cached_key(|(conditions, _)| conditions.order());
            let start = number(self.conditional.len());
            let span = Span { start, count: number(conditional.len()) };
            self.conditional
                .extend(conditional.into_iter().map(|(conditions, at)| (conditions, number(at))));
            methods.push(Method {
                code: Code::of(&ending.method),
                name: ending.method.clone(),
                operation: plain.map_or(NONE, |one| number(one.operation)),
                conditional: span,
            });
        }
        let span = Span { start: number(self.methods.len()), count: number(methods.len()) };
        self.methods.extend(methods);
        span
    }
}

/// Counts within an API are bounded by its size, far below 2^32.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}
