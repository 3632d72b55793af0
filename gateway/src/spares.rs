//! Where do buffers wait that no connection needs just now?
//!
//! With their worker. A connection without a call holds none, so that ten thousand of them cost
//! little; and the buffer that was used last is the next to be used, while the caches know it.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers that wait; more are freed.
const MOST_WAITING: usize = 64;
/// What a buffer may have grown to that is worth keeping.
const MOST_KEPT: usize = 16 * 1024;

/// The buffers of one worker that wait for their next use.
#[derive(Debug, Default)]
pub struct Spares {
    inputs: RefCell<Vec<BytesMut>>,
    outputs: RefCell<Vec<Vec<u8>>>,
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

    /// Takes a buffer back that was read into; what it holds is gone.
    pub fn keep_input(&self, mut buffer: BytesMut) {
        let mut inputs = self.inputs.borrow_mut();
        if inputs.len() < MOST_WAITING && (1..=MOST_KEPT).contains(&buffer.capacity()) {
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
