//! To which requests does something apply?

use super::expression::{read_designator, read_selector, read_value};
use crate::element::{Element, Occurs, Part, check_attributes, children, known, named};
use crate::identifier::Function;
use crate::model::{AllOf, AnyOf, Match, Matched, Target};
use crate::problem::Problems;

const MATCH: [Part; 3] = [
    ("AttributeValue", 0, Occurs::Once),
    ("AttributeDesignator", 1, Occurs::Maybe),
    ("AttributeSelector", 1, Occurs::Maybe),
];

/// A target (section 5.6); none: something in it cannot be read.
pub(super) fn read_target(node: Element<'_>, problems: &mut Problems) -> Option<Target> {
    check_attributes(node, &[], problems);
    let all = children(node, &[("AnyOf", 0, Occurs::Any)], problems);
    let any_of: Vec<_> = all.into_iter().map(|child| read_any_of(child, problems)).collect();
    Some(Target { any_of: any_of.into_iter().collect::<Option<_>>()? })
}

fn read_any_of(node: Element<'_>, problems: &mut Problems) -> Option<AnyOf> {
    check_attributes(node, &[], problems);
    let all = children(node, &[("AllOf", 0, Occurs::Some)], problems);
    let all_of: Vec<_> = all.into_iter().map(|child| read_all_of(child, problems)).collect();
    Some(AnyOf { all_of: all_of.into_iter().collect::<Option<_>>()? })
}

fn read_all_of(node: Element<'_>, problems: &mut Problems) -> Option<AllOf> {
    check_attributes(node, &[], problems);
    let all = children(node, &[("Match", 0, Occurs::Some)], problems);
    let matches: Vec<_> = all.into_iter().map(|child| read_match(child, problems)).collect();
    Some(AllOf { matches: matches.into_iter().collect::<Option<_>>()? })
}

fn read_match(node: Element<'_>, problems: &mut Problems) -> Option<Match> {
    check_attributes(node, &["MatchId"], problems);
    let function = known(node, "MatchId", "function", Function::find, Function::known, problems);
    let all = children(node, &MATCH, problems);
    let value = named(&all, "AttributeValue").and_then(|child| read_value(child, problems));
    let (designator, selector) =
        (named(&all, "AttributeDesignator"), named(&all, "AttributeSelector"));
    let matched = match (designator, selector) {
        (Some(one), None) => read_designator(one, problems).map(Matched::Designator),
        (None, Some(one)) => read_selector(one, problems).map(Matched::Selector),
        (None, None) => {
            problems.add(
                node,
                "nothing of the request is named",
                "add an `AttributeDesignator` or an `AttributeSelector`",
            );
            None
        }
        (Some(_), Some(_)) => {
            let reason = "a designator and a selector exclude each other";
            problems.add(node, reason, "keep one of them");
            None
        }
    };
    Some(Match { function: function?, value: value?, matched: matched? })
}
