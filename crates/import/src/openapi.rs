//! What does an `OpenAPI` document say, with what WSO2 adds to it?
//!
//! The one reader of `OpenAPI` is that of `plan`; here its report becomes items, and the extensions are
//! put into the Api that it made.

use plan::Problem;
use serde_json::Value;

use crate::draft::{Options, any};
use crate::import::Imported;
use crate::report::Report;
use crate::wso2::extensions;

pub(crate) fn read(text: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    let wanted = plan::openapi::Options {
        file: file.to_owned(),
        name: options.name.clone(),
        version: options.version.clone(),
        context: options.context.clone(),
        endpoints: options.endpoints.clone(),
        sandbox: options.sandbox.clone(),
        publish: options.publish,
    };
    let (mut api, told) = plan::openapi::import(text, &wanted)?;
    let mut report = Report::of(told.dialect, told.title);
    for one in api.spec.iter().flat_map(|spec| &spec.operations) {
        report.taken(format!("paths.{}", one.path), format!("{} {}", one.method, one.path));
    }
    for sentence in told.left {
        report.left("", "the document", sentence);
    }
    // It was read above, so it can be read.
    let document = plan::read_values(text, file).ok().and_then(|it| it.into_iter().next());
    extensions::apply(&document.unwrap_or(Value::Null), &mut api, &mut report);
    Ok(Imported { resources: vec![any(api)], report })
}
