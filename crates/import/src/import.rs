//! What comes out of these sources?

use plan::{Problem, Resource};

use crate::draft::Options;
use crate::finish::finish;
use crate::format::Format;
use crate::report::Report;
use crate::sources::{MAX_FILES, MAX_TOTAL_BYTES, Sources};
use crate::{asyncapi, graphql, kong, openapi, proto, wsdl, wso2};

/// What an import made.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The resources, which may be applied together.
    pub resources: Vec<Resource>,
    /// What became of what stood there.
    pub report: Report,
}

/// Makes resources of the sources. What cannot be read, or of which nothing can be served, is refused
/// with everything that is wrong with it.
pub fn import(
    format: Format,
    sources: &Sources,
    options: &Options,
) -> Result<Imported, Vec<Problem>> {
    check_size(sources)?;
    let Imported { resources, mut report } = match format {
        Format::Openapi => openapi::read(sources.single(), &sources.name, options)?,
        Format::Graphql => graphql::read(sources.single(), &sources.name, options)?,
        Format::Wsdl => wsdl::read(sources.single(), &sources.name, options)?,
        Format::Asyncapi => asyncapi::read(sources.single(), &sources.name, options)?,
        Format::Proto => proto::read(sources.single(), &sources.name, options)?,
        Format::Apictl => wso2::project(sources, options)?,
        Format::Kong => kong::read(sources.single(), &sources.name, options)?,
    };
    let resources = finish(resources, &sources.name, &mut report)?;
    Ok(Imported { resources, report })
}

fn check_size(sources: &Sources) -> Result<(), Vec<Problem>> {
    let bytes: usize = sources.files.values().map(String::len).sum();
    if bytes <= MAX_TOTAL_BYTES && sources.files.len() <= MAX_FILES {
        return Ok(());
    }
    let count = sources.files.len();
    let reason = format!(
        "{count} files of {bytes} bytes; at most {MAX_FILES} of {MAX_TOTAL_BYTES} bytes are read"
    );
    Err(crate::reading::problem(&sources.name, "", reason, "import a part of it"))
}
