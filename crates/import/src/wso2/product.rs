//! What does the `api_product.yaml` of a project say of a product?

use plan::Problem;
use serde_json::Value;
use turnpike_proto::config::v1::lifecycle::State;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{
    Api, ApiProduct, ApiProductSpec, Metadata, ProductApi, ProductOperation,
};

use super::project::has_operation;
use super::words::{cors, security, state, throttle, tier};
use crate::draft::Options;
use crate::naming::{context_from, context_of, described, name_of};
use crate::reading::{label, list, problem, text, texts};
use crate::report::Report;

/// The product that `data` describes, of these Apis.
pub(super) fn product(
    data: &Value,
    path: &str,
    apis: &[Api],
    options: &Options,
    report: &mut Report,
) -> Result<ApiProduct, Vec<Problem>> {
    let name = options.name.clone().or_else(|| name_of(text(data, "name"))).ok_or_else(|| {
        problem(path, "data.name", "it does not say what it is called", "give a name (--name)")
    })?;
    let version = options.version.clone().or_else(|| name_of(&label(data, "version")));
    let stated = text(data, "context");
    let context = options.context.clone().unwrap_or_else(|| {
        if stated.is_empty() { context_of(&name) } else { context_from(stated) }
    });
    let members: Vec<ProductApi> =
        list(data, "apis").iter().filter_map(|one| member(one, apis, report)).collect();
    let lifecycle = match state(text(data, "state")) {
        _ if !options.publish => State::Created,
        Some(state) => state,
        None => State::Published,
    };
    let mut tiers = Vec::new();
    for name in texts(data, "policies") {
        if name == "Unlimited" {
            tiers.push(name);
        } else {
            tiers.extend(tier(&name, Level::Subscription, "policies", report));
        }
    }
    report.taken(path, format!("product {name} of {} APIs", members.len()));
    Ok(ApiProduct {
        metadata: Some(Metadata {
            name,
            version: version.unwrap_or_else(|| "1.0.0".to_owned()),
            owner: text(data, "provider").to_owned(),
            ..Metadata::default()
        }),
        spec: Some(ApiProductSpec {
            context,
            lifecycle: lifecycle.into(),
            apis: members,
            tiers,
            security: security(&texts(data, "securityScheme"), "securityScheme", report),
            throttle: throttle(text(data, "apiThrottlingPolicy"), "apiThrottlingPolicy", report),
            cors: data
                .get("corsConfiguration")
                .and_then(|it| cors(it, "corsConfiguration", report)),
            description: described(text(data, "description")),
            ..ApiProductSpec::default()
        }),
        ..ApiProduct::default()
    })
}

fn member(stated: &Value, apis: &[Api], report: &mut Report) -> Option<ProductApi> {
    let (name, version) = (name_of(text(stated, "name"))?, label(stated, "version"));
    let place = format!("apis.{name}");
    let found = apis.iter().find(|api| {
        api.metadata
            .as_ref()
            .is_some_and(|it| it.name == name && (version.is_empty() || it.version == version))
    });
    let Some(api) = found else {
        report.left(place, "API of the product", "its project does not lie in the folder APIs");
        return None;
    };
    let mut operations = Vec::new();
    for one in list(stated, "operations") {
        let method = text(one, "verb").to_ascii_uppercase();
        let path = plan::openapi::served_path(text(one, "target"));
        if has_operation(api, &method, &path) {
            operations.push(ProductOperation { method, path });
        } else {
            report.left(
                place.as_str(),
                format!("{method} {path}"),
                "the API has no such operation",
            );
        }
    }
    report.taken(place, format!("{} operations", operations.len()));
    let version = api.metadata.as_ref().map(|it| it.version.clone()).unwrap_or_default();
    Some(ProductApi { name, version, operations })
}
