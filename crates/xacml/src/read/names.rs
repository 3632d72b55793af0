//! Which variables does a policy define, and does one of them depend on itself?

use super::expression::{Scope, read_single};
use crate::element::{Element, check_attributes, required};
use crate::model::{Expression, VariableDefinition};
use crate::problem::{Problems, quoted};

/// How deeply variables may depend on each other: whoever evaluates goes down by calling itself.
const MAX_DEPTH: usize = 64;

/// The variables of a policy (section 5.23), in the order of the document. What cannot be read is not
/// among them; then the document is refused, and nobody follows what names them.
pub(super) fn read_variables(
    all: &[Element<'_>],
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Vec<VariableDefinition> {
    let mut variables = Vec::new();
    for node in definitions(all) {
        check_attributes(node, &["VariableId"], problems);
        let id = required(node, "VariableId", "is-owner", problems);
        let expression = read_single(node, scope, problems);
        if let (Some(id), Some(expression)) = (id, expression) {
            variables.push(VariableDefinition { id: id.into(), expression });
        }
    }
    variables
}

fn definitions<'d>(all: &[Element<'d>]) -> impl Iterator<Item = Element<'d>> {
    all.iter().filter(|one| one.tag_name().name() == "VariableDefinition").copied()
}

/// Tells of variables that depend on themselves, or on others too deeply.
pub(super) fn check_circles(
    all: &[Element<'_>],
    variables: &[VariableDefinition],
    problems: &mut Problems,
) {
    let nodes: Vec<Element<'_>> = definitions(all).collect();
    if nodes.len() != variables.len() {
        // One could not be read: the places say nothing.
        return;
    }
    let uses: Vec<Vec<usize>> = variables.iter().map(|one| used(&one.expression)).collect();
    let depths = depths(&uses);
    for (node, (variable, depth)) in nodes.iter().zip(variables.iter().zip(depths)) {
        match depth {
            None => {
                let reason = format!("the variable {} depends on itself", quoted(&variable.id));
                problems.add(*node, reason, "leave out one of the references");
            }
            Some(depth) if depth > MAX_DEPTH => {
                let reason = format!("variables depend on each other deeper than {MAX_DEPTH}");
                problems.add(*node, reason, "write what they stand for where they are used");
            }
            Some(_) => {}
        }
    }
}

/// The variables that an expression names.
fn used(expression: &Expression) -> Vec<usize> {
    let (mut found, mut open) = (Vec::new(), vec![expression]);
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Apply(apply) => open.extend(&apply.arguments),
            Expression::Variable(place) => found.push(*place),
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// How many others each depends on, one behind the other; `None`: on itself, or on one that does.
/// What each `uses` is given by place.
pub(crate) fn depths(uses: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); uses.len()];
    let mut left: Vec<usize> = uses.iter().map(Vec::len).collect();
    for (user, used) in uses.iter().enumerate() {
        for used in used {
            if let Some(users) = users.get_mut(*used) {
                users.push(user);
            }
        }
    }
    let mut depths = vec![None; uses.len()];
    let is_free = |(place, left): (usize, &usize)| (*left == 0).then_some(place);
    let mut open: Vec<usize> = left.iter().enumerate().filter_map(is_free).collect();
    while let Some(place) = open.pop() {
        let used = uses.get(place).into_iter().flatten();
        let of = |used: &usize| depths.get(*used).copied().flatten().unwrap_or(0);
        let depth = used.map(|used| of(used) + 1).max().unwrap_or(0);
        if let Some(known) = depths.get_mut(place) {
            *known = Some(depth);
        }
        for user in users.get(place).into_iter().flatten() {
            if let Some(left) = left.get_mut(*user) {
                *left -= 1;
                if *left == 0 {
                    open.push(*user);
                }
            }
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each uses, and how deep each is; `-`: in or above a circle.
    #[track_caller]
    fn check(uses: &[&[usize]], said: &str) {
        let uses: Vec<Vec<usize>> = uses.iter().map(|one| one.to_vec()).collect();
        let depths: Vec<String> = depths(&uses)
            .into_iter()
            .map(|depth| depth.map_or("-".to_owned(), |depth| depth.to_string()))
            .collect();
        assert_eq!(depths.join(" "), said);
    }

    #[test]
    fn what_leads_in_circles_has_no_depth() {
        check(&[], "");
        check(&[&[], &[0], &[0, 1]], "0 1 2");
        check(&[&[0]], "-");
        check(&[&[1], &[2], &[1], &[]], "- - - 0");
        check(&[&[1, 2], &[3], &[3], &[]], "2 1 1 0");
    }
}
