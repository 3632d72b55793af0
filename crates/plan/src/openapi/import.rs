//! What is taken from an OpenAPI document, and what is left?
//!
//! Swagger 2.0, OpenAPI 3.0 and 3.1 in JSON or YAML. The result passes the same checks as any
//! other resource. A document that cannot be served is refused with everything that is wrong with
//! it; one that is only incomplete is taken, and the report says what was left.

use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::{
    Api, ApiSpec, Definition, Endpoint, Endpoints, Metadata, Operation, Problem, Resource, resource,
};

use super::backend;
use super::dialect::Dialect;
use super::operations::{Declared, read};
use super::reference::Census;
use super::security::Schemes;
use crate::compile::{MAX_DEFINITION_BYTES, compile_resource};
use crate::document::{Tree, parse};
use crate::problem::{At, Problems};
use crate::resource::normalise;

/// What the document does not say, or not as it is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Names the document in problems.
    pub file: String,
    /// The name of the API. Absent: made of the title.
    pub name: Option<String>,
    /// Its version. Absent: made of the document's version.
    pub version: Option<String>,
    /// Its context. Absent: made of the name.
    pub context: Option<String>,
    /// Backends for production keys. Empty: the first one that the document names.
    pub endpoints: Vec<String>,
    /// Backends for sandbox keys. Empty: none.
    pub sandbox: Vec<String>,
    /// Whether it is PUBLISHED at once, and not CREATED.
    pub publish: bool,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// For example `OpenAPI 3.0.1`.
    pub dialect: String,
    /// The title of the document.
    pub title: String,
    /// How many operations were taken.
    pub operations: usize,
    /// How many operations have no route of their own, because an earlier one has their method
    /// and path.
    pub repeated: usize,
    /// What was left, one sentence each.
    pub left: Vec<String>,
}

/// Makes an Api of an OpenAPI document.
pub fn import(document: &str, options: &Options) -> Result<(Api, Report), Vec<Problem>> {
    let mut problems = Problems::of("", options.file.as_str());
    let Some(tree) = parsed(document, &mut problems) else { return Err(problems.into_list()) };
    let Some((dialect, version)) = Dialect::of(&tree, &mut problems) else {
        return Err(problems.into_list());
    };
    let info = tree.get("info");
    let title = text(info, "title").unwrap_or_default();
    let name = named("name", options.name.as_deref(), &title, "title", &mut problems);
    let stated = text(info, "version").unwrap_or_default();
    let label = named("version", options.version.as_deref(), &stated, "version", &mut problems);
    let mut schemes = Schemes::of(&tree, dialect);
    let declared = read(&tree, &mut schemes, &mut problems);
    if declared.operations.is_empty() && problems.is_empty() {
        let reason = if tree.get("webhooks").is_some() {
            "it declares webhooks and no operations"
        } else {
            "it declares no operations"
        };
        let suggestion = "an interface to serve has `paths` with at least one method";
        problems.add(&At::ROOT.name("paths"), reason, suggestion);
    }
    if !problems.is_empty() {
        return Err(problems.into_list());
    }
    let mut report = Report {
        dialect: format!("{} {version}", dialect.name()),
        title,
        operations: declared.operations.len(),
        repeated: declared.repeated,
        left: left(&tree, &declared, &schemes),
    };
    let context = options
        .context
        .clone()
        .or_else(|| tree.get("x-wso2-basePath")?.as_text().map(str::to_owned))
        .unwrap_or_else(|| format!("/{}", name.to_ascii_lowercase()));
    let endpoints = endpoints(&tree, dialect, options, &mut report);
    let lifecycle = if options.publish { Lifecycle::Published } else { Lifecycle::Created };
    let api = Api {
        metadata: Some(Metadata { name, version: label, ..Metadata::default() }),
        spec: Some(ApiSpec {
            context,
            lifecycle: lifecycle.into(),
            definition: Some(Definition { text: document.to_owned(), ..Definition::default() }),
            endpoints,
            operations: declared.operations,
            description: text(info, "description")
                .unwrap_or_default()
                .chars()
                .take(4_096)
                .collect(),
            ..ApiSpec::default()
        }),
        ..Api::default()
    };
    checked(api, &options.file).map(|api| (api, report))
}

/// The operations that a definition declares, for whoever reads a resource that names one.
pub(crate) fn operations_of(document: &str, file: &str) -> Result<Vec<Operation>, Vec<Problem>> {
    let mut problems = Problems::of("", file);
    let declared = parsed(document, &mut problems).and_then(|tree| {
        let (dialect, _) = Dialect::of(&tree, &mut problems)?;
        Some(read(&tree, &mut Schemes::of(&tree, dialect), &mut problems))
    });
    match declared {
        Some(declared) if problems.is_empty() => Ok(declared.operations),
        _ => Err(problems.into_list()),
    }
}

fn parsed(document: &str, problems: &mut Problems) -> Option<Tree> {
    if document.len() > MAX_DEFINITION_BYTES {
        let reason =
            format!("it has {} bytes, and at most {MAX_DEFINITION_BYTES} are read", document.len());
        problems.add(&At::ROOT, reason, "leave out examples, or split the interface");
        return None;
    }
    let mut documents = parse(document, false).into_iter();
    match (documents.next(), documents.next()) {
        (Some(Ok(tree)), None) => return Some(tree),
        (Some(Err(error)), _) | (Some(Ok(_)), Some(Err(error))) => {
            problems.add(&At::ROOT, error.to_string(), "");
        }
        (Some(Ok(_)), Some(Ok(_))) => {
            problems.add(&At::ROOT, "it holds several documents", "import one at a time");
        }
        (None, _) => problems.add(&At::ROOT, "it is empty", ""),
    }
    None
}

/// A text of `info`; versions are often written as numbers.
fn text(info: Option<&Tree>, name: &str) -> Option<String> {
    match info?.get(name)? {
        Tree::Text(text) => Some(text.trim().to_owned()),
        Tree::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What is given, or a name made of what the document says.
fn named(
    what: &str,
    given: Option<&str>,
    stated: &str,
    field: &str,
    problems: &mut Problems,
) -> String {
    if let Some(given) = given {
        return given.to_owned();
    }
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let words: Vec<&str> = stated.split(|c| !kept(c)).filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    let name: String = joined.trim_start_matches(['.', '_', '-']).chars().take(128).collect();
    if name.is_empty() {
        let root = At::ROOT;
        let at = root.name("info");
        problems.add(&at.name(field), "it is missing", format!("write it, or give a {what}"));
    }
    name
}

fn endpoints(
    document: &Tree,
    dialect: Dialect,
    options: &Options,
    report: &mut Report,
) -> Option<Endpoints> {
    let or = |given: &[String], extension| match given {
        [] => backend::extension(document, extension),
        given => given.to_vec(),
    };
    let mut production = or(&options.endpoints, "x-wso2-production-endpoints");
    let sandbox = or(&options.sandbox, "x-wso2-sandbox-endpoints");
    if production.is_empty() {
        production.extend(backend::named(document, dialect));
    }
    if production.is_empty() && sandbox.is_empty() {
        report.left.push("it names no backend with an absolute URL: give one".to_owned());
        return None;
    }
    let endpoint =
        |urls: Vec<String>| (!urls.is_empty()).then(|| Endpoint { urls, ..Endpoint::default() });
    Some(Endpoints { production: endpoint(production), sandbox: endpoint(sandbox) })
}

fn left(document: &Tree, declared: &Declared, schemes: &Schemes<'_>) -> Vec<String> {
    let mut left = Vec::new();
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            left.push(format!("{what}: {count}"));
        }
    };
    tell(declared.repeated, "operations with the method and path of an earlier one");
    tell(declared.rewritten, "paths without their query or with characters percent-encoded");
    tell(declared.elsewhere, "operations that other files describe, which are not read");
    tell(declared.outside, "references of operations to other files, which are not read");
    let mut census = Census::default();
    for section in ["components", "definitions", "parameters", "responses"] {
        if let Some(section) = document.get(section) {
            census.take(document, section, "");
        }
    }
    tell(census.dangling.len(), "references between definitions that lead nowhere");
    tell(census.outside, "references between definitions to other files");
    tell(
        schemes.several,
        "operations that ask for several scopes at once, where one is enough here",
    );
    let webhooks = document.get("webhooks").and_then(Tree::as_map).map_or(0, <[_]>::len);
    tell(webhooks, "webhooks, which are not served");
    for name in &schemes.others {
        left.push(format!(
            "the security scheme {name} is not checked: an access token is asked for"
        ));
    }
    for name in &schemes.undefined {
        left.push(format!("the security scheme {name} is named and not defined"));
    }
    left
}

fn checked(api: Api, file: &str) -> Result<Api, Vec<Problem>> {
    let resource = normalise(Resource { resource: Some(resource::Resource::Api(api)) });
    let mut problems = Problems::of(
        crate::resource::key(&resource).map(|key| key.to_string()).unwrap_or_default(),
        file,
    );
    compile_resource(&resource, &mut problems);
    match resource.resource {
        Some(resource::Resource::Api(api)) if problems.is_empty() => Ok(api),
        _ => Err(problems.into_list()),
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
