//! Which operations does the document declare?

use std::collections::BTreeSet;
use std::fmt::Write as _;

use turnpike_proto::config::v1::Operation;

use super::reference::{Census, Followed, follow};
use super::security::Schemes;
use crate::document::Tree;
use crate::problem::{At, Problems, shown};
use crate::router::{Constraints, Template};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The operations of a document, and what was left.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) operations: Vec<Operation>,
    /// How many others were left out, because an earlier one has their method and path.
    pub(super) repeated: usize,
    /// How many paths lost their query or had characters percent-encoded.
    pub(super) rewritten: usize,
    /// How many operations are described in other files: known by method and path alone.
    pub(super) elsewhere: usize,
    /// How many references out of the document the others have.
    pub(super) outside: usize,
}

/// Reads `paths`. What cannot be served is a problem; what is only incomplete is counted.
pub(super) fn read<'d>(
    document: &'d Tree,
    schemes: &mut Schemes<'d>,
    problems: &mut Problems,
) -> Declared {
    let mut reading = Reading {
        document,
        declared: Declared::default(),
        places: BTreeSet::new(),
        constraints: Constraints::default(),
        census: Census::default(),
    };
    let paths = document.get("paths").and_then(Tree::as_map).unwrap_or_default();
    let root = At::ROOT;
    let at = root.name("paths");
    for (path, item) in paths {
        if path.starts_with("x-") {
            continue;
        }
        reading.path_item(path, item, schemes, &at.name(path), problems);
    }
    for (place, reference) in &reading.census.dangling {
        let reason = format!("the reference `{}` leads nowhere", shown(reference));
        problems.add_at(place.trim_start_matches('.'), reason, "repair it, or remove it");
    }
    reading.declared.outside = reading.census.outside;
    reading.declared
}

struct Reading<'d> {
    document: &'d Tree,
    declared: Declared,
    /// Method and spelling of every operation so far.
    places: BTreeSet<(String, &'static str)>,
    constraints: Constraints,
    census: Census<'d>,
}

impl<'d> Reading<'d> {
    fn path_item(
        &mut self,
        path: &str,
        item: &'d Tree,
        schemes: &mut Schemes<'d>,
        at: &At<'_>,
        problems: &mut Problems,
    ) {
        let item = match follow(self.document, item) {
            Followed::Here(item) => item,
            Followed::Outside(reference) => {
                let reason = format!(
                    "the path is described in another file (`{}`), and none is read",
                    shown(reference)
                );
                problems.add(at, reason, "bundle the document into one file");
                return;
            }
            Followed::Nowhere(reference) => {
                let reason = format!("the reference `{}` leads nowhere", shown(reference));
                problems.add(at, reason, "repair it, or remove the path");
                return;
            }
        };
        let served = served_path(path);
        self.declared.rewritten += usize::from(served != path);
        let spelling = match Template::parse(&served, &mut self.constraints) {
            Ok(template) => template.spelling,
            Err((reason, suggestion)) => {
                problems.add(at, reason, suggestion);
                return;
            }
        };
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if !self.places.insert((spelling.clone(), method)) {
                self.declared.repeated += 1;
                continue;
            }
            self.operation(&served, method, operation, schemes, at);
        }
    }

    fn operation(
        &mut self,
        path: &str,
        method: &str,
        operation: &'d Tree,
        schemes: &mut Schemes<'d>,
        at: &At<'_>,
    ) {
        let described = match follow(self.document, operation) {
            Followed::Here(described) => described,
            // Method and path are known, and that is what is served.
            Followed::Outside(_) => {
                self.declared.elsewhere += 1;
                operation
            }
            Followed::Nowhere(_) => operation,
        };
        if !matches!(follow(self.document, operation), Followed::Outside(_)) {
            self.census.take(self.document, operation, &format!("{at}.{method}"));
        }
        let (auth, scopes) = schemes.of_operation(described);
        let id = described.get("operationId").and_then(Tree::as_text).unwrap_or_default();
        self.declared.operations.push(Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            auth: auth.into(),
            scopes,
            id: id.chars().take(128).collect(),
            ..Operation::default()
        });
    }
}

/// The path as it is matched: without the query that some writers append to tell operations
/// apart, and with what cannot stand in a path percent-encoded. A constraint is no part of
/// OpenAPI, so a `:` in a parameter's name goes.
pub fn served_path(path: &str) -> String {
    let (mut served, mut name) = (String::with_capacity(path.len()), false);
    for c in path.chars() {
        match c {
            '{' => name = true,
            '}' => name = false,
            '?' | '#' if !name => break,
            _ => {}
        }
        let plain = c.is_ascii_graphic() && !"\"<>\\^`|?#".contains(c);
        if name && c == ':' {
            served.push('_');
        } else if plain {
            served.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                // Writing to a String does not fail.
                let _ = write!(served, "%{byte:02X}");
            }
        }
    }
    served
}
