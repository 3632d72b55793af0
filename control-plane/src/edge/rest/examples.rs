//! What does a resource of a kind look like?

use std::sync::LazyLock;

use plan::{Kind, Resource};
use serde_json::Value;

const EXAMPLES: &str = include_str!("examples.yaml");

/// Resources that may be applied together, one of each kind but for certificates, which would grow old.
pub(super) fn examples() -> &'static [Resource] {
    static READ: LazyLock<Vec<Resource>> =
        LazyLock::new(|| plan::read_document(EXAMPLES, "examples.yaml").0);
    &READ
}

/// The example of a kind as it is written, secrets included; none: there is none.
pub(super) fn example(kind: Kind) -> Option<Value> {
    let values = plan::read_values(EXAMPLES, "examples.yaml").ok()?;
    let listed = values.iter().filter_map(Value::as_array).flatten();
    listed.into_iter().find(|value| value.get("kind").is_some_and(|it| it == kind.name())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_may_be_applied_together() {
        let (resources, problems) = plan::read_document(EXAMPLES, "examples.yaml");
        assert!(problems.is_empty(), "{problems:?}");
        let admitted = plan::admit(&plan::Objects::new(), &resources, &[]);
        assert!(admitted.is_ok(), "{:?}", admitted.err());
    }

    #[test]
    fn most_kinds_have_one() {
        let without: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| example(*kind).is_none()).collect();
        assert_eq!(without, [Kind::Certificate, Kind::WorkflowRequest]);
    }
}
