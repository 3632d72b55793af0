//! Is there what documents refer to, and is it finite?
//!
//! A reference names the root of another document: of those that lie together, or of a library that
//! these may use. The document with the last version that is meant is taken; none, and the reference
//! is wrong. A library is judged by itself.

use std::cmp::Ordering;

use crate::model::{Document, Reference, Referred};
use crate::problem::{Problem, did_you_mean, quoted};
use crate::read::depths;

/// The most policy sets, policies and rules that a document may come to with all that it refers to, each
/// counted as often as it is reached: an evaluation may visit all of them.
pub const MAX_EXPANDED: usize = 100_000;

/// So many references that find nothing are told: what would be right is sought far away.
const MOST_DANGLING: usize = 16;

/// The document of `documents` that a reference names, by its place.
pub fn find<'d>(
    reference: &Reference,
    documents: impl IntoIterator<Item = &'d Document>,
) -> Option<usize> {
    let named = documents.into_iter().enumerate().filter(|(_, document)| {
        let root = &document.root;
        root.referred() == reference.to && root.id() == &*reference.id
    });
    let version = |document: &'d Document| document.root.version();
    let meant = named.filter(|(_, document)| reference.means(version(document)));
    meant.max_by(|(_, one), (_, other)| version(one).cmp(version(other))).map(|(place, _)| place)
}

impl Reference {
    /// Whether it means this version of what it names.
    pub fn means(&self, version: &crate::Version) -> bool {
        let is_it = self.version.as_ref().is_none_or(|pattern| pattern.matches(version));
        let is_late = self.earliest.as_ref().is_none_or(|it| it.compare(version) != Ordering::Less);
        let is_early =
            self.latest.as_ref().is_none_or(|it| it.compare(version) != Ordering::Greater);
        is_it && is_late && is_early
    }
}

/// What is wrong with the references of `own` documents among themselves and to a `library`, each with the
/// place of its document. `elsewhere` says what would be right where a reference finds nothing here, and
/// something that whoever asks knows of.
pub fn check_references(
    own: &[Document],
    library: &[Document],
    elsewhere: impl Fn(&Reference) -> Option<String>,
) -> Vec<(usize, Problem)> {
    let mut problems = repeated(own);
    let mut dangling_ones = 0_usize;
    let all = || own.iter().chain(library);
    let mut uses = Vec::with_capacity(own.len());
    for (place, document) in own.iter().enumerate() {
        let mut used = Vec::new();
        for reference in document.references() {
            match find(reference, all()) {
                Some(found) => used.push(found),
                None if dangling_ones >= MOST_DANGLING => {}
                None => {
                    dangling_ones += 1;
                    let mut problem = dangling(reference, all());
                    problem.suggestion = elsewhere(reference).unwrap_or(problem.suggestion);
                    problems.push((place, problem));
                }
            }
        }
        uses.push(used);
    }
    // What a library refers to is its own and no circle through these.
    let within: Vec<Vec<usize>> = uses.iter().map(|used| unique(used, own.len())).collect();
    let depths = depths(&within);
    let mut sizes: Vec<usize> = all().map(|document| document.size).collect();
    let mut order: Vec<(usize, usize)> =
        depths.iter().enumerate().filter_map(|(place, depth)| Some(((*depth)?, place))).collect();
    order.sort_unstable();
    for (_, place) in order {
        let used = uses.get(place).into_iter().flatten();
        let more: usize = used.fold(0, |sum, used| sum + sizes.get(*used).copied().unwrap_or(0));
        if let Some(size) = sizes.get_mut(place) {
            *size = size.saturating_add(more).min(MAX_EXPANDED + 1);
        }
    }
    for (place, (depth, size)) in depths.iter().zip(&sizes).enumerate() {
        if depth.is_none() {
            let reason = "its references lead back to itself";
            problems.push((place, Problem::of_document(reason, "leave out one of them")));
        } else if *size > MAX_EXPANDED {
            let reason = format!(
                "with what it refers to it comes to more than {MAX_EXPANDED} policies and rules"
            );
            problems.push((place, Problem::of_document(reason, "refer to each of them once")));
        }
    }
    problems.sort_by_key(|(place, problem)| (*place, problem.line));
    problems
}

fn unique(used: &[usize], below: usize) -> Vec<usize> {
    let mut unique: Vec<usize> = used.iter().copied().filter(|used| *used < below).collect();
    unique.sort_unstable();
    unique.dedup();
    unique
}

/// Documents of one identifier and version: nobody could say which of them is meant.
fn repeated(own: &[Document]) -> Vec<(usize, Problem)> {
    let mut problems = Vec::new();
    for (place, document) in own.iter().enumerate() {
        let (root, before) = (&document.root, own.get(..place).unwrap_or_default());
        let is_same = |other: &Document| {
            let other = &other.root;
            (other.referred(), other.id(), other.version())
                == (root.referred(), root.id(), root.version())
        };
        if before.iter().any(is_same) {
            let (id, version) = (quoted(root.id()), root.version());
            let reason = format!("another document is {id} in version {version}");
            problems
                .push((place, Problem::of_document(reason, "give one of them another version")));
        }
    }
    problems
}

fn dangling<'d>(reference: &Reference, all: impl Iterator<Item = &'d Document>) -> Problem {
    let same: Vec<&Document> =
        all.filter(|document| document.root.referred() == reference.to).collect();
    let what = match reference.to {
        Referred::Policy => "policy",
        Referred::PolicySet => "policy set",
    };
    let id = quoted(&reference.id);
    let versions: Vec<String> = same
        .iter()
        .filter(|document| document.root.id() == &*reference.id)
        .map(|document| document.root.version().to_string())
        .collect();
    let (reason, suggestion) = if versions.is_empty() {
        let near = did_you_mean(&reference.id, same.iter().map(|one| one.root.id().to_owned()));
        let suggestion =
            if near.is_empty() { "add the document that it names".to_owned() } else { near };
        (format!("there is no {what} {id}"), suggestion)
    } else {
        let reason = format!("there is no version of the {what} {id} that is meant");
        (reason, format!("there is {}", versions.join(", ")))
    };
    let place = reference.to.element().to_owned();
    Problem { line: reference.line, place, reason, suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    /// A document for each line, `id version` and what it refers to: `id`, or `id pattern` in brackets.
    fn documents(short: &str) -> Vec<Document> {
        let one = |line: &str| {
            let (head, rest) = line.trim().split_once('>').unwrap_or((line.trim(), ""));
            let (id, version) = head.trim().split_once(' ').unwrap();
            let references: Vec<String> = rest
                .split(',')
                .filter(|it| !it.trim().is_empty())
                .map(|it| {
                    let (to, pattern) = it.trim().split_once(' ').unwrap_or((it.trim(), "+"));
                    format!(
                        "\n<PolicySetIdReference Version='{pattern}'>{to}</PolicySetIdReference>"
                    )
                })
                .collect();
            let references = references.concat();
            read(&format!(
                "<PolicySet xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17' \
                 PolicySetId='{id}' Version='{version}' PolicyCombiningAlgId='urn:oasis:names:tc:\
                 xacml:3.0:policy-combining-algorithm:deny-unless-permit'><Target/>{references}\
                 </PolicySet>"
            ))
            .unwrap()
        };
        short.lines().filter(|line| !line.trim().is_empty()).map(one).collect()
    }

    /// What is told of these documents beside a library.
    #[track_caller]
    fn check(own: &str, library: &str, told: &[&str]) {
        let problems = check_references(&documents(own), &documents(library), |_| None);
        let said: Vec<String> =
            problems.iter().map(|(at, one)| format!("{at} {one}; {}", one.suggestion)).collect();
        assert_eq!(said, told);
    }

    #[test]
    fn a_reference_finds_the_last_version_that_is_meant() {
        let all = documents("a 1.9\na 1.10\na 2.0\nb 3.0");
        for (pattern, found) in [("+", Some(2)), ("1.*", Some(1)), ("1.9", Some(0)), ("3.+", None)]
        {
            let asking = documents(&format!("c 1 > a {pattern}"));
            assert_eq!(find(asking[0].references()[0], &all), found, "{pattern}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_its_line() {
        check("a 1 > b, low 1.+\nb 1", "low 1.2", &[]);
        check(
            "a 1 > b, lowe\nb 1 > low 2.*",
            "lower 1",
            &[
                "0 line 3, PolicySetIdReference: there is no policy set `lowe`; did you mean \
                 `lower`?",
                "1 line 2, PolicySetIdReference: there is no policy set `low`; add the document \
                 that it names",
            ],
        );
        check(
            "a 1 > low 2.*",
            "low 1.2",
            &["0 line 2, PolicySetIdReference: there is no version of the policy set `low` that \
               is meant; there is 1.2"],
        );
        let many = format!("a 1 > {}", "gone,".repeat(40));
        assert_eq!(check_references(&documents(&many), &[], |_| None).len(), MOST_DANGLING);
    }

    #[test]
    fn references_lead_neither_in_circles_nor_to_more_than_can_be_visited() {
        check(
            "a 1 > b\nb 1 > a\nc 1",
            "",
            &[
                "0 its references lead back to itself; leave out one of them",
                "1 its references lead back to itself; leave out one of them",
            ],
        );
        check(
            "a 1\na 1",
            "",
            &["1 another document is `a` in version 1; give one of them another version"],
        );
        let doubling: Vec<String> =
            (0..17).map(|at| format!("s{at} 1 > s{0}, s{0}\n", at + 1)).collect();
        let doubling = doubling.concat();
        let problems = check_references(&documents(&format!("{doubling}s17 1")), &[], |_| None);
        let places: Vec<usize> = problems.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0, 1], "2 to the power of 17 are more than 100,000");
    }
}
