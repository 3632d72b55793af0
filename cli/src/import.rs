//! `turnpike import`: which Api does a definition describe?

use std::path::PathBuf;
use std::{fs, io};

use clap::{Args, Subcommand};
use turnpike_proto::config::v1::resource::Resource as AnyResource;
use turnpike_proto::config::v1::{Definition, Resource};

use crate::apply;
use crate::failure::Failure;
use crate::output::{Report, note};
use crate::rpc;

/// What was left out of a large definition is told in part.
const MOST_SENTENCES: usize = 20;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Source {
    /// From an OpenAPI 3.1, 3.0 or Swagger 2 document, JSON or YAML
    Openapi(Openapi),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Openapi {
    /// The document
    file: PathBuf,
    /// Name of the Api [default: made of the document's title]
    #[arg(long)]
    name: Option<String>,
    /// Version of the Api [default: made of the document's version]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Path below which it is served, for example /orders [default: made of the name]
    #[arg(long, value_name = "PATH")]
    context: Option<String>,
    /// URL of the backend; several share the calls [default: the document's first server]
    #[arg(long = "endpoint", value_name = "URL")]
    endpoints: Vec<String>,
    /// URL of the backend for sandbox keys
    #[arg(long, value_name = "URL")]
    sandbox: Vec<String>,
    /// Leave it in the life-cycle state CREATED, which serves nobody, instead of PUBLISHED
    #[arg(long)]
    created: bool,
    /// Store it at once instead of printing it
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    wait: apply::Wait,
}

pub(crate) async fn openapi(connection: &rpc::Options, asked: &Openapi) -> Result<Report, Failure> {
    let read_error = |source: io::Error| Failure::File { file: asked.file.clone(), source };
    let text = fs::read_to_string(&asked.file).map_err(read_error)?;
    let (mut api, report) =
        plan::openapi::import(&text, &asked.options()).map_err(Failure::Problems)?;
    note(format_args!("{}: {}, {} operations", report.title, report.dialect, report.operations));
    for sentence in report.left.iter().take(MOST_SENTENCES) {
        note(sentence);
    }
    if let Some(more @ 1..) = report.left.len().checked_sub(MOST_SENTENCES) {
        note(format_args!("… and {more} more of this kind"));
    }
    if asked.apply {
        let resource = Resource { resource: Some(AnyResource::Api(api)) };
        return apply::send(connection, vec![resource], false, &asked.wait).await;
    }
    // A file refers to its definition; whoever applies it reads it from there.
    let file = asked.file.display().to_string();
    if let Some(spec) = &mut api.spec {
        spec.definition = Some(Definition { file, ..Definition::default() });
    }
    let resource = Resource { resource: Some(AnyResource::Api(api)) };
    let yaml = plan::to_yaml(&resource);
    Ok(Report::new(plan::to_json(&resource)).text(yaml.trim_end()))
}

impl Openapi {
    fn options(&self) -> plan::openapi::Options {
        plan::openapi::Options {
            file: self.file.display().to_string(),
            name: self.name.clone(),
            version: self.version.clone(),
            context: self.context.clone(),
            endpoints: self.endpoints.clone(),
            sandbox: self.sandbox.clone(),
            publish: !self.created,
        }
    }
}
