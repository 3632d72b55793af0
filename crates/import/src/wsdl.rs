//! Which operations does a WSDL document bind, and where?
//!
//! SOAP over HTTP works through an API of type HTTP: every message comes as POST. An operation with an
//! action of its own (the field `SOAPAction` of SOAP 1.1) has a route of its own, and all others share
//! one. Bindings to plain HTTP are operations as they are. Nothing is fetched: what a document imports
//! is not read.

use std::collections::BTreeSet;

use plan::Problem;
use roxmltree::{Document, Node, ParsingOptions};
use turnpike_proto::config::v1::{Condition, Match, Operation, condition};

use crate::draft::{Options, Stated, any, api, operation};
use crate::import::Imported;
use crate::reading::problem;
use crate::report::Report;

const WSDL_11: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_20: &str = "http://www.w3.org/ns/wsdl";
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const HTTP_11: &str = "http://schemas.xmlsoap.org/wsdl/http/";
const SOAP_20: &str = "http://www.w3.org/ns/wsdl/soap";
const HTTP_20: &str = "http://www.w3.org/ns/wsdl/http";
/// The most elements and texts of a document.
const NODES: u32 = 1_000_000;
/// How deeply elements may nest.
const DEPTH: usize = 200;
/// The largest document, in bytes.
const BYTES: usize = 8 * 1024 * 1024;

pub(crate) fn read(text: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    let suggestion = "WSDL 1.1 and 2.0 are read";
    let refuse = |reason: String| problem(file, "", reason, suggestion);
    check(text).map_err(&refuse)?;
    let text = text.trim_start_matches('\u{feff}');
    let parsing =
        ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, parsing)
        .map_err(|error| refuse(format!("it is not valid XML: {error}")))?;
    let root = document.root_element();
    let dialect = match (root.tag_name().namespace(), root.tag_name().name()) {
        (Some(WSDL_11), "definitions") => Dialect::First,
        (Some(WSDL_20), "description") => Dialect::Second,
        (_, name) => return Err(refuse(format!("its root is `{name}`"))),
    };
    let name = root.children().find(|it| it.has_tag_name((dialect.namespace(), "service")));
    let name = name.and_then(|it| it.attribute("name")).or_else(|| root.attribute("name"));
    let stem = file.rsplit('/').next().unwrap_or(file).split('.').next().unwrap_or_default();
    let mut reading = Reading {
        root,
        dialect,
        report: Report::of(dialect.name(), name.unwrap_or_default()),
        addresses: Vec::new(),
        operations: Vec::new(),
        actions: BTreeSet::new(),
        speaks_soap: false,
    };
    reading.whole();
    let Reading { report, addresses, mut operations, speaks_soap, .. } = reading;
    if speaks_soap || operations.is_empty() {
        operations.push(operation("POST", "/*", ""));
    }
    let stated = Stated {
        file: file.to_owned(),
        name: name.unwrap_or(stem).to_owned(),
        production: addresses,
        description: documentation(root),
        operations,
        ..Stated::default()
    };
    Ok(Imported { resources: vec![any(api(stated, options)?)], report })
}

/// What the parser would not survive in good time, or has no bound for.
fn check(text: &str) -> Result<(), String> {
    if text.len() > BYTES {
        return Err(format!("it has {} bytes, and at most {BYTES} are read", text.len()));
    }
    let mut depth = 0_usize;
    for (at, _) in text.match_indices('<') {
        let rest = text.get(at + 1..).unwrap_or_default();
        if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let closes = rest
                .find('>')
                .is_some_and(|end| rest.get(..end).is_some_and(|tag| tag.ends_with('/')));
            depth += usize::from(!closes);
        }
        if depth > DEPTH {
            return Err(format!("its elements nest deeper than {DEPTH}"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    First,
    Second,
}

impl Dialect {
    const fn name(self) -> &'static str {
        match self {
            Self::First => "WSDL 1.1",
            Self::Second => "WSDL 2.0",
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Self::First => WSDL_11,
            Self::Second => WSDL_20,
        }
    }
}

/// How a binding carries messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Soap11,
    Soap12,
    Http,
}

struct Reading<'d> {
    root: Node<'d, 'd>,
    dialect: Dialect,
    report: Report,
    /// Where the first port is that can be reached.
    addresses: Vec<String>,
    operations: Vec<Operation>,
    actions: BTreeSet<String>,
    speaks_soap: bool,
}

impl<'d> Reading<'d> {
    fn whole(&mut self) {
        for child in self.root.children().filter(Node::is_element) {
            let name = child.tag_name().name();
            if matches!(name, "import" | "include") {
                let from = child.attribute("location").or_else(|| child.attribute("namespace"));
                self.report.left(from.unwrap_or_default(), name, "other documents are not read");
            } else if name == "service" {
                self.service(child);
            }
        }
        for binding in self.named("binding") {
            self.binding(binding);
        }
        if self.named("types").next().is_some() {
            self.report.left("types", "schemas", "messages are passed on and not checked");
        }
    }

    fn named(&self, name: &'static str) -> impl Iterator<Item = Node<'d, 'd>> + use<'d> {
        let namespace = self.dialect.namespace();
        self.root.children().filter(move |it| it.has_tag_name((namespace, name)))
    }

    fn service(&mut self, service: Node<'d, 'd>) {
        let service_name = service.attribute("name").unwrap_or_default();
        for port in service.children().filter(Node::is_element) {
            let place = format!("{service_name}/{}", port.attribute("name").unwrap_or_default());
            let address = match self.dialect {
                Dialect::First => port.children().find_map(|it| it.attribute("location")),
                Dialect::Second => port.attribute("address"),
            };
            if !matches!(port.tag_name().name(), "port" | "endpoint") {
                continue;
            }
            match address.map(str::trim) {
                Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                    let why = format!("`{url}` is no address that HTTP reaches");
                    self.report.left(place, "port", why);
                }
                Some(url) if self.addresses.is_empty() => {
                    self.report.taken(place, format!("port at {url}"));
                    // A query of the address belongs to the old place.
                    let url = url.split(['?', '#']).next().unwrap_or(url);
                    self.addresses.push(url.to_owned());
                }
                Some(url) if self.addresses.iter().any(|known| known == url) => {
                    self.report.taken(place, format!("port at {url}, as an earlier one"));
                }
                Some(url) => {
                    let why = format!("an API has one backend, and this is another: {url}");
                    self.report.left(place, "port", why);
                }
                None => self.report.left(place, "port", "it has no address"),
            }
        }
    }

    fn binding(&mut self, binding: Node<'d, 'd>) {
        let name = binding.attribute("name").unwrap_or_default();
        let Some(carrier) = self.carrier(binding) else {
            self.report.left(name, "binding", "neither SOAP nor HTTP carries it");
            return;
        };
        self.speaks_soap |= carrier != Carrier::Http;
        let namespace = self.dialect.namespace();
        for one in binding.children().filter(|it| it.has_tag_name((namespace, "operation"))) {
            let id = one.attribute("name").or_else(|| one.attribute("ref")).unwrap_or_default();
            let id = id.rsplit(':').next().unwrap_or(id);
            let place = format!("{name}/{id}");
            match carrier {
                Carrier::Http => self.plain(binding, one, id, &place),
                Carrier::Soap11 | Carrier::Soap12 => self.soap(one, id, &place, carrier),
            }
        }
    }

    fn carrier(&self, binding: Node<'d, 'd>) -> Option<Carrier> {
        if self.dialect == Dialect::Second {
            return match binding.attribute("type")? {
                SOAP_20 if binding.attribute((SOAP_20, "version")) == Some("1.1") => {
                    Some(Carrier::Soap11)
                }
                SOAP_20 => Some(Carrier::Soap12),
                HTTP_20 => Some(Carrier::Http),
                _ => None,
            };
        }
        binding.children().find_map(|it| match (it.tag_name().namespace()?, it.tag_name().name()) {
            (SOAP_11, "binding") => Some(Carrier::Soap11),
            (SOAP_12, "binding") => Some(Carrier::Soap12),
            (HTTP_11, "binding") => Some(Carrier::Http),
            _ => None,
        })
    }

    fn soap(&mut self, one: Node<'d, 'd>, id: &str, place: &str, carrier: Carrier) {
        let action = match self.dialect {
            Dialect::First => one.children().find_map(|it| it.attribute("soapAction")),
            Dialect::Second => one.attribute((SOAP_20, "action")),
        };
        let action = action.map(str::trim).unwrap_or_default();
        let together =
            "served by POST /* together with all others; scopes and limits count for all of them";
        if carrier == Carrier::Soap12 {
            self.report.changed(place, "SOAP 1.2 operation", together);
        } else if action.is_empty() {
            self.report.changed(place, "SOAP 1.1 operation without an action", together);
        } else if !self.actions.insert(action.to_owned()) {
            let how = format!("served with the earlier operation of the action {action}");
            self.report.changed(place, "SOAP 1.1 operation", how);
        } else {
            self.operations.push(by_action(action, id));
            self.report.changed(place, "SOAP 1.1 operation", "POST /* with this SOAPAction");
        }
    }

    fn plain(&mut self, binding: Node<'d, 'd>, one: Node<'d, 'd>, id: &str, place: &str) {
        let (method, location) = match self.dialect {
            Dialect::First => {
                let verb = binding.children().find_map(|it| it.attribute("verb"));
                (verb, one.children().find_map(|it| it.attribute("location")))
            }
            Dialect::Second => (
                one.attribute((HTTP_20, "method"))
                    .or(binding.attribute((HTTP_20, "methodDefault"))),
                one.attribute((HTTP_20, "location")),
            ),
        };
        let method = method.unwrap_or("GET").to_ascii_uppercase();
        // Parts of a message stand in brackets in 1.1 and in braces in 2.0.
        let location = location.unwrap_or_default().replace('(', "{").replace(')', "}");
        let path = plan::openapi::served_path(&format!("/{}", location.trim_start_matches('/')));
        self.report.taken(place, format!("{method} {path}"));
        self.operations.push(operation(&method, &path, id));
    }
}

/// The operation that messages with this action mean; clients write it with and without quotes.
fn by_action(action: &str, id: &str) -> Operation {
    let regex = format!("\"?{}\"?", regex::escape(action));
    let condition =
        Condition { name: "SOAPAction".to_owned(), test: Some(condition::Test::Regex(regex)) };
    Operation {
        r#match: Some(Match { headers: vec![condition], ..Match::default() }),
        ..operation("POST", "/*", id)
    }
}

fn documentation(root: Node<'_, '_>) -> String {
    let found = root.children().find(|it| it.tag_name().name() == "documentation");
    let text = found.and_then(|it| it.text()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
