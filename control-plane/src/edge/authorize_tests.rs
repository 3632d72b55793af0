//! Is every operation in the table, and what does it say of each role?

use std::fmt::Write as _;

use super::*;

/// Who may, in words: `-` nobody who administers, `*` everybody.
fn in_words(who: Who) -> String {
    let roles = |roles: &[Role]| {
        let mark = |role: Role| if roles.contains(&role) { role.name() } else { "-" };
        format!(
            "{:<5} {:<9} {:<10} {:<7}",
            mark(Role::Admin),
            mark(Role::Publisher),
            mark(Role::Subscriber),
            mark(Role::Auditor)
        )
    };
    match who {
        Who::Admin => format!("{} of the operator", roles(&[Role::Admin])),
        Who::Operator(_, wanted) => format!("{} of the operator", roles(wanted)),
        Who::Tenant(_, wanted) => format!("{} of the tenant", roles(wanted)),
        Who::Kind(access, kind) => roles(may(kind, access)),
        Who::Change => {
            format!("{} by kind", roles(&[Role::Admin, Role::Publisher, Role::Subscriber]))
        }
        Who::Known => format!("{} whoever is known", roles(&Role::ALL)),
        Who::Person => format!("{} no token", roles(&Role::ALL)),
        Who::Gateway => "the certificate of a gateway".to_owned(),
        Who::KeyManager => "the certificate of a key manager".to_owned(),
        Who::Collector => "the certificate of an analytics collector".to_owned(),
        Who::Anyone => "anybody".to_owned(),
    }
}

#[test]
fn every_operation_and_who_may_do_it() {
    let mut table = String::new();
    let mut line = |name: String, who: Who| {
        writeln!(table, "{:<48} {}", name, in_words(who).trim_end()).unwrap();
    };
    for (service, methods, who) in SERVICES {
        for method in *methods {
            line(format!("{service}/{method}"), *who);
        }
    }
    for (method, path, operation) in super::super::rest::routes() {
        if path.contains("{kind}") {
            for kind in Kind::ALL {
                let path = path.replace("{kind}", kind.name());
                line(format!("{method} {path}"), of_operation(operation, Some(kind)));
            }
        } else {
            line(format!("{method} {path}"), of_operation(operation, None));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_table_names_the_methods_that_exist_and_no_other() {
    let ours = ["turnpike.admin.v1", "turnpike.config.v1"];
    // What services tell the collector is none of this control plane's business.
    let not_ours = ["turnpike.usage.v1.Collector", "turnpike.usage.v1.Signals"];
    let mut exist: Vec<String> = Vec::new();
    for service in turnpike_proto::POOL.services() {
        let of_collector = service.package_name() == "turnpike.usage.v1";
        if ours.contains(&service.package_name())
            || (of_collector && !not_ours.contains(&service.full_name()))
        {
            let path = |method: prost_reflect::MethodDescriptor| method.full_name().to_owned();
            exist.extend(service.methods().map(path));
        }
    }
    let mut named: Vec<String> = SERVICES
        .iter()
        .flat_map(|(service, methods, _)| methods.iter().map(move |m| format!("{service}.{m}")))
        .collect();
    exist.sort();
    named.sort();
    assert_eq!(named, exist);
}

#[test]
fn what_is_not_in_the_table_is_nobodys() {
    assert_eq!(of_service("turnpike.admin.v1.Backdoor"), None);
    assert_eq!(of_method("turnpike.admin.v1.Apis", "Backdoor"), None);
    assert_eq!(of_method("turnpike.admin.v1.Backdoor", "Get"), None);
}

#[test]
fn no_service_is_half_for_people_and_half_for_services() {
    for (service, ..) in SERVICES {
        let of_services = |who: Who| matches!(who, Who::Gateway | Who::KeyManager | Who::Collector);
        let first = of_service(service).unwrap();
        for (.., who) in SERVICES.iter().filter(|(name, ..)| name == service) {
            assert!(*who == first || !(of_services(*who) || of_services(first)), "{service}");
        }
    }
}

#[test]
fn the_page_shows_what_each_role_may_do_with_each_kind() {
    let mut table = String::from("| kind | read | write |\n|---|---|---|\n");
    for kind in Kind::ALL {
        let words = |access| {
            let roles = may(kind, access).iter().map(|role| role.name());
            roles.collect::<Vec<_>>().join(", ")
        };
        let (read, write) = (words(Access::Read), words(Access::Write));
        writeln!(table, "| {kind} | {read} | {write} |").unwrap();
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/people.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&table), "docs/people.md has to show:\n{table}");
}
