//! In which format is a text written?

use crate::reading::{has, text};
use crate::sources::Sources;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Swagger 2.0, `OpenAPI` 3.0 and 3.1, with the extensions of WSO2.
    Openapi,
    /// `GraphQL` schema definition language.
    Graphql,
    /// WSDL 1.1 and 2.0.
    Wsdl,
    /// `AsyncAPI` 2 and 3.
    Asyncapi,
    /// Protocol buffers: the services of a `.proto` file.
    Proto,
    /// The project folder of WSO2's apictl, of an API or of an API product.
    Apictl,
    /// The declarative configuration of Kong, as decK writes it.
    Kong,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Openapi,
        Self::Graphql,
        Self::Wsdl,
        Self::Asyncapi,
        Self::Proto,
        Self::Apictl,
        Self::Kong,
    ];

    /// As it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openapi => "openapi",
            Self::Graphql => "graphql",
            Self::Wsdl => "wsdl",
            Self::Asyncapi => "asyncapi",
            Self::Proto => "proto",
            Self::Apictl => "apictl",
            Self::Kong => "kong",
        }
    }
}

/// The format of these sources, by what they say and then by their names; `None`: it cannot be told.
pub fn detect(sources: &Sources) -> Option<Format> {
    if sources.is_folder {
        let known = ["api.yaml", "api.json", "api_product.yaml", "api_product.json"];
        return sources.first(&known).map(|_| Format::Apictl);
    }
    let written = sources.single().trim_start_matches('\u{feff}').trim_start();
    if written.starts_with('<') {
        return Some(Format::Wsdl);
    }
    let ending = sources.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("proto") => return Some(Format::Proto),
        Some("graphql" | "graphqls" | "gql" | "sdl") => return Some(Format::Graphql),
        Some("wsdl") => return Some(Format::Wsdl),
        _ => {}
    }
    by_members(written, &sources.name)
}

fn by_members(written: &str, name: &str) -> Option<Format> {
    let document = plan::read_values(written, name).ok()?.into_iter().next()?;
    if has(&document, "openapi") || has(&document, "swagger") {
        Some(Format::Openapi)
    } else if has(&document, "asyncapi") {
        Some(Format::Asyncapi)
    } else if has(&document, "_format_version") {
        Some(Format::Kong)
    } else if matches!(text(&document, "type"), "api" | "api_product") && has(&document, "data") {
        Some(Format::Apictl)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: Option<Format>) {
        assert_eq!(detect(&Sources::file(name, text)), expected, "{name}: {text}");
    }

    #[test]
    fn what_a_text_says_comes_before_its_name() {
        check("a.yaml", "openapi: 3.1.0", Some(Format::Openapi));
        check("a.json", r#"{"swagger": "2.0"}"#, Some(Format::Openapi));
        check("a.yaml", "asyncapi: 3.0.0", Some(Format::Asyncapi));
        check("a.yaml", "_format_version: '3.0'", Some(Format::Kong));
        check("a.txt", "<definitions/>", Some(Format::Wsdl));
        check("api.yaml", "type: api\ndata: {}", Some(Format::Apictl));
    }

    #[test]
    fn what_only_its_name_tells_is_told_by_its_name() {
        check("a.proto", "syntax = \"proto3\";", Some(Format::Proto));
        check("a.graphql", "type Query { a: Int }", Some(Format::Graphql));
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        check("a.yaml", "a: 1", None);
        check("a", "type Query { a: Int }", None);
        check("a", "", None);
        assert_eq!(detect(&Sources::folder("f", std::collections::BTreeMap::new())), None);
    }
}
