//! How is a table kept whose keys are no texts? As a list: objects of JSON have texts as keys.

use std::hash::Hash;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::few::Few;

pub(super) fn serialize<K, V, S, const FEW: usize>(
    table: &Few<K, V, FEW>,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    K: Copy + Eq + Hash + Serialize,
    V: Copy + Serialize,
    S: Serializer,
{
    serializer.collect_seq(table.iter())
}

pub(super) fn deserialize<'de, K, V, D, const FEW: usize>(
    deserializer: D,
) -> Result<Few<K, V, FEW>, D::Error>
where
    K: Copy + Eq + Hash + Deserialize<'de>,
    V: Copy + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
}
