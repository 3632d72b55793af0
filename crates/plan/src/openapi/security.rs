//! What does an operation of the document ask of its caller?
//!
//! Security requirements (OpenAPI 3.1 §4.8.30): an empty list, or an empty requirement among
//! others, makes the operation open; scopes come from oauth2 and openIdConnect schemes.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_proto::config::v1::operation::Auth;

use super::dialect::Dialect;
use super::reference::{Followed, follow};
use crate::compile::is_scope;
use crate::document::Tree;

/// The security schemes of a document, and what could not be taken over.
pub(super) struct Schemes<'d> {
    kinds: BTreeMap<&'d str, &'d str>,
    default: Option<&'d Tree>,
    /// Schemes that are named and not defined.
    pub(super) undefined: BTreeSet<&'d str>,
    /// Schemes of other kinds that operations ask for.
    pub(super) others: BTreeSet<&'d str>,
    /// How many operations ask for several scopes at once.
    pub(super) several: usize,
}

impl<'d> Schemes<'d> {
    pub(super) fn of(document: &'d Tree, dialect: Dialect) -> Self {
        let section = match dialect {
            Dialect::Swagger2 => document.get("securityDefinitions"),
            _ => document.get("components").and_then(|it| it.get("securitySchemes")),
        };
        let kind = |(name, scheme): &'d (String, Tree)| match follow(document, scheme) {
            Followed::Here(scheme) => Some((name.as_str(), scheme.get("type")?.as_text()?)),
            _ => None,
        };
        Self {
            kinds: section.and_then(Tree::as_map).into_iter().flatten().filter_map(kind).collect(),
            default: document.get("security"),
            undefined: BTreeSet::new(),
            others: BTreeSet::new(),
            several: 0,
        }
    }

    /// What one operation asks for.
    pub(super) fn of_operation(&mut self, operation: &'d Tree) -> (Auth, Vec<String>) {
        let stated = operation.get("security").or(self.default).and_then(Tree::as_list);
        let Some(requirements) = stated else { return (Auth::Any, Vec::new()) };
        if requirements.iter().any(|one| one.as_map().is_some_and(<[_]>::is_empty))
            || requirements.is_empty()
        {
            return (Auth::None, Vec::new());
        }
        let mut scopes = BTreeSet::new();
        let mut several = false;
        for (name, list) in requirements.iter().filter_map(Tree::as_map).flatten() {
            match self.kinds.get(name.as_str()) {
                Some(&("oauth2" | "openIdConnect")) => {
                    let asked: Vec<&str> =
                        list.as_list().into_iter().flatten().filter_map(Tree::as_text).collect();
                    several |= asked.len() > 1;
                    scopes.extend(asked.into_iter().filter(|scope| is_scope(scope)));
                }
                Some(_) => {
                    self.others.insert(name);
                }
                None => {
                    self.undefined.insert(name);
                }
            }
        }
        self.several += usize::from(several);
        (Auth::Any, scopes.into_iter().map(str::to_owned).collect())
    }
}
