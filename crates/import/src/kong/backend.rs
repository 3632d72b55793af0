//! Which servers stand behind a Kong service?

use serde_json::Value;
use turnpike_proto::config::v1::endpoint::Balance;
use turnpike_proto::config::v1::hash_on::By;
use turnpike_proto::config::v1::{Endpoint, HashOn, HealthCheck, Retries, Server};

use crate::reading::{has, list, number, text};
use crate::report::Report;
use crate::wso2::milliseconds;

/// The most servers of an endpoint.
const SERVERS: usize = 64;

/// The servers of a service; `added` is put behind its path.
pub(super) fn endpoint(
    document: &Value,
    service: &Value,
    added: &str,
    place: &str,
    report: &mut Report,
) -> Option<Endpoint> {
    let address = Address::of(service)?;
    let path = format!("{}{added}", address.path);
    let mut endpoint = Endpoint::default();
    let upstream = list(document, "upstreams").iter().find(|it| text(it, "name") == address.host);
    if let Some(upstream) = upstream {
        balanced(upstream, document, &address.scheme, &path, &mut endpoint, report);
    } else {
        endpoint.urls = vec![format!("{}://{}{path}", address.scheme, address.authority())];
    }
    if let Some(ms @ 1..) = number(service, "connect_timeout") {
        endpoint.connect_timeout = Some(milliseconds(ms.min(60_000)));
    }
    if let Some(ms @ 1..) = number(service, "read_timeout") {
        endpoint.timeout = Some(milliseconds(ms.min(600_000)));
    }
    endpoint.retries = match number(service, "retries") {
        Some(0) => Some(Retries { off: true, ..Retries::default() }),
        Some(tries) => {
            let attempts = u32::try_from(tries.min(10)).unwrap_or(10);
            Some(Retries { attempts, ..Retries::default() })
        }
        None => None,
    };
    for (name, why) in [
        (
            "client_certificate",
            "make a Certificate of use backend_client and name it in spec.endpoints",
        ),
        ("ca_certificates", "make a Certificate of use backend_ca and name it in spec.endpoints"),
        ("tls_verify_depth", "the depth of chains is not limited"),
    ] {
        if has(service, name) {
            report.left(format!("{place}.{name}"), "TLS to the backend", why);
        }
    }
    if service.get("tls_verify") == Some(&Value::Bool(false)) && address.scheme == "https" {
        let how = "certificates of backends are always verified";
        report.changed(format!("{place}.tls_verify"), "TLS to the backend", how);
    }
    Some(endpoint)
}

struct Address {
    scheme: String,
    host: String,
    port: Option<u64>,
    path: String,
}

impl Address {
    fn of(service: &Value) -> Option<Self> {
        let url = text(service, "url");
        if let Some((scheme, rest)) = url.split_once("://") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().ok()),
                None => (authority, None),
            };
            return Some(Self::new(scheme, host, port, path));
        }
        let host = text(service, "host");
        if host.is_empty() {
            return None;
        }
        let scheme = match text(service, "protocol") {
            "" => "http",
            other => other,
        };
        Some(Self::new(scheme, host, number(service, "port"), text(service, "path")))
    }

    fn new(scheme: &str, host: &str, port: Option<u64>, path: &str) -> Self {
        let scheme = match scheme {
            "https" | "grpcs" | "wss" | "tls" => "https",
            _ => "http",
        };
        let path = path.trim_end_matches('/').to_owned();
        Self { scheme: scheme.to_owned(), host: host.to_owned(), port, path }
    }

    fn authority(&self) -> String {
        let usual = if self.scheme == "https" { 443 } else { 80 };
        match self.port {
            Some(port) if port != usual => format!("{}:{port}", self.host),
            _ => self.host.clone(),
        }
    }
}

fn balanced(
    upstream: &Value,
    document: &Value,
    scheme: &str,
    path: &str,
    endpoint: &mut Endpoint,
    report: &mut Report,
) {
    let name = text(upstream, "name");
    let place = format!("upstreams.{name}");
    let outside = list(document, "targets").iter();
    let outside =
        outside.filter(|it| it.get("upstream").is_some_and(|it| text(it, "name") == name));
    for target in list(upstream, "targets").iter().chain(outside) {
        let address = text(target, "target");
        let at = format!("{place}.{address}");
        match number(target, "weight").unwrap_or(100) {
            0 => report.left(at, "target", "its weight is 0"),
            _ if endpoint.servers.len() >= SERVERS => {
                report.left(at, "target", format!("an endpoint has at most {SERVERS} servers"));
            }
            weight => {
                let weight = u32::try_from(weight.min(1_000)).unwrap_or(1_000);
                let url = format!("{scheme}://{address}{path}");
                endpoint.servers.push(Server { url, weight, ..Server::default() });
                report.taken(at, format!("server with weight {weight}"));
            }
        }
    }
    match text(upstream, "algorithm") {
        "least-connections" => endpoint.set_balance(Balance::LeastRequests),
        "latency" => endpoint.set_balance(Balance::P2cEwma),
        "consistent-hashing" => hashed(upstream, endpoint, &place, report),
        _ => {}
    }
    let checks = upstream.get("healthchecks").unwrap_or(&Value::Null);
    let active = checks.get("active").unwrap_or(&Value::Null);
    let every = active.get("healthy").and_then(|it| number(it, "interval")).unwrap_or(0);
    if every > 0 {
        let seconds = i64::try_from(every.clamp(1, 600)).unwrap_or(600);
        endpoint.health_check = Some(HealthCheck {
            path: text(active, "http_path").to_owned(),
            interval: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..HealthCheck::default()
        });
        report.taken(format!("{place}.healthchecks.active"), "health check");
    }
    if has(checks, "passive") {
        let how = "servers that fail are taken out as spec.endpoints.….ejection says";
        report.changed(format!("{place}.healthchecks.passive"), "health check", how);
    }
}

fn hashed(upstream: &Value, endpoint: &mut Endpoint, place: &str, report: &mut Report) {
    let by = match text(upstream, "hash_on") {
        "header" => Some(By::Header(text(upstream, "hash_on_header").to_owned())),
        "cookie" => Some(By::Cookie(text(upstream, "hash_on_cookie").to_owned())),
        "ip" => Some(By::ClientAddress(true)),
        "path" => Some(By::Path(true)),
        _ => None,
    };
    let Some(by) = by else {
        let why = "servers are hashed by a header, a cookie, an address or the path";
        report.left(format!("{place}.hash_on"), text(upstream, "hash_on"), why);
        return;
    };
    endpoint.set_balance(Balance::RingHash);
    endpoint.hash_on = Some(HashOn { by: Some(by) });
    report.taken(format!("{place}.hash_on"), text(upstream, "hash_on"));
}
