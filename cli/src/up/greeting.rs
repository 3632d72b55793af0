//! What does somebody need to know once everything runs?

use std::path::Path;

use serde_json::json;

use super::layout::Layout;
use super::sample::{self, FirstCall};
use crate::output::Report;

/// The addresses, where the logs are, and a call to copy; `data` as the user wrote it.
pub(super) fn report(layout: &Layout, data: &Path, first: Option<&FirstCall>) -> Report {
    let addresses = layout.addresses();
    let token_file = data.join("control-plane").join("admin.token");
    let mut value = json!({
        "addresses": addresses,
        "data": layout.data().display().to_string(),
        "logs": layout.logs().display().to_string(),
    });
    if let (Some(first), Some(fields)) = (first, value.as_object_mut()) {
        let call = json!({ "url": first.url, "token": first.token.expose() });
        fields.insert("firstCall".to_owned(), call);
    }
    let report = Report::new(value)
        .text("")
        .text("Turnpike is running.")
        .text(format!("  traffic    {}  {}", addresses.http, addresses.https))
        .text(format!("  tokens     {}/oauth2/token", addresses.https))
        .text(format!(
            "  REST       {}/api/v1  (token in {})",
            addresses.rest,
            token_file.display()
        ))
        .text(format!("  logs       {}", data.join("logs").join("*.log").display()))
        .text("");
    let command = command(data);
    let report = match first {
        Some(first) => with_call(report, first, &command),
        None => report.text(format!("Try:  {command} gateways")),
    };
    report.text("").text("Ctrl-C stops everything.")
}

fn with_call(report: Report, first: &FirstCall, command: &str) -> Report {
    let (token, url) = (first.token.expose(), &first.url);
    let life = first.life.map(chassis::config::duration::show);
    let life = life.map_or_else(String::new, |life| format!("The token is good for {life}. "));
    report
        .text("A first call:")
        .text("")
        .text(format!("  curl -H 'Authorization: Bearer {token}' {url}"))
        .text("")
        .text(format!("{life}A new token, and what was called:"))
        .text("")
        .text(format!("  {command} token --app {}", sample::APPLICATION))
        .text(format!("  {command} analytics usage"))
}

/// How this program was called, so that a printed line can be copied.
fn command(data: &Path) -> String {
    let own = std::env::args().next().unwrap_or_else(|| "turnpike".to_owned());
    if data == Path::new("./data") { own } else { format!("{own} --data {}", data.display()) }
}
