//! How is a table kept whose keys are pairs? As a list, since texts of objects have texts as keys.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Table = HashMap<(u64, u64), u32>;

pub(super) fn serialize<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    table.iter().collect::<Vec<_>>().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    Ok(Vec::<((u64, u64), u32)>::deserialize(deserializer)?.into_iter().collect())
}
