//! How are many short texts kept by a number, in little more memory than their own?
//!
//! Side by side, some to a piece of memory. Persistent: a copy costs nothing, a change the size of one
//! piece. A number that is free again is given anew.

use std::sync::Arc;

use imbl::Vector;

/// How many texts are side by side.
const TOGETHER: usize = 32;

/// Texts by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pieces: Vector<Arc<[u8]>>,
    free: Vector<u32>,
    /// The first number that was never given.
    next: u32,
}

impl Names {
    /// Keeps a text; `None` where all numbers are taken.
    pub(crate) fn add(&mut self, text: &str) -> Option<u32> {
        let number = if let Some(number) = self.free.pop_back() {
            number
        } else {
            let number = self.next;
            self.next = number.checked_add(1)?;
            number
        };
        self.set(number, text);
        Some(number)
    }

    /// The text of a number; empty where none is kept.
    pub(crate) fn get(&self, number: u32) -> &str {
        let (piece, place) = place(number);
        let text = self.pieces.get(piece).and_then(|piece| runs(piece).nth(place));
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Keeps it no more.
    pub(crate) fn remove(&mut self, number: u32) {
        self.set(number, "");
        self.free.push_back(number);
        if self.free.len() == self.next as usize {
            *self = Self::default();
        }
    }

    fn set(&mut self, number: u32, text: &str) {
        let (piece, place) = place(number);
        let mut texts = Vec::with_capacity(TOGETHER);
        texts.extend(self.pieces.get(piece).into_iter().flat_map(|piece| runs(piece)));
        texts.resize(texts.len().max(place + 1), b"");
        if let Some(kept) = texts.get_mut(place) {
            *kept = text.as_bytes();
        }
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 2).sum());
        for text in texts {
            put_run(&mut bytes, text);
        }
        let bytes: Arc<[u8]> = bytes.into();
        match self.pieces.get_mut(piece) {
            Some(known) => *known = bytes,
            // Numbers are given one after the other, so this is the next piece.
            None => self.pieces.push_back(bytes),
        }
    }
}

const fn place(number: u32) -> (usize, usize) {
    (number as usize / TOGETHER, number as usize % TOGETHER)
}

/// Appends a run of bytes, with its length before it.
pub(crate) fn put_run(to: &mut Vec<u8>, run: &[u8]) {
    // A vector takes whatever is written.
    let _ = prost::encode_length_delimiter(run.len(), to);
    to.extend_from_slice(run);
}

/// Takes a run of bytes from the front.
pub(crate) fn take_run<'b>(from: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = prost::decode_length_delimiter(&mut *from).ok()?;
    let (run, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(run)
}

fn runs(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || take_run(&mut bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps: `+a` keeps `a`, `-a` keeps it no more.
    #[track_caller]
    fn check(steps: &str) {
        let (mut names, mut kept) = (Names::default(), Vec::<(u32, &str)>::new());
        for step in steps.split_whitespace() {
            let (what, text) = step.split_at(1);
            if what == "+" {
                kept.push((names.add(text).unwrap(), text));
            } else {
                let at = kept.iter().position(|(_, known)| *known == text).unwrap();
                names.remove(kept.remove(at).0);
            }
            for (number, text) in &kept {
                assert_eq!(names.get(*number), *text, "after {step}");
            }
        }
        let numbers: std::collections::BTreeSet<u32> = kept.iter().map(|(it, _)| *it).collect();
        assert_eq!(numbers.len(), kept.len(), "no number is given twice");
        assert!(!kept.is_empty() || names.pieces.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn each_text_keeps_its_number_until_it_goes() {
        check("+a +bb +ccc");
        check("+a +b -a +c +d -b -c -d");
        let long = "x".repeat(300);
        check(&format!("+a +{long} +b -a +c"));
        let many: Vec<String> = (0..100).map(|n| format!("+n{n}")).collect();
        check(&format!("{} -n7 -n70 +again +more +most", many.join(" ")));
    }

    #[test]
    fn an_unknown_number_has_no_text() {
        assert_eq!(Names::default().get(7), "");
    }
}
