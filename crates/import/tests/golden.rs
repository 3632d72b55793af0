//! What comes out of a sample of each format, to the letter, and does everything that comes out pass
//! admission?
#![expect(clippy::unwrap_used, reason = "the samples are ours")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use import::{Format, Options, Sources, detect, import};

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn sources(name: &str) -> Sources {
    let path = samples().join(name);
    if path.is_file() {
        return Sources::file(name, &fs::read_to_string(path).unwrap());
    }
    let mut files = BTreeMap::new();
    find(&path, "", &mut files);
    Sources::folder(name, files)
}

fn find(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            find(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read_to_string(path).unwrap());
        }
    }
}

/// Resources and report in the words in which people read them.
fn said(sources: &Sources, format: Format, options: &Options) -> String {
    let mut said = String::new();
    match import(format, sources, options) {
        Ok(imported) => {
            let admitted = plan::admit(&plan::Objects::new(), &imported.resources, &[]);
            assert!(admitted.is_ok(), "{:?}", admitted.err());
            for resource in &imported.resources {
                writeln!(said, "---\n{}", plan::to_yaml(resource).trim_end()).unwrap();
            }
            let report = imported.report;
            writeln!(said, "===\n{} | {}", report.dialect, report.title).unwrap();
            for item in report.items {
                let outcome = &item.outcome;
                let (name, reason) = (outcome.name(), outcome.reason());
                writeln!(said, "{name} | {} | {} | {reason}", item.place, item.what).unwrap();
            }
        }
        Err(problems) => {
            for problem in &problems {
                writeln!(said, "{}", plan::describe(problem)).unwrap();
            }
        }
    }
    said
}

fn published() -> Options {
    Options { publish: true, ..Options::default() }
}

#[track_caller]
fn check(name: &str, format: Format, options: &Options) -> String {
    let sources = sources(name);
    assert_eq!(detect(&sources), Some(format), "{name}");
    said(&sources, format, options)
}

macro_rules! golden {
    ($($test:ident: $name:literal, $format:ident, $options:expr;)*) => { $(
        #[test]
        fn $test() {
            insta::assert_snapshot!(check($name, Format::$format, &$options));
        }
    )* };
}

golden! {
    extensions_of_wso2_mean_what_they_say: "openapi/wso2.yaml", Openapi, published();
    an_open_swagger_stays_open: "swagger2.json", Openapi, published();
    graphql_is_served_as_http: "library.graphql", Graphql, with_backend();
    soap_operations_have_routes_by_their_actions: "stock.wsdl", Wsdl, published();
    wsdl_2_is_read: "rooms.wsdl", Wsdl, published();
    sockets_of_asyncapi_2: "chat.asyncapi.yaml", Asyncapi, published();
    event_streams_of_asyncapi_3: "prices.asyncapi.yaml", Asyncapi, published();
    each_service_of_a_proto_is_an_api: "weather.proto", Proto, with_backend();
    an_apictl_project_with_parameters: "apictl", Apictl, of_environment("dev");
    an_apictl_project_with_several_environments: "apictl", Apictl, published();
    an_apictl_product: "product", Apictl, published();
    a_kong_configuration: "kong/kong.yaml", Kong, published();
}

fn with_backend() -> Options {
    Options { endpoints: vec!["https://backend.example".to_owned()], ..published() }
}

fn of_environment(name: &str) -> Options {
    Options { environment: Some(name.to_owned()), ..published() }
}

#[track_caller]
fn refused(name: &str, text: &str, format: Format, options: &Options, expected: &str) {
    let said = said(&Sources::file(name, text), format, options);
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_cannot_be_served_is_refused_with_what_would_be_right() {
    let none = Options::default();
    refused("a", "type Query {", Format::Graphql, &none, "line 1");
    refused("a", "type Book { id: ID }", Format::Graphql, &none, "it declares no operations");
    refused("a", "<html/>", Format::Wsdl, &none, "its root is `html`");
    refused("a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", Format::Wsdl, &none, "DTD");
    refused("a", &"<a>".repeat(5_000), Format::Wsdl, &none, "nest deeper");
    refused("a", "asyncapi: 1.0.0", Format::Asyncapi, &none, "`1.0.0` is not read");
    let kafka = "{asyncapi: 2.0.0, info: {title: a}, channels: {}}";
    refused("a", kafka, Format::Asyncapi, &none, "no channel that is served");
    refused("a", "message A {", Format::Proto, &none, "a:");
    refused("a", "syntax = \"proto3\"; message A {}", Format::Proto, &none, "no services");
    let service = "syntax = \"proto3\"; service S {}";
    refused("a", service, Format::Proto, &published(), "it names no backend");
    refused("a", "_format_version: '3.0'", Format::Kong, &none, "no services and no consumers");
    let named = Options { name: Some("n".to_owned()), ..Options::default() };
    refused("a", "_format_version: '3.0'", Format::Kong, &named, "give a version alone");
    let websub = "{type: api, data: {name: a, type: WEBSUB}}";
    refused("a", websub, Format::Apictl, &none, "an API of type WEBSUB is not served");
    refused("a", "a: &a [*a]", Format::Kong, &none, "a:");
}
