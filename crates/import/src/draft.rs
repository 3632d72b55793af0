//! How does an Api come about from what a document says and what the caller wants?

use plan::Problem;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::{
    Api, ApiSpec, Endpoint, Endpoints, Metadata, Operation, Resource, resource,
};

use crate::naming::{context_of, described, name_of};
use crate::reading::problem;

/// What a document does not say, or not as it is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The name of the API. Absent: made of what the document calls itself.
    pub name: Option<String>,
    /// Its version. Absent: made of the document's version, else `1.0.0`.
    pub version: Option<String>,
    /// Its context. Absent: what the document says, else made of the name.
    pub context: Option<String>,
    /// Backends for production keys. Empty: those that the document names.
    pub endpoints: Vec<String>,
    /// Backends for sandbox keys. Empty: those that the document names.
    pub sandbox: Vec<String>,
    /// Whether it is PUBLISHED at once, and not CREATED.
    pub publish: bool,
    /// Of an apictl project with parameters: the environment whose values hold. Absent: the only one.
    pub environment: Option<String>,
}

impl Options {
    /// Whether something is said that is about a single API.
    pub(crate) fn is_about_one(&self) -> bool {
        self.name.is_some()
            || self.context.is_some()
            || !self.endpoints.is_empty()
            || !self.sandbox.is_empty()
    }
}

/// What a document says of an API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stated {
    /// Names the document in problems.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) context: Option<String>,
    pub(crate) production: Vec<String>,
    pub(crate) sandbox: Vec<String>,
    pub(crate) description: String,
    pub(crate) operations: Vec<Operation>,
}

/// The Api that is stated, as it is wanted.
pub(crate) fn api(stated: Stated, options: &Options) -> Result<Api, Vec<Problem>> {
    let name = options.name.clone().or_else(|| name_of(&stated.name)).ok_or_else(|| {
        problem(&stated.file, "", "it does not say what it is called", "give a name (--name)")
    })?;
    let version = options.version.clone().or_else(|| name_of(&stated.version));
    let context = options.context.clone().or(stated.context).unwrap_or_else(|| context_of(&name));
    let or = |given: &[String], stated: Vec<String>| match given {
        [] => stated,
        given => given.to_vec(),
    };
    let lifecycle = if options.publish { Lifecycle::Published } else { Lifecycle::Created };
    Ok(Api {
        metadata: Some(Metadata {
            name,
            version: version.unwrap_or_else(|| "1.0.0".to_owned()),
            ..Metadata::default()
        }),
        spec: Some(ApiSpec {
            context,
            lifecycle: lifecycle.into(),
            endpoints: endpoints(
                or(&options.endpoints, stated.production),
                or(&options.sandbox, stated.sandbox),
            ),
            operations: stated.operations,
            description: described(&stated.description),
            ..ApiSpec::default()
        }),
        ..Api::default()
    })
}

/// Backends by key type; `None`: there are none.
pub(crate) fn endpoints(production: Vec<String>, sandbox: Vec<String>) -> Option<Endpoints> {
    let endpoint =
        |urls: Vec<String>| (!urls.is_empty()).then(|| Endpoint { urls, ..Endpoint::default() });
    let (production, sandbox) = (endpoint(production), endpoint(sandbox));
    let any = production.is_some() || sandbox.is_some();
    any.then_some(Endpoints { production, sandbox })
}

/// An operation that is known by method and path.
pub(crate) fn operation(method: &str, path: &str, id: &str) -> Operation {
    Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        id: id.chars().take(128).collect(),
        ..Operation::default()
    }
}

/// An Api among other resources.
pub(crate) fn any(api: Api) -> Resource {
    Resource { resource: Some(resource::Resource::Api(api)) }
}
