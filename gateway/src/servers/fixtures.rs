//! Endpoints for tests, as users write them.

use plan::{BackendUrl, EndpointPlan, Plan};

/// The production endpoint of an API with this URL.
pub(crate) fn endpoint(url: &str) -> EndpointPlan {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{\
         context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{urls: [\"{url}\"]}}}}}}}}"
    );
    let (resources, problems) = plan::read_document(&text, "");
    assert!(problems.is_empty(), "{problems:?}");
    let upserts: Vec<_> = resources
        .iter()
        .map(|resource| (plan::key(resource).unwrap(), plan::encode(resource)))
        .collect();
    let (plan, rejected) = Plan::empty().replaced(&upserts);
    assert!(rejected.is_empty(), "{rejected:?}");
    let endpoint = plan.endpoints().next().unwrap();
    EndpointPlan::clone(endpoint)
}

/// Any URL.
pub(crate) fn url() -> BackendUrl {
    endpoint("http://127.0.0.1:1").servers[0].url.clone()
}
