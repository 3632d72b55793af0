//! What does a project say that differs between environments?

use plan::Problem;
use serde_json::Value;

use crate::reading::{document, list, members, problem, text};
use crate::report::Report;
use crate::sources::Sources;

const PARAMETERS: [&str; 2] = ["api_params.yaml", "params.yaml"];
const DEPLOYMENTS: [&str; 2] = ["deployment_environments.yaml", "deployment_environments.json"];

/// The values of one environment.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    /// Where they stand; empty: there are none.
    pub(super) place: String,
    /// Under `configs`.
    pub(super) values: Value,
}

impl Parameters {
    /// Those of the environment that is named, else of the only one.
    pub(super) fn of(
        sources: &Sources,
        wanted: Option<&str>,
        report: &mut Report,
    ) -> Result<Self, Vec<Problem>> {
        let Some((path, source)) = sources.first(&PARAMETERS) else {
            return match wanted {
                Some(name) => {
                    let reason =
                        format!("there is no api_params.yaml that could speak of `{name}`");
                    Err(problem(&sources.name, "", reason, "leave out --environment"))
                }
                None => Ok(Self::default()),
            };
        };
        let document = document(source, path)?;
        let environments = list(&document, "environments");
        let names: Vec<&str> = environments.iter().map(|one| text(one, "name")).collect();
        let found = match wanted {
            Some(wanted) => environments.iter().find(|one| text(one, "name") == wanted),
            None if environments.len() > 1 => {
                let why = format!("choose one of {} (--environment)", names.join(", "));
                report.left(path, "parameters", why);
                return Ok(Self::default());
            }
            None => environments.first(),
        };
        let Some(found) = found else {
            let reason = format!("it has no environment `{}`", wanted.unwrap_or_default());
            let suggestion = format!("it has {}", names.join(", "));
            return Err(problem(path, "environments", reason, &suggestion));
        };
        let name = text(found, "name");
        report.taken(path, format!("parameters of {name}"));
        let values = found.get("configs").cloned().unwrap_or(Value::Null);
        let known = ["endpoints", "security", "policies"];
        for (member, _) in members(found, "configs").filter(|(name, _)| !known.contains(name)) {
            report.left(format!("{path}: {name}.{member}"), "parameter", "it has no meaning here");
        }
        Ok(Self { place: format!("{path}: {name}"), values })
    }
}

/// Where the API is deployed.
pub(super) fn deployments(sources: &Sources, report: &mut Report) {
    let Some((path, source)) = sources.first(&DEPLOYMENTS) else { return };
    let Ok(document) = document(source, path) else {
        report.left(path, "deployments", "it cannot be read");
        return;
    };
    for one in list(&document, "data") {
        let name = text(one, "deploymentEnvironment");
        if name == "Default" {
            report.taken(path, "deployed to every gateway");
        } else {
            let why = "make a GatewayGroup and name it in spec.gateways";
            report.left(path, format!("deployed to {name}"), why);
        }
    }
}
