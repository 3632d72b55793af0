//! What is wrong with a document, where, and what would be right?
//!
//! Problems are collected, so that whoever wrote the document corrects it in one round.

use std::fmt;

use roxmltree::Node;

use crate::element::{line, place};

/// The most problems that are told of one document; the last one says how many more there are.
const MOST: usize = 100;
/// The longest name for which a nearer one is sought, in characters: distances are quadratic.
const LONGEST: usize = 64;
/// Among so many names a nearer one is sought; the standard has fewer functions.
const MOST_KNOWN: usize = 300;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line on which the element begins, from 1; 0: the whole document.
    pub line: u32,
    /// The path of the element, as in `PolicySet/Policy[2]/Rule[1]`; empty: the whole document.
    pub place: String,
    /// What is wrong, a sentence without a full stop.
    pub reason: String,
    /// What would be right; empty where nothing can be suggested.
    pub suggestion: String,
}

impl Problem {
    /// Something is wrong with the document as a whole.
    pub(crate) fn of_document(reason: impl Into<String>, suggestion: impl Into<String>) -> Self {
        let (reason, suggestion) = (reason.into(), suggestion.into());
        Self { line: 0, place: String::new(), reason, suggestion }
    }
}

impl fmt::Display for Problem {
    /// Place and reason, without the suggestion.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.reason),
            line => write!(f, "line {line}, {}: {}", self.place, self.reason),
        }
    }
}

/// The problems of one document, in the order in which they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    beyond: usize,
}

impl Problems {
    /// Something is wrong with an element.
    pub(crate) fn add(
        &mut self,
        node: Node<'_, '_>,
        reason: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        // Places are spelled from the root on, so only for those that are told.
        if self.list.len() >= MOST {
            self.beyond += 1;
            return;
        }
        let (reason, suggestion) = (reason.into(), suggestion.into());
        self.list.push(Problem { line: line(node), place: place(node), reason, suggestion });
    }

    /// A nearer name, as `did_you_mean` says it; nothing once no more problems are told, because looking for
    /// it takes longer than whatever else is done with an element.
    pub(crate) fn did_you_mean(&self, given: &str, known: impl Iterator<Item = String>) -> String {
        if self.list.len() < MOST { did_you_mean(given, known) } else { String::new() }
    }

    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        if self.beyond > 0 {
            let reason = format!("{} more problems are not listed", self.beyond);
            self.list.push(Problem::of_document(reason, ""));
        }
        self.list
    }
}

/// "did you mean `x`?", or nothing. Identifiers are compared by what follows their last `:`, `#` or
/// `/`, so that `…:2.0:function:string-equal` finds the one of 1.0.
pub(crate) fn did_you_mean(given: &str, known: impl Iterator<Item = String>) -> String {
    let last = |name: &str| -> String {
        let name = name.rsplit([':', '#', '/']).next().unwrap_or(name);
        name.chars().take(LONGEST).collect::<String>().to_lowercase()
    };
    let wrong = last(given);
    let most = (wrong.chars().count() / 3).min(3);
    let is_near = |end: &str| end.chars().count().abs_diff(wrong.chars().count()) <= most;
    known
        .take(MOST_KNOWN)
        .map(|name| (last(&name), name))
        .filter(|(end, _)| is_near(end))
        .map(|(end, name)| (strsim::damerau_levenshtein(&wrong, &end), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| format!("did you mean `{name}`?"))
        .unwrap_or_default()
}

/// A text as it is quoted in a sentence: short, and on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(100).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.replace(char::is_control, " "))
}
