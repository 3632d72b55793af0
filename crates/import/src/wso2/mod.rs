//! What do files of WSO2 API Manager say: extensions of definitions, and projects of apictl?
//!
//! `words` are what both have in common, `extensions` those of an `OpenAPI` document, `project` finds
//! its way in a folder, `published` reads an API, `backends` its endpoints, `product` a product, and
//! `parameters` what differs between environments.

mod backends;
pub(crate) mod extensions;
mod parameters;
mod product;
mod project;
mod published;
mod words;

pub(crate) use backends::milliseconds;
pub(crate) use project::project;
