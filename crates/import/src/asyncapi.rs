//! Which channels does an `AsyncAPI` document declare, and which of them are served over HTTP?
//!
//! Channels of `ws` and `wss` servers make an API of type WS, those of `http` and `https` servers one of
//! type SSE. Brokers (Kafka, MQTT, AMQP and the like) are not reached through a gateway for HTTP.
//! 2.x says of a channel what clients may do with it (`subscribe`: they receive); 3.x says what the
//! application itself does (`send`: clients receive).

use std::collections::BTreeSet;

use plan::Problem;
use serde_json::Value;
use turnpike_proto::config::v1::Operation;
use turnpike_proto::config::v1::api_type::Type as ApiType;

use crate::draft::{Options, Stated, any, api, operation};
use crate::import::Imported;
use crate::reading::{document, has, label, list, members, problem, text};
use crate::report::Report;

pub(crate) fn read(source: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    let document = document(source, file)?;
    let version = label(&document, "asyncapi");
    let is_third = version.starts_with("3.");
    if !is_third && !version.starts_with("2.") {
        let reason = format!("`{version}` is not read");
        return Err(problem(file, "asyncapi", reason, "AsyncAPI 2 and 3 are read"));
    }
    let info = document.get("info").unwrap_or(&Value::Null);
    let mut report = Report::of(format!("AsyncAPI {version}"), text(info, "title"));
    let servers = servers(&document, is_third, &mut report);
    let is_socket = servers.iter().any(|one| one.is_socket)
        || (servers.is_empty() && options.endpoints.iter().any(|url| url.starts_with("ws")));
    let urls: Vec<String> = servers
        .iter()
        .filter(|one| one.is_socket == is_socket)
        .filter_map(|one| one.url.clone())
        .collect();
    for other in servers.iter().filter(|one| one.is_socket != is_socket) {
        let why = "an API is of one type: make another one for it";
        report.left(format!("servers.{}", other.name), "server", why);
    }
    let mut reading = Reading { report, is_socket, operations: Vec::new(), known: BTreeSet::new() };
    if is_third {
        reading.third(&document);
    } else {
        reading.second(&document);
    }
    let Reading { mut report, operations, .. } = reading;
    if operations.is_empty() {
        let suggestion = "an interface to serve has a channel with an address";
        return Err(problem(file, "channels", "it declares no channel that is served", suggestion));
    }
    for section in ["security", "tags", "externalDocs"] {
        if has(&document, section) {
            report.left(section, "section", "it has no meaning at a gateway");
        }
    }
    report.left("", "the document", "definitions that are kept with an Api are OpenAPI");
    let stated = Stated {
        file: file.to_owned(),
        name: text(info, "title").to_owned(),
        version: label(info, "version"),
        production: urls,
        description: text(info, "description").to_owned(),
        operations,
        ..Stated::default()
    };
    let mut made = api(stated, options)?;
    if let Some(spec) = &mut made.spec {
        spec.set_type(if is_socket { ApiType::Ws } else { ApiType::Sse });
    }
    Ok(Imported { resources: vec![any(made)], report })
}

/// A server that is reached over HTTP.
struct Server {
    name: String,
    /// `None`: its URL has variables without a default.
    url: Option<String>,
    is_socket: bool,
}

fn servers(document: &Value, is_third: bool, report: &mut Report) -> Vec<Server> {
    let mut servers = Vec::new();
    for (name, server) in members(document, "servers") {
        let place = format!("servers.{name}");
        let protocol = text(server, "protocol").to_ascii_lowercase();
        if !matches!(protocol.as_str(), "ws" | "wss" | "http" | "https") {
            let why = format!("a gateway for HTTP does not reach a server of `{protocol}`");
            report.left(place, "server", why);
            continue;
        }
        let written = if is_third {
            format!("{}{}", text(server, "host"), text(server, "pathname"))
        } else {
            text(server, "url").to_owned()
        };
        let url = with_defaults(server, &protocol, &written);
        match &url {
            Some(url) => report.taken(place, format!("server {url}")),
            None => report.left(place, "server", "a variable of its URL has no default"),
        }
        let is_socket = protocol.starts_with("ws");
        servers.push(Server { name: name.to_owned(), url, is_socket });
    }
    servers
}

fn with_defaults(server: &Value, protocol: &str, written: &str) -> Option<String> {
    let mut url = match written.split_once("://") {
        Some(_) => written.to_owned(),
        None => format!("{protocol}://{written}"),
    };
    for (name, variable) in members(server, "variables") {
        let value = variable.get("default").and_then(Value::as_str)?;
        url = url.replace(&format!("{{{name}}}"), value);
    }
    (!url.contains(['{', '}'])).then_some(url)
}

struct Reading {
    report: Report,
    is_socket: bool,
    operations: Vec<Operation>,
    known: BTreeSet<(&'static str, String)>,
}

impl Reading {
    fn second(&mut self, document: &Value) {
        for (address, channel) in members(document, "channels") {
            let place = format!("channels[{address}]");
            for (verb, receives) in [("subscribe", true), ("publish", false)] {
                if let Some(stated) = channel.get(verb) {
                    let id = text(stated, "operationId");
                    self.channel(&place, address, stated, id, receives);
                }
            }
        }
    }

    fn third(&mut self, document: &Value) {
        for (id, stated) in members(document, "operations") {
            let place = format!("operations.{id}");
            let reference = stated.get("channel").map_or("", |channel| text(channel, "$ref"));
            let name = reference.strip_prefix("#/channels/").unwrap_or_default();
            let channel = members(document, "channels").find(|(known, _)| *known == name);
            let Some((_, channel)) = channel else {
                self.report.left(place, "operation", "its channel is not in this document");
                continue;
            };
            let address = text(channel, "address");
            if address.is_empty() {
                self.report.left(place, "operation", "its channel has no address");
                continue;
            }
            // What the application sends, clients receive.
            self.channel(&place, address, stated, id, text(stated, "action") == "send");
        }
        if list(document, "operations").is_empty() && !has(document, "operations") {
            for (name, channel) in members(document, "channels") {
                let address = text(channel, "address");
                if !address.is_empty() {
                    self.channel(&format!("channels.{name}"), address, channel, name, true);
                }
            }
        }
    }

    fn channel(&mut self, place: &str, address: &str, stated: &Value, id: &str, receives: bool) {
        let path = plan::openapi::served_path(&format!("/{}", address.trim_start_matches('/')));
        let method = if self.is_socket || receives { "GET" } else { "POST" };
        let bound =
            stated.get("bindings").and_then(|it| it.get("http")).map(|it| text(it, "method"));
        let method = match bound {
            Some("POST") if !self.is_socket => "POST",
            Some("PUT") if !self.is_socket => "PUT",
            _ => method,
        };
        if !self.known.insert((method, path.clone())) {
            // Both directions of a WebSocket are one operation.
            self.report.taken(place, format!("{method} {path}, with an earlier one"));
            return;
        }
        self.report.taken(place, format!("{method} {path}"));
        self.operations.push(operation(method, &path, id));
    }
}
