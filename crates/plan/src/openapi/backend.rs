//! Which backends does the document name itself?

use super::dialect::Dialect;
use crate::document::Tree;

/// The first absolute URL of the document, where it has one.
pub(super) fn named(document: &Tree, dialect: Dialect) -> Option<String> {
    if dialect != Dialect::Swagger2 {
        let servers = document.get("servers")?.as_list()?;
        return servers.iter().filter_map(with_defaults).find(|url| is_absolute(url));
    }
    let host = document.get("host")?.as_text()?;
    let base = document.get("basePath").and_then(Tree::as_text).unwrap_or_default();
    let schemes = document.get("schemes").and_then(Tree::as_list).unwrap_or_default();
    let offers = |wanted: &str| schemes.iter().any(|it| it.as_text() == Some(wanted));
    let scheme = if offers("http") && !offers("https") { "http" } else { "https" };
    Some(format!("{scheme}://{host}{base}"))
}

/// URLs of the extensions of the WSO2 microgateway, which say them for both key types.
pub(super) fn extension(document: &Tree, name: &str) -> Vec<String> {
    let urls = document.get(name).and_then(|it| it.get("urls")).and_then(Tree::as_list);
    urls.into_iter().flatten().filter_map(Tree::as_text).map(str::to_owned).collect()
}

fn is_absolute(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// A server's URL with its variables set to their defaults (OpenAPI 3.1 §4.8.6).
fn with_defaults(server: &Tree) -> Option<String> {
    let mut url = server.get("url")?.as_text()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Tree::as_map).unwrap_or_default() {
        let value = variable.get("default").and_then(Tree::as_text)?;
        url = url.replace(&format!("{{{name}}}"), value);
    }
    // What is still open cannot be called.
    (!url.contains(['{', '}'])).then_some(url)
}
