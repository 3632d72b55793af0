//! Which version of OpenAPI is a document written in?

use crate::document::Tree;
use crate::problem::{At, Problems};

/// What is known of the document's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Swagger2,
    OpenApi30,
    OpenApi31,
}

impl Dialect {
    /// The dialect and its version as it was written, or a problem.
    pub(super) fn of(document: &Tree, problems: &mut Problems) -> Option<(Self, String)> {
        let root = At::ROOT;
        let suggestion = "Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1 are read";
        if document.as_map().is_none() {
            let reason =
                format!("an OpenAPI document is an object, found {}", document.described());
            problems.add(&root, reason, suggestion);
            return None;
        }
        let (field, value) = match (document.get("openapi"), document.get("swagger")) {
            (Some(version), _) => ("openapi", version),
            (None, Some(version)) => ("swagger", version),
            (None, None) => {
                problems.add(&root, "it says neither `openapi` nor `swagger`", suggestion);
                return None;
            }
        };
        // `swagger: 2.0` without quotes is a number in YAML, and common.
        let version = match value {
            Tree::Text(text) => text.trim().to_owned(),
            Tree::Number(number) => number.to_string(),
            other => other.described(),
        };
        let is = |short: &str| {
            version.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let dialect = match field {
            "swagger" if is("2.0") || version == "2" => Self::Swagger2,
            "openapi" if is("3.0") => Self::OpenApi30,
            "openapi" if is("3.1") => Self::OpenApi31,
            _ => {
                let reason = format!("`{}` is not read", crate::problem::shown(&version));
                problems.add(&root.name(field), reason, suggestion);
                return None;
            }
        };
        Some((dialect, version))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Swagger2 => "Swagger",
            Self::OpenApi30 | Self::OpenApi31 => "OpenAPI",
        }
    }
}
