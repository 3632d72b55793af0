//! Does `docs/config.md` show every service's defaults as they are compiled in?

use std::fs;
use std::path::Path;

fn check(service: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/config.md")).unwrap_or_default();
    let defaults = fs::read_to_string(root.join(service).join("default.toml")).unwrap_or_default();
    assert!(
        page.contains(&format!("```toml\n{defaults}```\n")),
        "docs/config.md shows other defaults than {service}/default.toml: copy them there"
    );
}

#[test]
fn the_page_shows_the_defaults_of_the_gateway() {
    check("gateway");
}

#[test]
fn the_page_shows_the_defaults_of_the_key_manager() {
    check("key-manager");
}

#[test]
fn the_page_shows_the_defaults_of_the_control_plane() {
    check("control-plane");
}

#[test]
fn the_page_shows_the_defaults_of_the_collector() {
    check("analytics-collector");
}
