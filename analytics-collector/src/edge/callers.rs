//! Who may call what?
//!
//! One row for each method; what has none is nobody's, so that a method that is added later is refused
//! until somebody says whose it is. Callers are known by the names in their certificates.

use chassis::rpc::Allow;

/// A method, and the services that may call it.
type Row = (&'static str, &'static [&'static str]);

/// Administrators, and the control plane for those whom it has let in.
const READERS: &[&str] = &["admin", "control-plane"];

const SERVICES: &[(&str, &[Row])] = &[
    ("Collector", &[("Collect", &["gateway", "key-manager"])]),
    ("Signals", &[("Report", &["key-manager"])]),
    (
        "Analytics",
        &[
            ("Usage", READERS),
            ("Latency", READERS),
            ("Errors", READERS),
            ("Geography", READERS),
            ("LastUsed", READERS),
            ("Query", READERS),
            ("Compare", READERS),
            ("Devices", READERS),
            ("Backends", READERS),
            ("Cache", READERS),
            ("Throttled", READERS),
            ("Logs", READERS),
            ("Tail", READERS),
        ],
    ),
    ("Reports", &[("Monthly", READERS)]),
    ("Alerts", &[("List", READERS), ("Types", READERS), ("Watch", READERS), ("Replay", READERS)]),
];

/// Who may call the methods of a service. One without a row is open to nobody.
pub fn allowed(service: &str) -> Allow {
    let found = SERVICES.iter().find(|(name, _)| *name == service);
    found.map_or_else(|| Allow::only(&[]), |(_, rows)| Allow::methods(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: [&str; 5] =
        ["admin", "analytics-collector", "control-plane", "gateway", "key-manager"];

    /// Every method that exists, and who may call it.
    fn table() -> String {
        let mut lines = Vec::new();
        let all = turnpike_proto::POOL.services();
        for service in all.filter(|service| service.package_name() == "turnpike.usage.v1") {
            let allow = allowed(service.name());
            for method in service.methods() {
                let may = PEERS.into_iter().filter(|peer| allow.permits(peer, method.name()));
                let may = may.collect::<Vec<_>>().join(" ");
                let may = if may.is_empty() { "nobody" } else { &may };
                lines.push(format!("{}/{}: {may}", service.name(), method.name()));
            }
        }
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn each_method_is_open_to_those_who_need_it() {
        insta::assert_snapshot!(table(), @"
        Alerts/List: admin control-plane
        Alerts/Replay: admin control-plane
        Alerts/Types: admin control-plane
        Alerts/Watch: admin control-plane
        Analytics/Backends: admin control-plane
        Analytics/Cache: admin control-plane
        Analytics/Compare: admin control-plane
        Analytics/Devices: admin control-plane
        Analytics/Errors: admin control-plane
        Analytics/Geography: admin control-plane
        Analytics/LastUsed: admin control-plane
        Analytics/Latency: admin control-plane
        Analytics/Logs: admin control-plane
        Analytics/Query: admin control-plane
        Analytics/Tail: admin control-plane
        Analytics/Throttled: admin control-plane
        Analytics/Usage: admin control-plane
        Collector/Collect: gateway key-manager
        Reports/Monthly: admin control-plane
        Signals/Report: key-manager
        ");
    }

    #[test]
    fn what_has_no_row_is_nobodys() {
        for service in SERVICES.iter().map(|(name, _)| *name).chain(["Unheard"]) {
            for peer in PEERS.into_iter().chain(["", "gateway-2", "Gateway"]) {
                assert!(!allowed(service).permits(peer, "Unheard"), "{peer} {service}");
            }
        }
    }
}
