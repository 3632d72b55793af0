//! May what was made be applied, all of it together?

use plan::{Objects, Problem, Resource};

use crate::report::Report;

/// Those of the resources that may be applied; the report is told of the others. An import of which
/// nothing is left is refused with everything that is wrong.
pub(crate) fn finish(
    resources: Vec<Resource>,
    file: &str,
    report: &mut Report,
) -> Result<Vec<Resource>, Vec<Problem>> {
    let (admitted, mut problems) = plan::admit_good(&Objects::new(), &resources);
    for problem in &mut problems {
        file.clone_into(&mut problem.file);
    }
    if admitted.changes.is_empty() {
        return Err(problems);
    }
    for problem in &problems {
        report.left(problem.field.as_str(), problem.resource.as_str(), problem.reason.as_str());
    }
    let good = |one: &Resource| {
        let key = plan::key(one);
        admitted.changes.iter().any(|(taken, _)| Some(taken) == key.as_ref())
    };
    Ok(resources.into_iter().filter(good).collect())
}
