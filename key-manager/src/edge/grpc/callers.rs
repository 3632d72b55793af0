//! Who may call what?
//!
//! One row for each method; what has none is nobody's, so that a method that is added later is refused
//! until somebody says whose it is. Callers are known by the names in their certificates.

use chassis::rpc::Allow;

/// A method, and the services that may call it.
type Row = (&'static str, &'static [&'static str]);

const GATEWAY: &[&str] = &["gateway"];
/// Administrators, and the control plane for those whom it has let in.
const ADMIN: &[&str] = &["admin", "control-plane"];

const SERVICES: &[(&str, &[Row])] = &[
    ("TokenEndpoint", &[("Forward", GATEWAY)]),
    ("Introspection", &[("Introspect", GATEWAY)]),
    ("Credentials", &[("Authenticate", GATEWAY)]),
    (
        "Keys",
        &[
            ("Watch", GATEWAY),
            ("WatchProviders", GATEWAY),
            ("Missing", GATEWAY),
            ("EnrolGatewayKeys", GATEWAY),
            ("WatchGatewayKeys", GATEWAY),
            ("List", ADMIN),
            ("Rotate", ADMIN),
            ("Revoke", ADMIN),
        ],
    ),
    ("Revocations", &[("Watch", GATEWAY), ("Revoke", ADMIN)]),
    // Whether the APIs are there, and who asks, the control plane has looked at.
    ("TestKeys", &[("Issue", &["control-plane"])]),
    (
        "Clients",
        &[
            ("Register", ADMIN),
            ("Remove", ADMIN),
            ("Find", ADMIN),
            ("AddSecret", ADMIN),
            ("ListSecrets", ADMIN),
            ("RemoveSecret", ADMIN),
        ],
    ),
    (
        "Users",
        &[
            ("Create", ADMIN),
            ("ListPending", ADMIN),
            ("Approve", ADMIN),
            ("SetPassword", ADMIN),
            ("SetClaims", ADMIN),
            ("Link", ADMIN),
            ("Unlink", ADMIN),
            ("Disable", ADMIN),
            ("Delete", ADMIN),
        ],
    ),
    ("Providers", &[("List", ADMIN)]),
    ("Audit", &[("List", ADMIN), ("Verify", ADMIN)]),
];

/// Who may call the methods of a service. One without a row is open to nobody.
pub(super) fn allowed(service: &str) -> Allow {
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
        for service in all.filter(|service| service.package_name() == "turnpike.identity.v1") {
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

    /// Grant handlers and connectors are programs of the operator, whom the key manager calls.
    #[test]
    fn each_method_is_open_to_those_who_need_it() {
        insta::assert_snapshot!(table(), @"
        Audit/List: admin control-plane
        Audit/Verify: admin control-plane
        Clients/AddSecret: admin control-plane
        Clients/Find: admin control-plane
        Clients/ListSecrets: admin control-plane
        Clients/Register: admin control-plane
        Clients/Remove: admin control-plane
        Clients/RemoveSecret: admin control-plane
        Credentials/Authenticate: gateway
        GrantHandler/Describe: nobody
        GrantHandler/Validate: nobody
        Introspection/Introspect: gateway
        Keys/EnrolGatewayKeys: gateway
        Keys/List: admin control-plane
        Keys/Missing: gateway
        Keys/Revoke: admin control-plane
        Keys/Rotate: admin control-plane
        Keys/Watch: gateway
        Keys/WatchGatewayKeys: gateway
        Keys/WatchProviders: gateway
        ProviderConnector/CreateApplication: nobody
        ProviderConnector/DeleteApplication: nobody
        ProviderConnector/GetConfiguration: nobody
        ProviderConnector/Introspect: nobody
        ProviderConnector/RetrieveApplication: nobody
        Providers/List: admin control-plane
        Revocations/Revoke: admin control-plane
        Revocations/Watch: gateway
        TestKeys/Issue: control-plane
        TokenEndpoint/Forward: gateway
        Users/Approve: admin control-plane
        Users/Create: admin control-plane
        Users/Delete: admin control-plane
        Users/Disable: admin control-plane
        Users/Link: admin control-plane
        Users/ListPending: admin control-plane
        Users/SetClaims: admin control-plane
        Users/SetPassword: admin control-plane
        Users/Unlink: admin control-plane
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

    #[test]
    fn every_row_is_of_a_method_that_exists() {
        for (service, rows) in SERVICES {
            for (method, _) in *rows {
                let line = format!("{service}/{method}: ");
                assert!(table().contains(&line), "{service}/{method}");
            }
        }
    }
}
