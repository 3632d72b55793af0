//! Which XML is read at all?
//!
//! No document type, no processing instruction, no comment (a comment splits a name in two for some
//! readers), no CDATA, one assertion, and no identifier twice.

use std::collections::BTreeSet;

use uppsala::{Element, NodeId, NodeKind, Parser};

/// Namespace of assertions.
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Namespace of signatures.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// The deepest nesting.
const DEEPEST: u32 = 32;
/// The most nodes.
const MOST_NODES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamlError {
    #[error("it is no XML that is read here")]
    Xml,
    #[error("it is not one assertion and nothing else")]
    Shape,
    #[error("an identifier comes twice, or is missing")]
    Identifier,
    #[error("its signature has another form than the one that is taken")]
    SignatureForm,
    #[error("its signature is made in a way that is not taken")]
    Algorithm,
    #[error("its signature is not that of the issuer")]
    Signature,
    #[error("{0} is missing, or has another form")]
    Missing(&'static str),
    #[error("it is for somebody else")]
    Audience,
    #[error("it is not confirmed for whoever brings it to this address")]
    Confirmation,
    #[error("it is over, or has not begun")]
    Time,
    #[error("it sets a condition that is not understood")]
    Condition,
}

/// A document that is one assertion.
#[derive(Debug)]
pub struct Document<'x> {
    pub(super) tree: uppsala::Document<'x>,
    pub(super) assertion: NodeId,
    /// The `ID` of the assertion.
    pub(super) id: String,
}

impl<'x> Document<'x> {
    pub fn parse(text: &'x str) -> Result<Self, SamlError> {
        let parser = Parser::new().with_max_depth(DEEPEST).with_forbid_dtd(true);
        let tree = parser.parse(text).map_err(|_| SamlError::Xml)?;
        let assertion = tree.document_element().ok_or(SamlError::Xml)?;
        let all = tree.descendants(tree.root());
        if all.len() > MOST_NODES {
            return Err(SamlError::Xml);
        }
        let (mut identifiers, mut assertions, mut signatures) = (BTreeSet::new(), 0_usize, 0_usize);
        for node in all {
            match tree.node_kind(node).ok_or(SamlError::Xml)? {
                NodeKind::Element(element) => {
                    assertions += usize::from(element.matches_name_ns(SAML, "Assertion"));
                    signatures += usize::from(element.matches_name_ns(DSIG, "Signature"));
                    for attribute in &element.attributes {
                        let name = attribute.name.local_name.as_ref();
                        let names = matches!(name, "ID" | "Id" | "id" | "iD");
                        if names && !identifiers.insert(attribute.value.as_ref().to_owned()) {
                            return Err(SamlError::Identifier);
                        }
                    }
                }
                NodeKind::Text(_) | NodeKind::Document => {}
                _ => return Err(SamlError::Xml),
            }
        }
        let root = tree.element(assertion).ok_or(SamlError::Xml)?;
        if assertions != 1 || signatures != 1 || !root.matches_name_ns(SAML, "Assertion") {
            return Err(SamlError::Shape);
        }
        let id = attribute(root, "ID").ok_or(SamlError::Identifier)?.to_owned();
        Ok(Self { tree, assertion, id })
    }

    /// The child elements of a node. Text between them is blank.
    pub(super) fn elements(&self, node: NodeId) -> Result<Vec<NodeId>, SamlError> {
        let mut elements = Vec::new();
        for child in self.tree.children(node) {
            match self.tree.node_kind(child) {
                Some(NodeKind::Element(_)) => elements.push(child),
                Some(NodeKind::Text(text)) if text.trim().is_empty() => {}
                _ => return Err(SamlError::Xml),
            }
        }
        Ok(elements)
    }

    pub(super) fn element(&self, node: NodeId) -> Result<&Element<'x>, SamlError> {
        self.tree.element(node).ok_or(SamlError::Xml)
    }

    pub(super) fn is(&self, node: NodeId, namespace: &str, name: &str) -> bool {
        self.tree.element(node).is_some_and(|one| one.matches_name_ns(namespace, name))
    }

    /// The children of a node with this name.
    pub(super) fn named(
        &self,
        node: NodeId,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<NodeId>, SamlError> {
        let mut all = self.elements(node)?;
        all.retain(|child| self.is(*child, namespace, name));
        Ok(all)
    }

    /// The text of an element that holds nothing else, without blanks around it.
    pub(super) fn text(&self, node: NodeId) -> Result<String, SamlError> {
        let mut text = String::new();
        for child in self.tree.children(node) {
            match self.tree.node_kind(child) {
                Some(NodeKind::Text(part)) => text.push_str(part),
                _ => return Err(SamlError::Xml),
            }
        }
        Ok(text.trim().to_owned())
    }
}

/// An attribute without a namespace.
pub(super) fn attribute<'e>(element: &'e Element<'_>, name: &str) -> Option<&'e str> {
    let mut all = element.attributes.iter();
    let found = all.find(|one| one.name.namespace_uri.is_none() && one.name.local_name == name);
    found.map(|one| one.value.as_ref())
}
