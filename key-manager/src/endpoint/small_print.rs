//! Where do people read what a client does with what it gets? (OpenID Connect Registration section 2)
//!
//! The addresses stand there as text: whoever registers a client writes them, and a link of ours would
//! lend them our name.

use std::fmt::Write as _;

use super::Reply;
use super::pages::{Content, escape};
use crate::domain::About;

/// What is told of a client, and what it is called.
const TOLD: [(&str, &str); 2] =
    [("policy_uri", "Its privacy policy:"), ("tos_uri", "Its terms of service:")];

/// Adds to a page what the client says about itself, if it says something.
pub(super) fn add(page: &mut Reply, about: &About) {
    let Some(content) = page.extensions_mut().get_mut::<Content>() else { return };
    for (field, called) in TOLD {
        if let Some(address) = about.get(field) {
            // Writing into a text cannot fail.
            let _ = write!(
                content.body,
                "<p class=\"small\"><span>{called}</span> <span>{}</span></p>",
                escape(address)
            );
        }
    }
}
