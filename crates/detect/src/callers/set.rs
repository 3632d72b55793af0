//! How is a set of numbers kept? As a list of them.

use serde::{Deserialize, Deserializer, Serializer};

use super::few::Few;

pub(super) fn serialize<S: Serializer, const FEW: usize>(
    set: &Few<u64, (), FEW>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(set.iter().map(|(thing, ())| thing))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>, const FEW: usize>(
    deserializer: D,
) -> Result<Few<u64, (), FEW>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|thing| (thing, ())).collect())
}
