//! How many different ones were seen for a key within a while?
//!
//! A window begins with the first one seen and is told of once, when it reaches the threshold. No
//! more members are remembered than that takes, and no more keys than the bound: beyond it keys
//! whose windows are over make room, and while there are none, new keys are not watched.

use std::collections::{HashMap, HashSet};

#[derive(Debug)]
pub(super) struct Distinct {
    window_seconds: i64,
    threshold: usize,
    most: usize,
    windows: HashMap<String, Window>,
}

#[derive(Debug)]
struct Window {
    begun: i64,
    members: HashSet<u64>,
}

impl Distinct {
    pub(super) fn new(window_seconds: i64, threshold: usize, most: usize) -> Self {
        Self { window_seconds, threshold: threshold.max(1), most, windows: HashMap::new() }
    }

    /// Sees a member; answers when the window of its key began, if it just reached the threshold.
    pub(super) fn see(&mut self, key: &str, member: u64, now: i64) -> Option<i64> {
        let over = |window: &Window| now.saturating_sub(window.begun) >= self.window_seconds;
        match self.windows.get(key) {
            Some(window) if !over(window) => {}
            Some(_) => {
                self.windows.remove(key);
            }
            None if self.windows.len() >= self.most => {
                self.windows.retain(|_, window| !over(window));
                if self.windows.len() >= self.most {
                    return None;
                }
            }
            None => {}
        }
        let window = self
            .windows
            .entry(key.to_owned())
            .or_insert_with(|| Window { begun: now, members: HashSet::new() });
        if window.members.len() >= self.threshold {
            return None;
        }
        let new = window.members.insert(member);
        (new && window.members.len() == self.threshold).then_some(window.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `seen` are "key member time …" of three within a window of 10 seconds, two keys at most;
    /// `told` are the keys that were told of.
    #[track_caller]
    fn check(seen: &str, told: &str) {
        let mut distinct = Distinct::new(10, 3, 2);
        let mut found = Vec::new();
        let words: Vec<&str> = seen.split_whitespace().collect();
        for three in words.chunks_exact(3) {
            let [key, member, at] = three else { continue };
            let (member, at) = (member.parse().expect("a number"), at.parse().expect("a time"));
            if let Some(begun) = distinct.see(key, member, at) {
                found.push(format!("{key}@{begun}"));
            }
        }
        assert_eq!(found.join(" "), told);
    }

    #[test]
    fn three_different_ones_are_told_of_once() {
        check("a 1 0  a 2 1  a 3 2  a 4 3  a 5 4", "a@0");
        check("a 1 0  a 1 1  a 2 2  a 2 3", "");
    }

    #[test]
    fn a_window_ends() {
        check("a 1 0  a 2 9  a 3 10", "");
        check("a 1 0  a 2 1  a 3 2  a 1 10  a 2 11  a 3 12", "a@0 a@10");
    }

    #[test]
    fn keys_are_bounded() {
        check("a 1 0  b 1 0  c 1 1  c 2 1  c 3 1", "");
        check("a 1 0  b 1 0  c 1 10  c 2 10  c 3 10", "c@10");
    }
}
