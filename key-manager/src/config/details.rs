//! Which authorization details are known?

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;

use crate::endpoint::DetailTypes;

/// `[authorization_details]` (RFC 9396).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailsConfig {
    pub types: Vec<DetailConfig>,
}

/// `[[authorization_details.types]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailConfig {
    /// The `type`.
    pub name: String,
    /// A file with the JSON Schema of its objects.
    pub schema: PathBuf,
}

impl DetailsConfig {
    /// Reads the schemas.
    pub fn types(&self) -> anyhow::Result<DetailTypes> {
        let mut types = DetailTypes::default();
        for one in &self.types {
            let added = types.add(&one.name, &one.schema);
            added.with_context(|| format!("authorization_details.types: {}", one.name))?;
        }
        Ok(types)
    }
}
