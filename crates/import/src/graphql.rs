//! What does a `GraphQL` schema offer?
//!
//! `GraphQL` over HTTP works through an API of type HTTP: queries and mutations come as POST, and
//! queries also as GET. Fields have no operations of their own then, which the report says of each.

use std::collections::BTreeMap;

use apollo_parser::Parser;
use apollo_parser::cst::{CstNode as _, Definition, FieldsDefinition};
use plan::Problem;

use crate::draft::{Options, Stated, any, api, operation};
use crate::import::Imported;
use crate::reading::problem;
use crate::report::Report;

/// How deeply a schema may nest, and how many words it may have.
const DEPTH: usize = 100;
const TOKENS: usize = 1_000_000;

/// What is said of the backends' servers of subscriptions.
const NO_SUBSCRIPTIONS: &str =
    "subscriptions come over WebSocket, which an API of type HTTP does not pass on";

pub(crate) fn read(text: &str, file: &str, options: &Options) -> Result<Imported, Vec<Problem>> {
    let tree = Parser::new(text).recursion_limit(DEPTH).token_limit(TOKENS).parse();
    if let Some(error) = tree.errors().next() {
        let line = text.get(..error.index()).unwrap_or_default().lines().count().max(1);
        let reason = format!("line {line}: {}", error.message());
        return Err(problem(file, "", reason, "GraphQL schema definition language is read"));
    }
    let schema = Schema::of(tree.document().definitions());
    if schema.fields.is_empty() {
        let suggestion = "a schema to serve has a type Query or a `schema` that names another";
        return Err(problem(file, "", "it declares no operations", suggestion));
    }
    let mut report = Report::of("GraphQL SDL", "");
    for (root, fields) in &schema.fields {
        for field in fields {
            let place = format!("{root}.{field}");
            if root == &schema.subscription {
                report.left(place, "subscription", NO_SUBSCRIPTIONS);
            } else {
                let how = "served by POST /* and GET /* together with all others; scopes and limits \
                           count for the whole API";
                report.changed(place, "field", how);
            }
        }
    }
    report.left("", "the document", "definitions that are kept with an Api are OpenAPI");
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.split('.').next().unwrap_or(stem);
    let stated = Stated {
        file: file.to_owned(),
        name: stem.to_owned(),
        operations: vec![operation("POST", "/*", ""), operation("GET", "/*", "")],
        ..Stated::default()
    };
    Ok(Imported { resources: vec![any(api(stated, options)?)], report })
}

/// The fields of the root types.
struct Schema {
    /// By the name of the type.
    fields: BTreeMap<String, Vec<String>>,
    /// The root type of subscriptions.
    subscription: String,
}

impl Schema {
    fn of(definitions: impl Iterator<Item = Definition> + Clone) -> Self {
        let mut roots = BTreeMap::from([
            ("query".to_owned(), "Query".to_owned()),
            ("mutation".to_owned(), "Mutation".to_owned()),
            ("subscription".to_owned(), "Subscription".to_owned()),
        ]);
        for definition in definitions.clone() {
            let named = match definition {
                Definition::SchemaDefinition(it) => it.root_operation_type_definitions(),
                Definition::SchemaExtension(it) => it.root_operation_type_definitions(),
                _ => continue,
            };
            for one in named {
                let operation = one.operation_type().map(|it| it.syntax().to_string());
                let name =
                    one.named_type().and_then(|it| it.name()).map(|it| it.text().to_string());
                if let (Some(operation), Some(name)) = (operation, name) {
                    roots.insert(operation.trim().to_owned(), name);
                }
            }
        }
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for definition in definitions {
            let (name, found) = match definition {
                Definition::ObjectTypeDefinition(it) => (it.name(), it.fields_definition()),
                Definition::ObjectTypeExtension(it) => (it.name(), it.fields_definition()),
                _ => continue,
            };
            let name = name.map(|name| name.text().to_string()).unwrap_or_default();
            if roots.values().any(|root| *root == name) {
                fields.entry(name).or_default().extend(names(found));
            }
        }
        let subscription = roots.remove("subscription").unwrap_or_default();
        Self { fields, subscription }
    }
}

fn names(fields: Option<FieldsDefinition>) -> Vec<String> {
    let fields = fields.into_iter().flat_map(|it| it.field_definitions());
    fields.filter_map(|field| Some(field.name()?.text().to_string())).collect()
}
