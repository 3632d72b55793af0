//! Which parts of a Kong configuration belong together?

use serde_json::Value;

use crate::reading::{list, text};

/// A service and its routes.
#[derive(Clone, Debug)]
pub(super) struct Service<'d> {
    pub(super) stated: &'d Value,
    pub(super) routes: Vec<&'d Value>,
}

/// The services of a document, each with the routes inside and those that name it.
pub(super) fn services(document: &Value) -> Vec<Service<'_>> {
    let of = |stated| {
        let outside = list(document, "routes").iter();
        let outside = outside.filter(|route| refers(route, "service", stated));
        Service { stated, routes: list(stated, "routes").iter().chain(outside).collect() }
    };
    list(document, "services").iter().map(of).collect()
}

/// Routes that name no service of the document.
pub(super) fn lost_routes(document: &Value) -> impl Iterator<Item = &Value> {
    let known = |route: &&Value| {
        list(document, "services").iter().any(|service| refers(route, "service", service))
    };
    list(document, "routes").iter().filter(move |route| !known(route))
}

/// A plugin that is in force somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plugin<'d> {
    pub(super) stated: &'d Value,
    /// `route`, `service` or `global`.
    pub(super) level: &'static str,
}

/// The plugins of a route, one of each name: those of the route come before those of its service, and
/// those before the ones for everything.
pub(super) fn plugins<'d>(
    document: &'d Value,
    service: &'d Value,
    route: &'d Value,
) -> Vec<Plugin<'d>> {
    let top = || list(document, "plugins").iter().filter(|one| !names(one, "consumer"));
    let at = |level| move |stated| Plugin { stated, level };
    let of_route =
        list(route, "plugins").iter().chain(top().filter(|it| refers(it, "route", route)));
    let of_service =
        list(service, "plugins").iter().chain(top().filter(|it| refers(it, "service", service)));
    let global = top().filter(|it| !names(it, "route") && !names(it, "service"));
    let all = of_route
        .map(at("route"))
        .chain(of_service.map(at("service")))
        .chain(global.map(at("global")));
    let mut found: Vec<Plugin<'d>> = Vec::new();
    for plugin in all {
        let name = text(plugin.stated, "name");
        if !found.iter().any(|known| text(known.stated, "name") == name) {
            found.push(plugin);
        }
    }
    found
}

/// The parts of a list that are about this consumer, inside it or beside it.
pub(super) fn of_consumer<'d>(
    document: &'d Value,
    consumer: &'d Value,
    section: &'d str,
) -> impl Iterator<Item = &'d Value> {
    let outside = list(document, section).iter();
    let outside = outside.filter(move |one| refers(one, "consumer", consumer));
    list(consumer, section).iter().chain(outside)
}

fn names(one: &Value, what: &str) -> bool {
    one.get(what).is_some_and(|it| !it.is_null())
}

/// Whether `one` names `other`: `service: orders`, or `service: {name: orders}` or with its id.
fn refers(one: &Value, what: &str, other: &Value) -> bool {
    let Some(named) = one.get(what) else { return false };
    ["name", "id", "username"].iter().any(|by| {
        let known = text(other, by);
        !known.is_empty() && (text(named, by) == known || named.as_str() == Some(known))
    })
}
