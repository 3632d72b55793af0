//! What does a person read of what a client wants? (KM-105)
//!
//! What the operator says of a scope, with its name; the bare name where nothing is said.

use super::pages::escape;
use crate::domain::ScopeRegistry;

/// The items of a list, as HTML.
pub(super) fn items<'n>(known: &ScopeRegistry, names: impl IntoIterator<Item = &'n str>) -> String {
    let item = |name: &str| match known.description(name) {
        Some(text) => {
            format!("<li><span>{}</span> <small>{}</small></li>", escape(text), escape(name))
        }
        None => format!("<li>{}</li>", escape(name)),
    };
    names.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Roles, ScopeRule, Scopes};

    #[track_caller]
    fn check(name: &str, item: &str) {
        let told = |description: &str| ScopeRule {
            description: description.to_owned(),
            roles: Roles::default(),
            clients: true,
        };
        let rules = vec![("a".to_owned(), told("Read <your> orders")), ("b".to_owned(), told(""))];
        let known = ScopeRegistry::new(rules, Scopes::default()).expect("a registry");
        assert_eq!(items(&known, [name]), item);
    }

    #[test]
    fn a_scope_is_told_in_words_where_there_are_some() {
        check("a", "<li><span>Read &lt;your&gt; orders</span> <small>a</small></li>");
        check("b", "<li>b</li>");
        check("<c>", "<li>&lt;c&gt;</li>");
    }
}
