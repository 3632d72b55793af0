//! Where do the fields of a head lie in the bytes that were read?
//!
//! The parser borrows the buffer; to cut names and values out of it without a copy, their places
//! are noted first.

use std::rc::Rc;

use http::{HeaderMap, HeaderName};

use super::names::FieldNames;
use crate::spares::Spares;

/// The most fields of one head.
pub const MAX_FIELDS: usize = 128;

/// Room to note places in, kept from one head to the next.
#[derive(Debug, Default)]
pub struct Places {
    all: Vec<Place>,
    names: Rc<FieldNames>,
    spares: Rc<Spares>,
}

/// Where a field's name and value lie, as distances from the start of the head.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// From and to.
    pub name: (usize, usize),
    /// From and to.
    pub value: (usize, usize),
}

impl Places {
    /// Room for places of fields whose names are looked up among `names`.
    pub const fn new(names: Rc<FieldNames>, spares: Rc<Spares>) -> Self {
        Self { all: Vec::new(), names, spares }
    }

    /// An empty map with room for all that were noted.
    pub fn map(&self) -> HeaderMap {
        self.spares.fields(self.all.len())
    }

    /// Notes where `fields` lie in `head`, which they were parsed from.
    pub fn note(&mut self, head: &[u8], fields: &[httparse::Header<'_>]) {
        let start = head.as_ptr().addr();
        let place = |bytes: &[u8]| {
            let from = bytes.as_ptr().addr().saturating_sub(start);
            (from, from + bytes.len())
        };
        self.all.clear();
        self.all.extend(
            fields.iter().map(|field| Place {
                name: place(field.name.as_bytes()),
                value: place(field.value),
            }),
        );
    }

    /// Whether every line of `head`, whose fields were noted, ends in CRLF. The parser takes a bare
    /// LF for the end of a line as well, and the next reader may not.
    pub fn lines_end_well(&self, head: &[u8]) -> bool {
        let starts =
            self.all.iter().map(|place| place.name.0).chain([head.len().saturating_sub(2)]);
        let mut ends = starts.filter(|start| *start > 0).map(|start| {
            let before = start.checked_sub(2).and_then(|from| head.get(from..start));
            before == Some(b"\r\n")
        });
        ends.all(|crlf| crlf) && head.ends_with(b"\r\n")
    }

    /// What was noted last.
    pub fn all(&self) -> &[Place] {
        &self.all
    }

    /// The name of the field at `place` in `head`; `None`: it is none.
    pub fn name(&self, head: &[u8], place: &Place) -> Option<HeaderName> {
        self.names.name(head.get(place.name.0..place.name.1)?)
    }
}
