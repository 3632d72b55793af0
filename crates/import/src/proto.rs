//! Which services does a `.proto` file declare?
//!
//! A gRPC client calls `/package.Service/Method`, so each service is an Api of type GRPC whose context
//! is its full name, served without a version in the path, and whose servers' URLs end with it.

use plan::Problem;
use prost_types::{MethodDescriptorProto, ServiceDescriptorProto};
use turnpike_proto::config::v1::api_type::Type as ApiType;

use crate::draft::{Options, Stated, any, api, operation};
use crate::import::Imported;
use crate::reading::problem;
use crate::report::Report;

pub(crate) fn read(text: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    let parsed = protox_parse::parse(file, text).map_err(|error| {
        let reason = error.to_string();
        problem(
            file,
            "",
            reason,
            "protocol buffers of syntax proto2, proto3 or an edition are read",
        )
    })?;
    if parsed.service.is_empty() {
        return Err(problem(file, "", "it declares no services", "import the file that does"));
    }
    if parsed.service.len() > 1 && (options.name.is_some() || options.context.is_some()) {
        let reason =
            format!("it declares {} services, which have names of their own", parsed.service.len());
        return Err(problem(file, "", reason, "give neither a name nor a context"));
    }
    if options.endpoints.is_empty() && options.sandbox.is_empty() && options.publish {
        return Err(problem(file, "", "it names no backend", "give one (--endpoint)"));
    }
    let mut report =
        Report::of(format!("protocol buffers, {}", syntax(parsed.syntax())), parsed.package());
    for import in &parsed.dependency {
        report.left(import.as_str(), "import", "messages are not looked into, so none is read");
    }
    let mut resources = Vec::new();
    for service in &parsed.service {
        let full_name = match parsed.package() {
            "" => service.name().to_owned(),
            package => format!("{package}.{}", service.name()),
        };
        resources.push(one(service, &full_name, file, options, &mut report)?);
    }
    Ok(Imported { resources, report })
}

fn syntax(stated: &str) -> &str {
    if stated.is_empty() { "proto2" } else { stated }
}

fn one(
    service: &ServiceDescriptorProto,
    full_name: &str,
    file: &str,
    options: &Options,
    report: &mut Report,
) -> Result<plan::Resource, Vec<Problem>> {
    let own = |urls: &[String]| -> Vec<String> {
        let below = |url: &String| {
            let url = url.trim_end_matches('/');
            if url.ends_with(full_name) { url.to_owned() } else { format!("{url}/{full_name}") }
        };
        urls.iter().map(below).collect()
    };
    let options = Options {
        endpoints: own(&options.endpoints),
        sandbox: own(&options.sandbox),
        ..options.clone()
    };
    let stated = Stated {
        file: file.to_owned(),
        name: full_name.to_owned(),
        context: Some(format!("/{full_name}")),
        operations: service
            .method
            .iter()
            .map(|method| operation("POST", &format!("/{}", method.name()), method.name()))
            .collect(),
        ..Stated::default()
    };
    for method in &service.method {
        let place = format!("{full_name}/{}", method.name());
        if http_rule(method) {
            let how =
                "called over gRPC; what its options say of HTTP is left, calls are not translated";
            report.changed(place, streaming(method), how);
        } else {
            report.taken(place, streaming(method));
        }
    }
    let mut made = api(stated, &options)?;
    if let Some(spec) = &mut made.spec {
        spec.set_type(ApiType::Grpc);
        spec.default_version = true;
    }
    Ok(any(made))
}

const fn streaming(method: &MethodDescriptorProto) -> &'static str {
    match (method.client_streaming, method.server_streaming) {
        (Some(true), Some(true)) => "method, streams both ways",
        (Some(true), _) => "method, the client streams",
        (_, Some(true)) => "method, the server streams",
        _ => "method",
    }
}

/// Whether it carries `google.api.http`.
fn http_rule(method: &MethodDescriptorProto) -> bool {
    let options = method.options.iter().flat_map(|options| &options.uninterpreted_option);
    let mut parts = options.flat_map(|option| &option.name);
    parts.any(|part| part.name_part.ends_with("google.api.http"))
}
