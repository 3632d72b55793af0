//! What does an expression say?

use std::collections::BTreeMap;

use crate::element::{
    Element, Occurs, Part, attribute, check_attributes, children, known, namespaces, optional,
    required, text,
};
use crate::identifier::{DataType, Function};
use crate::model::{
    Apply, AttributeDesignator, AttributeSelector, AttributeValue, Condition, Expression,
};
use crate::problem::{Problems, quoted};
use crate::value;

/// What an expression may be (section 5.25).
const EXPRESSION: [Part; 6] = [
    ("Apply", 1, Occurs::Any),
    ("AttributeDesignator", 1, Occurs::Any),
    ("AttributeSelector", 1, Occurs::Any),
    ("AttributeValue", 1, Occurs::Any),
    ("Function", 1, Occurs::Any),
    ("VariableReference", 1, Occurs::Any),
];

/// What stands in an `Apply`.
const APPLY: [Part; 7] = {
    let [apply, designator, selector, value, function, variable] = EXPRESSION;
    [("Description", 0, Occurs::Maybe), apply, designator, selector, value, function, variable]
};

/// The variables of a policy by their names.
pub(super) struct Scope<'d>(BTreeMap<&'d str, usize>);

impl<'d> Scope<'d> {
    /// No variables.
    pub(super) const NONE: Scope<'static> = Scope(BTreeMap::new());

    /// Those that these children of a policy define. They may be used before they are.
    pub(super) fn of(all: &[Element<'d>], problems: &mut Problems) -> Self {
        let mut names = BTreeMap::new();
        let definitions = all.iter().filter(|one| one.tag_name().name() == "VariableDefinition");
        for (place, definition) in definitions.enumerate() {
            let Some(id) = attribute(*definition, "VariableId").map(str::trim) else { continue };
            if names.insert(id, place).is_some() {
                let reason = format!("another variable has the identifier {}", quoted(id));
                problems.add(*definition, reason, "give one of them another `VariableId`");
            }
        }
        Self(names)
    }
}

/// A condition (section 5.26).
pub(super) fn read_condition(
    node: Element<'_>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Condition> {
    check_attributes(node, &[], problems);
    read_single(node, scope, problems).map(Condition)
}

/// The one expression that stands in an element.
pub(super) fn read_single(
    node: Element<'_>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Expression> {
    let all = children(node, &EXPRESSION, problems);
    let one = match all.as_slice() {
        [one] => one,
        [] => {
            problems.add(node, "an expression is missing", "add one, for example `<Apply …>`");
            return None;
        }
        _ => {
            let reason = format!("{} expressions stand in it, and it has one", all.len());
            problems.add(node, reason, "join them with `Apply`");
            return None;
        }
    };
    match read_expression(*one, scope, problems)? {
        Expression::Function(_) => {
            let reason = "a function by itself is only an argument of another one";
            problems.add(*one, reason, "write `Apply` with its arguments");
            None
        }
        expression => Some(expression),
    }
}

/// An expression. `Apply` nests at most as deeply as `bounds` allows, and so do the calls of this.
fn read_expression(
    node: Element<'_>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Expression> {
    match node.tag_name().name() {
        "Apply" => read_apply(node, scope, problems).map(Expression::Apply),
        "AttributeDesignator" => read_designator(node, problems).map(Expression::Designator),
        "AttributeSelector" => read_selector(node, problems).map(Expression::Selector),
        "AttributeValue" => read_value(node, problems).map(Expression::Value),
        "Function" => {
            check_attributes(node, &["FunctionId"], problems);
            children(node, &[], problems);
            read_function(node, problems).map(Expression::Function)
        }
        _ => read_reference(node, scope, problems).map(Expression::Variable),
    }
}

fn read_function(node: Element<'_>, problems: &mut Problems) -> Option<Function> {
    known(node, "FunctionId", "function", Function::find, Function::known, problems)
}

fn read_apply(node: Element<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Apply> {
    check_attributes(node, &["FunctionId"], problems);
    let function = read_function(node, problems);
    let all = children(node, &APPLY, problems);
    let all = all.into_iter().filter(|child| child.tag_name().name() != "Description");
    let arguments: Vec<_> = all.map(|child| read_expression(child, scope, problems)).collect();
    let arguments = arguments.into_iter().collect::<Option<_>>()?;
    Some(Apply { function: function?, arguments })
}

/// A reference to a variable (section 5.24).
fn read_reference(node: Element<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<usize> {
    check_attributes(node, &["VariableId"], problems);
    children(node, &[], problems);
    let id = required(node, "VariableId", "is-owner", problems)?;
    let found = scope.0.get(id).copied();
    if found.is_none() {
        let near = problems.did_you_mean(id, scope.0.keys().map(|id| (*id).to_owned()));
        let suggestion =
            if near.is_empty() { "define it in the same policy".to_owned() } else { near };
        problems.add(node, format!("there is no variable {}", quoted(id)), suggestion);
    }
    found
}

fn read_type(node: Element<'_>, problems: &mut Problems) -> Option<DataType> {
    known(node, "DataType", "data type", DataType::find, DataType::known, problems)
}

/// A value (section 5.31).
pub(super) fn read_value(node: Element<'_>, problems: &mut Problems) -> Option<AttributeValue> {
    let data_type = read_type(node, problems);
    let is_path = data_type == Some(DataType::XPathExpression);
    let category = attribute(node, "XPathCategory");
    let text = text(node, problems);
    let data_type = data_type?;
    let text = if data_type == DataType::String { text.as_str() } else { text.trim() };
    if is_path && category.is_none() {
        let reason = "the attribute `XPathCategory` is missing";
        problems.add(node, reason, "name the category in whose content the path is followed");
    }
    if let Err(example) = value::check(data_type, text) {
        let reason = format!("{} is no {}", quoted(text), data_type.name());
        problems.add(node, reason, format!("write for example `{example}`"));
        return None;
    }
    let category = category.filter(|_| is_path).map(|category| category.trim().into());
    let namespaces = if is_path { namespaces(node, text) } else { Vec::new() };
    Some(AttributeValue { data_type, text: text.into(), category, namespaces })
}

/// Values by their name (section 5.29).
pub(super) fn read_designator(
    node: Element<'_>,
    problems: &mut Problems,
) -> Option<AttributeDesignator> {
    let names = ["Category", "AttributeId", "DataType", "Issuer", "MustBePresent"];
    check_attributes(node, &names, problems);
    children(node, &[], problems);
    let category = read_category(node, problems);
    let example = "urn:oasis:names:tc:xacml:1.0:subject:subject-id";
    let attribute = required(node, "AttributeId", example, problems);
    let data_type = read_type(node, problems);
    let issuer = optional(node, "Issuer", problems).map(Into::into);
    let must_be_present = read_presence(node, problems);
    Some(AttributeDesignator {
        category: category?,
        attribute: attribute?.into(),
        data_type: data_type?,
        issuer,
        must_be_present: must_be_present?,
    })
}

/// Values by a path (section 5.30).
pub(super) fn read_selector(
    node: Element<'_>,
    problems: &mut Problems,
) -> Option<AttributeSelector> {
    let names = ["Category", "ContextSelectorId", "Path", "DataType", "MustBePresent"];
    check_attributes(node, &names, problems);
    children(node, &[], problems);
    let category = read_category(node, problems);
    let context = optional(node, "ContextSelectorId", problems).map(Into::into);
    let path = required(node, "Path", "order/customer/text()", problems);
    let data_type = read_type(node, problems);
    let must_be_present = read_presence(node, problems);
    let path = path?;
    Some(AttributeSelector {
        category: category?,
        context,
        path: path.into(),
        namespaces: namespaces(node, path),
        data_type: data_type?,
        must_be_present: must_be_present?,
    })
}

fn read_category(node: Element<'_>, problems: &mut Problems) -> Option<Box<str>> {
    let example = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource";
    required(node, "Category", example, problems).map(Into::into)
}

fn read_presence(node: Element<'_>, problems: &mut Problems) -> Option<bool> {
    match required(node, "MustBePresent", "false", problems)? {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        other => {
            let reason = format!("`MustBePresent`: {} is neither true nor false", quoted(other));
            problems.add(node, reason, "write `true` or `false`");
            None
        }
    }
}
