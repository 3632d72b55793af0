//! Which Api does a route of Kong become?

use std::collections::BTreeMap;

use plan::{Problem, Resource};
use serde_json::Value;
use turnpike_proto::config::v1::api_type::Type as ApiType;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    Api, ApiSpec, Condition, Endpoints, GatewayGroup, GatewayGroupSpec, Match, Metadata, Operation,
    condition,
};

use super::backend::endpoint;
use super::consumer::consumers;
use super::deck::{Plugin, lost_routes, plugins, services};
use super::plugin::{Making, open_where_nothing_asks, plugin};
use crate::draft::{Options, Stated, any, api, operation};
use crate::import::Imported;
use crate::naming::{context_from, name_of};
use crate::reading::{document, label, list, members, problem, text, texts};
use crate::report::Report;

/// Sections that nothing here stands for.
const UNKNOWN: [(&str, &str); 9] = [
    ("certificates", "make a Secret and a Certificate of use listener of each"),
    ("ca_certificates", "make a Certificate of use client_ca or backend_ca of each"),
    ("snis", "a Certificate names its hosts itself"),
    ("vaults", "secrets are kept by the control plane, as Secret resources"),
    ("consumer_groups", "an application's tier and subscriptions say what it may"),
    ("filter_chains", "filters are not carried over"),
    ("rbac_roles", "people and their roles are kept by the control plane"),
    ("licenses", "there are none"),
    ("plugin_configs", "write what it says where it is used"),
];

pub(crate) fn read(source: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    if options.is_about_one() {
        let reason = "it holds many services, which have names, paths and backends of their own";
        return Err(problem(file, "", reason, "give a version alone"));
    }
    let document = document(source, file)?;
    let version = label(&document, "_format_version");
    let mut reading = Reading {
        document: &document,
        options,
        report: Report::of(format!("Kong, format {version}"), ""),
        apis: BTreeMap::new(),
        others: Vec::new(),
    };
    reading.whole(file)?;
    let Reading { mut report, apis, others, .. } = reading;
    let (applications, tiers) = consumers(&document, &mut report);
    let mut resources: Vec<Resource> = others;
    resources.extend(tiers);
    resources.extend(apis.into_values().map(|made| any(made.api)));
    resources.extend(applications);
    if resources.is_empty() {
        return Err(problem(file, "", "it declares no services and no consumers", ""));
    }
    Ok(Imported { resources, report })
}

/// An Api, and what it was made of.
struct Made {
    api: Api,
    service: String,
    plugins: Vec<String>,
}

struct Reading<'d> {
    document: &'d Value,
    options: &'d Options,
    report: Report,
    /// By context.
    apis: BTreeMap<String, Made>,
    others: Vec<Resource>,
}

impl Reading<'_> {
    fn whole(&mut self, file: &str) -> Result<(), Vec<Problem>> {
        for service in services(self.document) {
            let name = name_of(text(service.stated, "name"))
                .or_else(|| name_of(text(service.stated, "host")))
                .unwrap_or_else(|| "service".to_owned());
            if service.routes.is_empty() {
                self.report.left(format!("services.{name}"), "service", "it has no route");
            }
            for (index, route) in service.routes.iter().enumerate() {
                let own = name_of(text(route, "name")).unwrap_or_else(|| format!("{}", index + 1));
                let paths = texts(route, "paths");
                let alone = service.routes.len() == 1 && paths.len() <= 1;
                let place = format!("services.{name}.routes.{own}");
                let all: Vec<String> = if paths.is_empty() { vec!["/".to_owned()] } else { paths };
                let many = all.len() > 1;
                for (nth, path) in all.iter().enumerate() {
                    let suffix = if many { format!("-{}", nth + 1) } else { String::new() };
                    let named = if alone { name.clone() } else { format!("{name}-{own}{suffix}") };
                    self.route(service.stated, route, &named, path, &place, file)?;
                }
            }
        }
        for route in lost_routes(self.document) {
            let name = text(route, "name");
            self.report.left(format!("routes.{name}"), "route", "it has no service");
        }
        for (section, why) in UNKNOWN {
            for one in list(self.document, section) {
                let named =
                    [text(one, "name"), text(one, "id")].into_iter().find(|it| !it.is_empty());
                self.report.left(section, named.unwrap_or("entry"), why);
            }
        }
        Ok(())
    }

    fn route(
        &mut self,
        service: &Value,
        route: &Value,
        name: &str,
        path: &str,
        place: &str,
        file: &str,
    ) -> Result<(), Vec<Problem>> {
        if path.starts_with('~') {
            let why =
                "a path that is a regular expression is written as a template of an operation";
            self.report.left(place, format!("path {path}"), why);
            return Ok(());
        }
        let Some(kind) = kind(route, place, &mut self.report) else { return Ok(()) };
        let context = context_from(path);
        let plugins = plugins(self.document, service, route);
        let asked: Vec<String> =
            plugins.iter().map(|it| text(it.stated, "name").to_owned()).collect();
        let operations = operations(route, place, &mut self.report);
        if let Some(known) = self.apis.get_mut(&context) {
            let same = known.service == text(service, "name") && known.plugins == asked;
            let has_own = known.api.spec.as_ref().is_some_and(|spec| !spec.operations.is_empty());
            let spec = known.api.spec.as_mut();
            if let Some(spec) = spec.filter(|_| same && has_own && !operations.is_empty()) {
                spec.operations.extend(operations);
                let how = "operations of the Api that is there";
                self.report.changed(place, format!("path {path}"), how);
            } else {
                let why = format!("{context} is served already, by an Api of other plugins");
                self.report.left(place, format!("path {path}"), why);
            }
            return Ok(());
        }
        let stated = Stated {
            file: file.to_owned(),
            name: name.to_owned(),
            context: Some(context.clone()),
            operations,
            ..Stated::default()
        };
        let mut made = api(stated, self.options)?;
        self.fill(&mut made, service, route, kind, &context, place);
        self.plugged(&mut made, &plugins, place);
        let how = "an Api; its path is matched by whole segments, and any application may call it";
        self.report.changed(place, format!("path {path}"), how);
        let service = text(service, "name").to_owned();
        self.apis.insert(context, Made { api: made, service, plugins: asked });
        Ok(())
    }

    fn fill(
        &mut self,
        made: &mut Api,
        service: &Value,
        route: &Value,
        kind: ApiType,
        context: &str,
        place: &str,
    ) {
        let name = made.metadata.as_ref().map(|it| it.name.clone()).unwrap_or_default();
        if let Some(metadata) = made.metadata.as_mut() {
            for tag in texts(service, "tags").into_iter().chain(texts(route, "tags")).take(64) {
                metadata.labels.insert(format!("tag/{tag}"), "true".to_owned());
            }
        }
        let Some(spec) = made.spec.as_mut() else { return };
        spec.set_type(kind);
        // Kong has no versions in paths and no subscriptions.
        spec.default_version = true;
        spec.subscriptionless = true;
        let strips = route.get("strip_path") != Some(&Value::Bool(false));
        let added = if strips || context == "/" { "" } else { context };
        let production = endpoint(self.document, service, added, place, &mut self.report);
        spec.endpoints = production.map(|one| Endpoints { production: Some(one), sandbox: None });
        self.hosts(spec, route, &name, place);
        for (member, why) in [
            ("preserve_host", "backends are called by their own names"),
            ("snis", "a GatewayGroup names hosts"),
            ("sources", "write a DenyPolicy with notAddresses"),
            ("destinations", "every listener of a gateway serves every API"),
        ] {
            let stated = route.get(member).is_some_and(|it| {
                !it.is_null()
                    && it != &Value::Bool(false)
                    && it.as_array().is_none_or(|it| !it.is_empty())
            });
            if stated {
                self.report.left(format!("{place}.{member}"), "condition of the route", why);
            }
        }
    }

    /// Host names are those of a group of gateways.
    fn hosts(&mut self, spec: &mut ApiSpec, route: &Value, name: &str, place: &str) {
        let hosts = texts(route, "hosts");
        if hosts.is_empty() {
            return;
        }
        let group = format!("{name}-hosts");
        self.report.changed(
            format!("{place}.hosts"),
            hosts.join(", "),
            format!("GatewayGroup/{group} with these virtual hosts; `*` stands for one label"),
        );
        spec.gateways = vec![group.clone()];
        self.others.push(Resource {
            resource: Some(Any::GatewayGroup(GatewayGroup {
                metadata: Some(Metadata { name: group, ..Metadata::default() }),
                spec: Some(GatewayGroupSpec {
                    virtual_hosts: hosts,
                    ..GatewayGroupSpec::default()
                }),
                ..GatewayGroup::default()
            })),
        });
    }

    fn plugged(&mut self, made: &mut Api, plugins: &[Plugin<'_>], place: &str) {
        let (name, version) = made
            .metadata
            .as_ref()
            .map(|it| (it.name.clone(), it.version.clone()))
            .unwrap_or_default();
        let Some(spec) = made.spec.as_mut() else { return };
        let mut making =
            Making { spec, name: &name, version: &version, others: &mut self.others, asks: false };
        for one in plugins {
            plugin(one, place, &mut making, &mut self.report);
        }
        open_where_nothing_asks(&mut making, place, &mut self.report);
    }
}

/// How its calls look on the wire; `None`: it is not served.
fn kind(route: &Value, place: &str, report: &mut Report) -> Option<ApiType> {
    let protocols = texts(route, "protocols");
    let is = |word: &str| protocols.iter().any(|it| it == word);
    if is("grpc") || is("grpcs") {
        return Some(ApiType::Grpc);
    }
    if is("ws") || is("wss") {
        return Some(ApiType::Ws);
    }
    if !protocols.is_empty() && !is("http") && !is("https") {
        let why = "a gateway for HTTP does not pass on other connections";
        report.left(place, protocols.join(", "), why);
        return None;
    }
    if protocols == ["https"] {
        let why = "every listener of a gateway serves every API: leave out the one without TLS";
        report.left(format!("{place}.protocols"), "https alone", why);
    }
    Some(ApiType::Http)
}

/// The methods and header conditions of a route; none: every call below its path.
fn operations(route: &Value, place: &str, report: &mut Report) -> Vec<Operation> {
    let methods = texts(route, "methods");
    let mut conditions = Vec::new();
    for (name, _) in members(route, "headers") {
        let values = route.get("headers").map(|it| texts(it, name)).unwrap_or_default();
        let test = match values.as_slice() {
            [] => continue,
            [one] if one.starts_with("~*") => {
                let pattern = one.trim_start_matches("~*");
                condition::Test::Regex(format!("(?i).*({pattern}).*"))
            }
            [one] => condition::Test::Exact(one.clone()),
            several => {
                let any: Vec<String> = several.iter().map(|one| regex::escape(one)).collect();
                condition::Test::Regex(any.join("|"))
            }
        };
        conditions.push(Condition { name: name.to_owned(), test: Some(test) });
        report.taken(format!("{place}.headers.{name}"), "condition");
    }
    let asked = (!conditions.is_empty()).then(|| Match { headers: conditions, ..Match::default() });
    let all = if methods.is_empty() { vec!["*".to_owned()] } else { methods.clone() };
    if methods.is_empty() && asked.is_none() {
        return Vec::new();
    }
    let of = |method: &String| Operation {
        r#match: asked.clone(),
        ..operation(&method.to_ascii_uppercase(), "/*", "")
    };
    all.iter().map(of).collect()
}
