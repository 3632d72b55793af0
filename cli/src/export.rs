//! `turnpike export`: what is stored, as files that `apply` reads back.
//!
//! One file per resource, its definition beside it, without what only the store knows. Values of secrets
//! cannot be read back; their digests stand for them. What was written is read again: a definition that
//! would mean something else as a file of its own stays inside the resource.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Definition, Resource};

use crate::failure::Failure;
use crate::output::Report;
use crate::rpc::{self, Kind, Name, Wire};

#[derive(Args, Clone, Debug)]
pub(crate) struct Export {
    /// A folder that does not exist yet, or is empty [default: standard output]
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Keep `metadata.revision`, so that applying the files is refused where something was changed since
    #[arg(long)]
    revisions: bool,
    /// Keep the clients and API keys of applications, which otherwise stay as they are when the files are
    /// applied
    #[arg(long)]
    keys: bool,
}

/// Why it cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("{}: cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: is not empty; name a folder that is", .0.display())]
    NotEmpty(PathBuf),
    #[error("{key} does not read back as it was written, please report it")]
    Unfaithful { key: String },
}

pub(crate) async fn export(connection: &rpc::Options, asked: &Export) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let mut resources = BTreeMap::new();
    for kind in Kind::all() {
        for resource in rpc::list(&wire, &kind).await? {
            let whole = with_text(&wire, &kind, resource).await?;
            let Some(resource) = whole.map(|whole| asked.trimmed(whole)) else { continue };
            if let Some(key) = plan::key(&resource) {
                resources.insert(key, resource);
            }
        }
    }
    let Some(directory) = &asked.directory else {
        let values: Vec<Value> = resources.values().map(plan::to_json).collect();
        let text: Vec<String> = resources.values().map(plan::to_yaml).collect();
        return Ok(Report::documents(values).text(text.join("---\n").trim_end()));
    };
    write_all(directory, &resources.into_values().collect::<Vec<_>>())
}

/// Listings leave definitions out. None: it is gone since it was listed.
async fn with_text(
    wire: &Wire,
    kind: &Kind,
    resource: Resource,
) -> Result<Option<Resource>, Failure> {
    let definition = match &resource.resource {
        Some(Any::Api(api)) => api.spec.as_ref().and_then(|spec| spec.definition.as_ref()),
        _ => None,
    };
    if definition.is_none_or(|definition| definition.sha256.is_empty()) {
        return Ok(Some(resource));
    }
    let Some(metadata) = plan::metadata(&resource) else { return Ok(None) };
    let name = Name { name: metadata.name.clone(), version: metadata.version.clone() };
    Ok(rpc::get(wire, kind, &name).await?)
}

impl Export {
    /// Without what only the store knows.
    fn trimmed(&self, mut resource: Resource) -> Resource {
        if let Some(metadata) = plan::metadata_mut(&mut resource) {
            if !self.revisions {
                metadata.revision = 0;
            }
            metadata.created_at = None;
            metadata.updated_at = None;
            metadata.status = None;
        }
        if let Some(Any::Application(application)) = &mut resource.resource
            && let Some(spec) = application.spec.as_mut().filter(|_| !self.keys)
        {
            spec.keys.clear();
            spec.api_keys.clear();
        }
        resource
    }
}

fn write_all(directory: &Path, resources: &[Resource]) -> Result<Report, Failure> {
    let failed = |source| ExportError::Write { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed)?;
    if fs::read_dir(directory).map_err(failed)?.next().is_some() {
        return Err(ExportError::NotEmpty(directory.to_owned()).into());
    }
    let mut files = Vec::new();
    for resource in resources {
        files.extend(write_one(directory, resource, true)?);
    }
    // What reads back as something else is written anew, with its definition inside.
    for resource in unfaithful(directory, resources)? {
        if let Some(file) = definition_file(directory, resource) {
            fs::remove_file(&file).map_err(|source| ExportError::Write { path: file, source })?;
        }
        write_one(directory, resource, false)?;
    }
    if let Some(resource) = unfaithful(directory, resources)?.first() {
        let key = plan::key(resource).map(|key| key.to_string()).unwrap_or_default();
        return Err(ExportError::Unfaithful { key }.into());
    }
    let count = files.len();
    let value = json!({ "directory": directory.display().to_string(), "files": files });
    Ok(Report::new(value).text(format!("{count} resources in {}", directory.display())))
}

/// Those that the files do not say.
fn unfaithful<'r>(
    directory: &Path,
    resources: &'r [Resource],
) -> Result<Vec<&'r Resource>, Failure> {
    let read = plan::files::read(directory)?;
    let found: BTreeMap<_, _> =
        read.resources.iter().filter_map(|one| Some((plan::key(one)?, one))).collect();
    let differs = |resource: &&Resource| {
        let read = plan::key(resource).and_then(|key| found.get(&key).copied());
        read.is_none() || !plan::differences(Some(resource), read).is_empty()
    };
    Ok(resources.iter().filter(differs).collect())
}

/// The folder of a kind, and how one of it is called there. Names have no `@`.
fn place(resource: &Resource) -> Option<(String, String)> {
    let (kind, metadata) = (plan::kind(resource)?, plan::metadata(resource)?);
    let mut name = metadata.name.clone();
    if kind.has_versions() {
        name = format!("{name}@{}", metadata.version);
    }
    Some((kind.name().to_owned(), name))
}

fn definition_text(resource: &Resource) -> Option<&str> {
    let Some(Any::Api(api)) = &resource.resource else { return None };
    let text = &api.spec.as_ref()?.definition.as_ref()?.text;
    (!text.is_empty()).then_some(text)
}

fn definition_name(resource: &Resource) -> Option<String> {
    let text = definition_text(resource)?;
    let ending = if text.trim_start().starts_with('{') { "json" } else { "yaml" };
    Some(format!("{}.openapi.{ending}", place(resource)?.1))
}

fn definition_file(directory: &Path, resource: &Resource) -> Option<PathBuf> {
    Some(directory.join(place(resource)?.0).join(definition_name(resource)?))
}

/// Writes a resource, and its definition beside it; where, as a path below the folder.
fn write_one(
    directory: &Path,
    resource: &Resource,
    beside: bool,
) -> Result<Option<String>, ExportError> {
    let Some((kind, name)) = place(resource) else { return Ok(None) };
    let folder = directory.join(&kind);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ExportError::Write { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let mut written = resource.clone();
    if beside
        && let (Some(text), Some(file)) = (definition_text(resource), definition_name(resource))
        && let Some(Any::Api(api)) = &mut written.resource
        && let Some(spec) = &mut api.spec
    {
        let path = folder.join(&file);
        fs::write(&path, text).map_err(failed(&path))?;
        spec.definition = Some(Definition { file, ..Definition::default() });
    }
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, plan::to_yaml(&written)).map_err(failed(&path))?;
    Ok(Some(format!("{kind}/{name}.yaml")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These documents are written, and the files that stand there then are these.
    #[track_caller]
    fn check(documents: &str, files: &[&str]) {
        let (resources, problems) = plan::read_document(documents, "");
        assert_eq!(problems, []);
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("out");
        write_all(&directory, &resources).unwrap();
        let mut found = Vec::new();
        for kind in fs::read_dir(&directory).unwrap() {
            let kind = kind.unwrap();
            for file in fs::read_dir(kind.path()).unwrap() {
                let [kind, file] = [kind.file_name(), file.unwrap().file_name()]
                    .map(|name| name.into_string().unwrap());
                found.push(format!("{kind}/{file}"));
            }
        }
        found.sort();
        assert_eq!(found, files);
        assert!(unfaithful(&directory, &resources).unwrap().is_empty());
        let again = write_all(&directory, &resources).unwrap_err();
        assert!(again.to_string().contains("not empty"), "{again}");
    }

    fn api(definition: &str) -> String {
        format!(
            "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: 1.0.0}}, spec: \
             {{context: /a, definition: {{text: {definition:?}}}, operations: [{{method: GET, path: \
             /x}}], endpoints: {{production: {{urls: ['http://127.0.0.1:1']}}}}}}}}"
        )
    }

    #[test]
    fn a_definition_stands_beside_where_it_means_the_same_there() {
        let openapi = |paths: &str| {
            format!(
                "{{\"openapi\": \"3.1.0\", \"info\": {{\"title\": \"a\", \"version\": \"1\"}}, \"paths\": {paths}}}"
            )
        };
        let tier = "---\n{apiVersion: turnpike/v1, kind: Tier, metadata: {name: Gold}, spec: {quota: {requests: 1, per: 60s}}}";
        check(
            &format!("{}\n{tier}", api(&openapi("{}"))),
            &["Api/a@1.0.0.openapi.json", "Api/a@1.0.0.yaml", "Tier/Gold.yaml"],
        );
        // As a file it would bring an operation along that the stored Api does not have.
        let more = "{\"/y\": {\"get\": {\"responses\": {}}}}";
        check(&api(&openapi(more)), &["Api/a@1.0.0.yaml"]);
    }

    const EVERY_KIND: &str = r##"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Gold }, spec: { quota: { requests: 5, per: 60s } } }
---
{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: pw }, spec: { value: "correct horse" } }
---
{ apiVersion: turnpike/v1, kind: GatewayGroup, metadata: { name: inner }, spec: { virtualHosts: ["a.example"] } }
---
apiVersion: turnpike/v1
kind: KeyManager
metadata: { name: other }
spec:
  issuer: https://other.example
  anyAudience: true
  jwks: '{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}'
---
{ apiVersion: turnpike/v1, kind: Policy, metadata: { name: tag }, spec: { rules: [{ removeHeader: { name: x-a } }] } }
---
apiVersion: turnpike/v1
kind: XacmlPolicySet
metadata: { name: readers }
spec:
  documents:
    - text: |
        <Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="readers" Version="1.0"
            RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-unless-permit">
          <Target/>
          <Rule RuleId="read" Effect="Permit"/>
        </Policy>
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0.0", labels: { team: shop }, owner: ann }
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://127.0.0.1:1"] } }
  operations: [{ method: GET, path: "/items/{id}" }]
  tiers: [Gold]
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: bundle, version: "1.0.0" }
spec: { context: /bundle, lifecycle: PUBLISHED, apis: [{ name: orders, version: "1.0.0" }], tiers: [Gold] }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { description: "# not a comment: yes" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: shop-orders }, spec: { application: shop, api: "orders:1.0.0", tier: Gold } }
---
{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: d }, spec: { users: [ben] } }
---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: t }, spec: { key: '"all"', quota: { requests: 7, per: 86400s } } }
---
{ apiVersion: turnpike/v1, kind: Workflow, metadata: { name: sales }, spec: { events: [SUBSCRIPTION_CREATION], approval: {} } }
---
{ apiVersion: turnpike/v1, kind: AlertRule, metadata: { name: rush }, spec: { type: AbnormalRequestsPerMin, threshold: 1.5, block: { for: 60s, what: application } } }
---
{ apiVersion: turnpike/v1, kind: NotificationChannel, metadata: { name: ops }, spec: { email: { to: [ops@example.com] } } }
---
apiVersion: turnpike/v1
kind: Certificate
metadata: { name: ours }
spec:
  use: backend_ca
  chain: |
    "##;

    #[test]
    fn every_kind_is_exported_and_applying_that_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        chassis::pki::development(folder.path(), &["x"]).unwrap();
        let authority = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
        let documents = format!("{EVERY_KIND}{}", authority.trim_end().replace('\n', "\n    "));
        let (resources, problems) = plan::read_document(&documents, "");
        assert_eq!(problems, []);
        let stored = plan::admit(&plan::Objects::new(), &resources, &[]).unwrap().objects;
        let mut kinds: Vec<_> = stored.iter().filter_map(|one| one.key().kind()).collect();
        kinds.dedup();
        // Requests for decisions are made by the control plane and not by files.
        let all = plan::Kind::ALL.into_iter().filter(|kind| kind.name() != "WorkflowRequest");
        assert_eq!(kinds, all.collect::<Vec<_>>());
        let options = Export { directory: None, revisions: false, keys: false };
        let shown = stored.iter().map(|one| {
            let mut resource = one.resource().unwrap().into_owned();
            if let Some(Any::Secret(secret)) = &mut resource.resource {
                secret.spec.as_mut().unwrap().value.clear();
            }
            options.trimmed(resource)
        });
        let directory = folder.path().join("out");
        write_all(&directory, &shown.collect::<Vec<_>>()).unwrap();
        let read = plan::files::read(&directory).unwrap();
        assert_eq!(read.problems, []);
        let again = plan::admit(&stored, &read.resources, &[]).unwrap();
        assert_eq!((again.upserts.len(), again.changes.len()), (0, stored.len()));
    }
}
