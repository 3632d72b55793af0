//! `turnpike import`: which resources come out of a file or a folder?

use std::path::{Path, PathBuf};
use std::{fs, io};

use ::import::{Format, Imported, Options, Sources};
use clap::{Args, ValueEnum};
use serde_json::Value;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Definition, Resource};

use super::folder;
use super::told;
use crate::apply;
use crate::failure::Failure;
use crate::output::{Report, note};
use crate::rpc;

#[derive(Args, Clone, Debug)]
pub(crate) struct Import {
    /// The format (openapi, graphql, wsdl, asyncapi, proto, apictl, kong) and the file, or the folder of
    /// an apictl project. Without the format it is told by what the file says
    #[arg(value_names = ["FORMAT] FILE|DIR [", "…"], num_args = 1..=2, required = true)]
    what: Vec<PathBuf>,
    /// Name of the Api [default: made of what the document calls itself]
    #[arg(long)]
    name: Option<String>,
    /// Version of the Api [default: made of the document's version]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Path below which it is served, for example /orders [default: what the document says, or made of
    /// the name]
    #[arg(long, value_name = "PATH")]
    context: Option<String>,
    /// URL of the backend; several share the calls [default: what the document says]
    #[arg(long = "endpoint", value_name = "URL")]
    endpoints: Vec<String>,
    /// URL of the backend for sandbox keys
    #[arg(long, value_name = "URL")]
    sandbox: Vec<String>,
    /// Which environment of an apictl project's parameters holds [default: the only one]
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Leave Apis in the life-cycle state CREATED, which serves nobody
    #[arg(long)]
    created: bool,
    /// Write the resources into this file instead of printing them
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    to: Option<PathBuf>,
    /// Store them at once instead of printing them
    #[arg(long)]
    apply: bool,
    /// Form of the report on standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    report: Form,
    #[command(flatten)]
    wait: apply::Wait,
}

/// How the report is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// In sentences: what was changed, and what was left
    Text,
    /// One JSON object with every item
    Json,
}

pub(crate) async fn import(connection: &rpc::Options, asked: &Import) -> Result<Report, Failure> {
    let (format, path) = asked.format()?;
    let sources = read(path)?;
    let format = match format {
        Some(format) => format,
        None => ::import::detect(&sources).ok_or_else(|| Failure::Format(path.to_owned()))?,
    };
    let imported = ::import::import(format, &sources, &asked.options());
    let Imported { mut resources, report } = imported.map_err(Failure::Problems)?;
    match asked.report {
        Form::Text => told::in_sentences(&report, &resources),
        Form::Json => note(told::as_json(&report)),
    }
    if asked.apply {
        return apply::send(connection, resources, false, &asked.wait).await;
    }
    if format == Format::Openapi {
        refer(&mut resources, path);
    }
    let yaml: Vec<String> = resources.iter().map(plan::to_yaml).collect();
    let yaml = yaml.join("---\n");
    let values: Vec<Value> = resources.iter().map(plan::to_json).collect();
    if let Some(to) = &asked.to {
        let failed = |source: io::Error| Failure::File { file: to.clone(), source };
        fs::write(to, &yaml).map_err(failed)?;
        return Ok(Report::documents(values).text(format!(
            "{} resources in {}",
            resources.len(),
            to.display()
        )));
    }
    Ok(Report::documents(values).text(yaml.trim_end()))
}

/// A file refers to its definition; whoever applies it reads it from there.
fn refer(resources: &mut [Resource], path: &Path) {
    for resource in resources {
        if let Some(Any::Api(api)) = &mut resource.resource
            && let Some(spec) = &mut api.spec
        {
            let file = path.display().to_string();
            spec.definition = Some(Definition { file, ..Definition::default() });
        }
    }
}

fn read(path: &Path) -> Result<Sources, Failure> {
    let shown = path.display().to_string();
    let failed = |source: io::Error| Failure::File { file: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(Sources::folder(&shown, folder::read(path)?));
    }
    Ok(Sources::file(&shown, &fs::read_to_string(path).map_err(failed)?))
}

impl Import {
    /// The format, where it is named, and the file.
    fn format(&self) -> Result<(Option<Format>, &Path), Failure> {
        match self.what.as_slice() {
            [path] => Ok((None, path)),
            [format, path] => {
                let given = format.display().to_string();
                let names = Format::ALL.map(Format::name);
                let known = Format::ALL.into_iter().find(|known| known.name() == given);
                let near = chassis::config::nearest(&given, names);
                let hint = near.map_or_else(String::new, |near| format!(", did you mean {near}?"));
                Ok((Some(known.ok_or(Failure::NoFormat { given, hint })?), path))
            }
            _ => Err(Failure::NothingToApply),
        }
    }

    fn options(&self) -> Options {
        Options {
            name: self.name.clone(),
            version: self.version.clone(),
            context: self.context.clone(),
            endpoints: self.endpoints.clone(),
            sandbox: self.sandbox.clone(),
            publish: !self.created,
            environment: self.environment.clone(),
        }
    }
}
