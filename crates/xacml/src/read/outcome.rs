//! What goes with a decision: obligations and advice?

use super::expression::{Scope, read_single};
use crate::element::{Element, Occurs, check_attributes, children, optional, required};
use crate::model::{AdviceExpression, Assignment, Effect, ObligationExpression, Outcomes};
use crate::problem::{Problems, quoted};

/// What these children of a rule, policy or policy set say about its decision.
pub(super) fn read_outcomes(
    all: &[Element<'_>],
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for child in all {
        match child.tag_name().name() {
            "ObligationExpressions" => {
                check_attributes(*child, &[], problems);
                for one in children(*child, &[("ObligationExpression", 0, Occurs::Some)], problems)
                {
                    let names = ("ObligationId", "FulfillOn");
                    if let Some((id, fulfill_on, assignments)) = read(one, names, scope, problems) {
                        outcomes.obligations.push(ObligationExpression {
                            id,
                            fulfill_on,
                            assignments,
                        });
                    }
                }
            }
            "AdviceExpressions" => {
                check_attributes(*child, &[], problems);
                for one in children(*child, &[("AdviceExpression", 0, Occurs::Some)], problems) {
                    let names = ("AdviceId", "AppliesTo");
                    if let Some((id, applies_to, assignments)) = read(one, names, scope, problems) {
                        outcomes.advice.push(AdviceExpression { id, applies_to, assignments });
                    }
                }
            }
            _ => {}
        }
    }
    outcomes
}

/// An obligation or an advice, whose attributes have these names.
fn read(
    node: Element<'_>,
    (id, on): (&str, &str),
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<(Box<str>, Effect, Vec<Assignment>)> {
    check_attributes(node, &[id, on], problems);
    let id = required(node, id, "urn:example:log", problems);
    let on = effect(node, on, problems);
    let all = children(node, &[("AttributeAssignmentExpression", 0, Occurs::Any)], problems);
    let assignments: Vec<_> =
        all.into_iter().map(|child| read_assignment(child, scope, problems)).collect();
    Some((id?.into(), on?, assignments.into_iter().collect::<Option<_>>()?))
}

fn read_assignment(
    node: Element<'_>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Assignment> {
    check_attributes(node, &["AttributeId", "Category", "Issuer"], problems);
    let attribute = required(node, "AttributeId", "urn:example:reason", problems);
    let category = optional(node, "Category", problems).map(Into::into);
    let issuer = optional(node, "Issuer", problems).map(Into::into);
    let expression = read_single(node, scope, problems);
    Some(Assignment { attribute: attribute?.into(), category, issuer, expression: expression? })
}

/// `Permit` or `Deny`, as an attribute says it.
pub(super) fn effect(node: Element<'_>, name: &str, problems: &mut Problems) -> Option<Effect> {
    match required(node, name, "Permit", problems)? {
        "Permit" => Some(Effect::Permit),
        "Deny" => Some(Effect::Deny),
        other => {
            let known = ["Permit", "Deny"].map(str::to_owned).into_iter();
            let near = problems.did_you_mean(other, known);
            let suggestion =
                if near.is_empty() { "write `Permit` or `Deny`".to_owned() } else { near };
            let reason = format!("`{name}`: {} is neither Permit nor Deny", quoted(other));
            problems.add(node, reason, suggestion);
            None
        }
    }
}
