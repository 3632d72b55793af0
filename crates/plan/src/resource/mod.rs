//! What is a resource, what is it called, and how is it written?

mod any;
mod json;
mod key;

pub use any::{decode, encode, key, kind, metadata, metadata_mut};
pub use json::{to_json, to_yaml};
pub use key::{Kind, ResourceKey, UnknownKey, is_name};

pub(crate) use any::{API_VERSION, normalise, stated};
