//! Where do buffers wait that no connection needs just now?
//!
//! With their worker. A connection on which nothing is being read holds none, be it a client's or a
//! backend's, so that ten thousand of them cost little; and the buffer that was used last is the next
//! to be used, while the caches know it.

use std::cell::RefCell;

use bytes::BytesMut;
use http::HeaderMap;

/// Buffers that wait; more are freed.
const MOST_WAITING: usize = 64;
/// What a buffer to write heads into may have grown to that is worth keeping,
const MOST_KEPT: usize = 16 * 1024;
/// and one to read bodies into.
const MOST_READ: usize = 128 * 1024;

/// How many fields the room in a map may be for that is worth keeping.
const MOST_FIELDS: usize = 64;

/// The buffers of one worker that wait for their next use.
#[derive(Debug, Default)]
pub struct Spares {
    inputs: RefCell<Vec<BytesMut>>,
    outputs: RefCell<Vec<Vec<u8>>>,
    fields: RefCell<Vec<HeaderMap>>,
}

impl Spares {
    /// An empty buffer to read into.
    pub fn input(&self) -> BytesMut {
        self.inputs.borrow_mut().pop().unwrap_or_default()
    }

    /// An empty buffer to write into.
    pub fn output(&self) -> Vec<u8> {
        self.outputs.borrow_mut().pop().unwrap_or_default()
    }

    /// An empty map with room for so many fields.
    pub fn fields(&self, count: usize) -> HeaderMap {
        let kept = self.fields.borrow_mut().pop().filter(|kept| count <= kept.capacity());
        kept.unwrap_or_else(|| HeaderMap::with_capacity(count))
    }

    /// Takes a map back; what it holds is gone.
    pub fn keep_fields(&self, mut fields: HeaderMap) {
        let mut waiting = self.fields.borrow_mut();
        if waiting.len() < MOST_WAITING && (1..=MOST_FIELDS).contains(&fields.capacity()) {
            fields.clear();
            waiting.push(fields);
        }
    }

    /// Takes a buffer back that was read into; what it holds is gone. What was split off it may still
    /// be in use: room for as much as before is there again when that has ended.
    pub fn keep_input(&self, mut buffer: BytesMut) {
        let mut inputs = self.inputs.borrow_mut();
        if inputs.len() < MOST_WAITING && (1..=MOST_READ).contains(&buffer.capacity()) {
            buffer.clear();
            inputs.push(buffer);
        }
    }

    /// Takes a buffer back that was written into; what it holds is gone.
    pub fn keep_output(&self, mut buffer: Vec<u8>) {
        let mut outputs = self.outputs.borrow_mut();
        if outputs.len() < MOST_WAITING && (1..=MOST_KEPT).contains(&buffer.capacity()) {
            buffer.clear();
            outputs.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_room() {
        let spares = Spares::default();
        let mut buffer = spares.input();
        buffer.extend_from_slice(&[7; 100]);
        let room = buffer.capacity();
        spares.keep_input(buffer);
        let buffer = spares.input();
        assert_eq!((buffer.len(), buffer.capacity()), (0, room));
        assert_eq!(spares.input().capacity(), 0, "it was given out twice");
    }

    #[test]
    fn a_map_comes_back_empty_and_with_its_room() {
        let spares = Spares::default();
        let mut fields = spares.fields(5);
        fields.append("a", http::HeaderValue::from_static("b"));
        fields.append("a", http::HeaderValue::from_static("c"));
        let room = fields.capacity();
        spares.keep_fields(fields);
        let fields = spares.fields(3);
        assert_eq!((fields.len(), fields.contains_key("a"), fields.capacity()), (0, false, room));
        spares.keep_fields(HeaderMap::with_capacity(MOST_FIELDS * 2));
        assert!(spares.fields.borrow().is_empty(), "a large one is kept");
        spares.keep_fields(HeaderMap::with_capacity(1));
        assert!(spares.fields(MOST_FIELDS).capacity() >= MOST_FIELDS);
    }

    #[test]
    fn large_buffers_and_too_many_are_freed() {
        let spares = Spares::default();
        spares.keep_output(Vec::with_capacity(MOST_KEPT + 1));
        assert_eq!(spares.output().capacity(), 0);
        for _ in 0..=MOST_WAITING {
            spares.keep_output(Vec::with_capacity(8));
        }
        assert_eq!(spares.outputs.borrow().len(), MOST_WAITING);
    }
}
