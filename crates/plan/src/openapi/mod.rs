//! How does an OpenAPI document become an API?

mod backend;
mod dialect;
mod import;
mod operations;
mod reference;
mod security;

pub use import::{Options, Report, import};
pub use operations::served_path;

pub(crate) use import::operations_of;
