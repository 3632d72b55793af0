//! Where does an apictl project keep what it says?

use plan::Problem;
use serde_json::Value;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Api, Definition, Operation, Resource};

use super::parameters::{Parameters, deployments};
use super::product::product;
use super::published::published;
use crate::draft::{Options, any};
use crate::import::Imported;
use crate::reading::{document, problem, text};
use crate::report::Report;
use crate::sources::Sources;

const API: [&str; 2] = ["api.yaml", "api.json"];
const PRODUCT: [&str; 2] = ["api_product.yaml", "api_product.json"];
const DEFINITIONS: [&str; 3] =
    ["Definitions/swagger.yaml", "Definitions/swagger.json", "Definitions/swagger.yml"];
/// Folders of a project that hold nothing for a gateway.
const OTHERS: [(&str, &str); 6] = [
    ("Docs/", "documents are not kept with an Api"),
    ("Image/", "pictures are not kept with an Api"),
    ("Policies/", "programs of policies are not carried over"),
    ("Sequences/", "sequences are not carried over"),
    ("Endpoint-certificates/", "make a Certificate of use backend_ca of each"),
    ("Client-certificates/", "make a Certificate of use caller of each"),
];

/// The resources of a project folder, or of its `api.yaml` alone.
pub(crate) fn project(sources: &Sources, options: &Options) -> Result<Imported, Vec<Problem>> {
    if !sources.is_folder {
        let text = sources.single();
        let name = if text.contains("api_product") { PRODUCT[0] } else { API[0] };
        let files = std::collections::BTreeMap::from([(name.to_owned(), text.to_owned())]);
        return project(&Sources::folder(&sources.name, files), options);
    }
    if let Some((path, text)) = sources.first(&PRODUCT) {
        return whole_product(path, text, sources, options);
    }
    let mut report = Report::default();
    let (api, further) = one(sources, options, &mut report)?;
    let mut resources = further;
    resources.push(any(api));
    Ok(Imported { resources, report })
}

/// The Api of a project, and what it needs besides.
fn one(
    sources: &Sources,
    options: &Options,
    report: &mut Report,
) -> Result<(Api, Vec<Resource>), Vec<Problem>> {
    let Some((path, source)) = sources.first(&API) else {
        let reason = "neither api.yaml nor api_product.yaml lies in it";
        return Err(problem(&sources.name, "", reason, "give the folder of an apictl project"));
    };
    let document = document(source, path)?;
    let data = document.get("data").unwrap_or(&Value::Null);
    if report.dialect.is_empty() {
        let version = text(&document, "version");
        *report = Report::of(format!("apictl project {version}"), text(data, "name"));
    }
    let parameters = Parameters::of(sources, options.environment.as_deref(), report)?;
    let (mut api, further) = published(data, &parameters, path, options, report)?;
    definition(sources, &mut api, report);
    deployments(sources, report);
    for (folder, why) in OTHERS {
        for path in sources.files.keys().filter(|path| path.starts_with(folder)) {
            report.left(path.as_str(), "file", why);
        }
    }
    Ok((api, further))
}

/// Puts the definition of the folder into the Api, and its operations where `api.yaml` has none.
fn definition(sources: &Sources, api: &mut Api, report: &mut Report) {
    let Some((path, text)) = sources.first(&DEFINITIONS) else { return };
    let Some(spec) = api.spec.as_mut() else { return };
    let wanted = plan::openapi::Options {
        name: Some("a".to_owned()),
        version: Some("1".to_owned()),
        ..plan::openapi::Options::default()
    };
    match plan::openapi::import(text, &wanted) {
        Ok((read, _)) => {
            if spec.operations.is_empty() {
                let declared = read.spec.map(|spec| spec.operations).unwrap_or_default();
                spec.operations = declared;
            }
            spec.definition = Some(Definition { text: text.to_owned(), ..Definition::default() });
            report.taken(path, "the document");
        }
        Err(problems) => {
            let why = problems.first().map(plan::describe).unwrap_or_default();
            report.left(path, "the document", why);
        }
    }
}

fn whole_product(
    path: &str,
    source: &str,
    sources: &Sources,
    options: &Options,
) -> Result<Imported, Vec<Problem>> {
    let document = document(source, path)?;
    let data = document.get("data").unwrap_or(&Value::Null);
    let version = text(&document, "version");
    let mut report = Report::of(format!("apictl product project {version}"), text(data, "name"));
    if !options.endpoints.is_empty() || !options.sandbox.is_empty() {
        let reason = "a product has no backends of its own";
        return Err(problem(path, "", reason, "give them to its APIs"));
    }
    let of_apis = Options { name: None, version: None, context: None, ..options.clone() };
    let (mut resources, mut apis) = (Vec::new(), Vec::new());
    for folder in folders(sources) {
        let (api, further) = one(&sources.below(&format!("APIs/{folder}")), &of_apis, &mut report)?;
        resources.extend(further);
        apis.push(api.clone());
        resources.push(any(api));
    }
    let made = product(data, path, &apis, options, &mut report)?;
    resources.push(Resource { resource: Some(Any::ApiProduct(made)) });
    Ok(Imported { resources, report })
}

/// The folders of the APIs of a product.
fn folders(sources: &Sources) -> Vec<String> {
    let below = sources.files.keys().filter_map(|path| path.strip_prefix("APIs/")?.split_once('/'));
    let mut names: Vec<String> = below.map(|(name, _)| name.to_owned()).collect();
    names.dedup();
    names
}

/// Whether an Api has an operation of this method and path.
pub(super) fn has_operation(api: &Api, method: &str, path: &str) -> bool {
    let same = |one: &Operation| one.method == method && one.path == path;
    api.spec.iter().flat_map(|spec| &spec.operations).any(same)
}
