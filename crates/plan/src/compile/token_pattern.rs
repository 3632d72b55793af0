//! Whose is a token that names no issuer?
//!
//! A pattern matches the whole token or not at all. Two patterns that have a token in common are found
//! before any such token is: both automata are walked side by side.

use std::collections::HashSet;
use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

const MAX_BYTES: usize = 256;
/// Of an automaton, in bytes; far more than a pattern of tokens needs.
const MAX_AUTOMATON: usize = 1 << 20;
/// Pairs of states that are looked at; two patterns that need more count as alike.
const MOST_PAIRS: usize = 1 << 16;

/// A regular expression for whole tokens.
#[derive(Clone)]
pub struct TokenPattern {
    text: Box<str>,
    automaton: dense::DFA<Vec<u32>>,
}

impl TokenPattern {
    /// Reads a pattern, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(format!("a pattern has 1 to {MAX_BYTES} bytes"));
        }
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .minimize(true)
            .dfa_size_limit(Some(MAX_AUTOMATON))
            .determinize_size_limit(Some(MAX_AUTOMATON));
        let words = syntax::Config::new().unicode(false).utf8(false);
        // By itself first: `a)|(b` would close the group that is put around it, and leave the anchors.
        syntax::parse_with(text, &words).map_err(|error| unreadable(text, &error))?;
        let automaton = dense::Builder::new()
            .configure(config)
            .syntax(words)
            .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_AUTOMATON)))
            .build(&format!(r"\A(?:{text})\z"))
            .map_err(|error| unreadable(text, &error))?;
        let pattern = Self { text: text.into(), automaton };
        if pattern.matches("") {
            return Err("it matches a token of no length".to_owned());
        }
        Ok(pattern)
    }

    /// Whether this is one of its tokens.
    pub fn matches(&self, token: &str) -> bool {
        let Some(mut state) = self.start() else { return false };
        for byte in token.bytes() {
            state = self.automaton.next_state(state, byte);
            if self.is_dead(state) {
                return false;
            }
        }
        self.ends_well(state)
    }

    /// Whether there is a token that both match.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (self.start(), other.start()) else { return true };
        let mut seen = HashSet::from([(ours, theirs)]);
        let mut open = vec![(ours, theirs)];
        while let Some((ours, theirs)) = open.pop() {
            if self.ends_well(ours) && other.ends_well(theirs) || seen.len() > MOST_PAIRS {
                return true;
            }
            for byte in 0..=u8::MAX {
                let ours = self.automaton.next_state(ours, byte);
                let theirs = other.automaton.next_state(theirs, byte);
                let dead = self.is_dead(ours) || other.is_dead(theirs);
                if !dead && seen.insert((ours, theirs)) {
                    open.push((ours, theirs));
                }
            }
        }
        false
    }

    fn start(&self) -> Option<StateID> {
        self.automaton.start_state_forward(&Input::new("").anchored(Anchored::Yes)).ok()
    }

    fn is_dead(&self, state: StateID) -> bool {
        self.automaton.is_dead_state(state) || self.automaton.is_quit_state(state)
    }

    fn ends_well(&self, state: StateID) -> bool {
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }
}

/// The parser draws a picture on several lines; its last line says what is wrong.
fn unreadable(text: &str, error: &dyn std::error::Error) -> String {
    let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("`{text}` is no regular expression here: {said}")
}

impl PartialEq for TokenPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TokenPattern {}

impl fmt::Debug for TokenPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenPattern").field(&self.text).finish()
    }
}

impl fmt::Display for TokenPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, token: &str, expected: bool) {
        let parsed = TokenPattern::parse(pattern).unwrap();
        assert_eq!(parsed.matches(token), expected, "{pattern} {token}");
    }

    #[test]
    fn a_pattern_matches_the_whole_token_or_nothing() {
        check("op_[a-z]+", "op_abc", true);
        check("op_[a-z]+", "op_abc!", false);
        check("op_[a-z]+", "xop_abc", false);
        check("a|b", "ab", false);
        check("a|b", "b", true);
        check("[A-Za-z0-9_-]{43}", &"x".repeat(43), true);
        check("[A-Za-z0-9_-]{43}", &"x".repeat(44), false);
        check("op_.*", "op_\u{e9}", true);
        // Nobody gets out of the anchors.
        check("x$", "x", true);
        check("(?m)^x$", "y\nx", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "(", "a)|(b", "x*", "[a-z]{1,100000}", &"x".repeat(300), "\\p{L}"] {
            assert!(TokenPattern::parse(text).is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check_pair(one: &str, other: &str, overlap: bool) {
        let (one, other) = (TokenPattern::parse(one).unwrap(), TokenPattern::parse(other).unwrap());
        assert_eq!(one.overlaps(&other), overlap, "{one} {other}");
        assert_eq!(other.overlaps(&one), overlap, "{other} {one}");
    }

    #[test]
    fn two_patterns_with_a_token_in_common_are_found() {
        check_pair("a_.*", "b_.*", false);
        check_pair("a_.*", "a_b.*", true);
        check_pair("[a-z]{43}", "[a-z]{42}", false);
        check_pair("[a-z]{43}", "x.*y", true);
        check_pair("[0-9]+", "[a-f]+", false);
        check_pair("[0-9a]+", "[a-f]+", true);
        check_pair("x", "x", true);
    }
}
