//! How are values of a document asked for, when anything may be missing or of another type?

use serde_json::Value;

/// The document of a text that holds one.
pub(crate) fn document(text: &str, file: &str) -> Result<Value, Vec<plan::Problem>> {
    let mut values = plan::read_values(text, file)?.into_iter();
    match (values.next(), values.next()) {
        (Some(value @ Value::Object(_)), None) => Ok(value),
        (Some(_), Some(_)) => {
            Err(problem(file, "", "it holds several documents", "import one at a time"))
        }
        (Some(_), None) => Err(problem(file, "", "it is no object", "")),
        (None, _) => Err(problem(file, "", "it is empty", "")),
    }
}

/// One problem of a document.
pub(crate) fn problem(
    file: &str,
    field: &str,
    reason: impl Into<String>,
    suggestion: &str,
) -> Vec<plan::Problem> {
    vec![plan::Problem {
        file: file.to_owned(),
        field: field.to_owned(),
        reason: reason.into(),
        suggestion: suggestion.to_owned(),
        ..plan::Problem::default()
    }]
}

/// Whether a member stands there with a value.
pub(crate) fn has(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(|value| !value.is_null())
}

/// A text; empty where there is none.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default().trim()
}

/// A text, or a number as one: versions are often written as numbers.
pub(crate) fn label(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A number that is not negative.
pub(crate) fn number(value: &Value, name: &str) -> Option<u64> {
    match value.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A truth value; also the texts that some writers make of them.
pub(crate) fn truth(value: &Value, name: &str) -> Option<bool> {
    match value.get(name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// The entries of a list; none where there is no list.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a list, or of a single text.
pub(crate) fn texts(value: &Value, name: &str) -> Vec<String> {
    match value.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => vec![text.trim().to_owned()],
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str).map(str::trim);
            texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The members of an object; none where there is no object.
pub(crate) fn members<'v>(
    value: &'v Value,
    name: &str,
) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let map = value.get(name).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
