//! Which change is on its way, how far has it come, and what would it make of the state in force?
//!
//! A rollout is a record beside the resources, in the same line of transactions: whoever sees a
//! state sees the rollout that belongs to it. It holds the whole change, sealed, because secrets may
//! be among it, until the change is in force or taken back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_lc_rs::digest;
use bytes::Bytes;
use plan::{Admitted, Kind, Objects, Problem, Resource, ResourceKey};
use prost::Message;
use turnpike_proto::admin::v1::rollout::State as Stage;
use turnpike_proto::admin::v1::{CallFigures, RolloutPlan};
use zeroize::Zeroizing;

use super::state::State;
use crate::store::{Keyring, Revision, SealError};

/// Below it stand rollouts.
pub const ROLLOUTS: &str = "rollouts/";
/// So many APIs are compared by themselves; gateways tell no more apart.
const APIS: usize = 64;
/// So many resources are looked at for that.
const LOOKED_AT: usize = 1000;

/// Where the name of a gateway stands among all names: spread evenly, the same on every control
/// plane and after every restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

impl Place {
    /// Of a name.
    pub fn of(node: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, node.as_bytes());
        Self(u64::from_be_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default()))
    }
}

/// The gateways that have a change already: those whose names stand low enough. A wave that reaches
/// further contains every one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wave {
    /// None: nobody is in it.
    pub up_to: Option<Place>,
}

impl Wave {
    /// Everybody.
    pub const ALL: Self = Self { up_to: Some(Place(u64::MAX)) };

    /// Whether a gateway is in it.
    pub fn has(self, place: Place) -> bool {
        self.up_to.is_some_and(|last| place <= last)
    }
}

/// A change on its way, as it is stored.
#[derive(Clone, PartialEq, Message)]
pub struct Rollout {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How far it is.
    #[prost(enumeration = "Stage", tag = "2")]
    pub stage: i32,
    /// What was asked for, complete.
    #[prost(message, required, tag = "3")]
    pub plan: RolloutPlan,
    /// From 1; 0: none has begun.
    #[prost(uint32, tag = "4")]
    pub step: u32,
    /// The last place of the wave; none: nobody is in it.
    #[prost(uint64, optional, tag = "5")]
    pub up_to: Option<u64>,
    /// New and changed resources; empty when it has ended.
    #[prost(message, repeated, tag = "6")]
    pub upserts: Vec<Resource>,
    /// What changes, and at which revision it was found.
    #[prost(message, repeated, tag = "7")]
    pub touched: Vec<Touched>,
    /// Why it waits or was taken back.
    #[prost(string, tag = "8")]
    pub reason: String,
    /// What is wrong with the change by now.
    #[prost(message, repeated, tag = "9")]
    pub problems: Vec<Problem>,
    /// Who asked for it.
    #[prost(string, tag = "10")]
    pub by: String,
    /// In microseconds since the Unix epoch.
    #[prost(int64, tag = "11")]
    pub started_at_us: i64,
    /// When this was written, in microseconds since the Unix epoch.
    #[prost(int64, tag = "12")]
    pub since_us: i64,
    /// How calls were before, or beside the wave of the step before.
    #[prost(message, optional, tag = "13")]
    pub baseline: Option<CallFigures>,
    /// What some gateway refused before it began, as keys; empty when it has ended.
    #[prost(string, repeated, tag = "14")]
    pub refused_before: Vec<String>,
    /// What the writer gave as the reason of the change.
    #[prost(string, tag = "15")]
    pub why: String,
    /// The labels of the gateways that its waves are made of, as the selector of its group was; empty: of
    /// all.
    #[prost(btree_map = "string, string", tag = "16")]
    pub selector: BTreeMap<String, String>,
}

/// A resource that a rollout changes.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Touched {
    /// Its key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its revision when the rollout began; 0: there was none.
    #[prost(uint64, tag = "2")]
    pub revision: Revision,
}

/// The value of its key.
#[derive(Clone, PartialEq, Eq, Message)]
struct Sealed {
    /// Of the data key.
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(bytes = "vec", tag = "2")]
    content: Vec<u8>,
}

/// Why a stored rollout cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// Not our form.
    #[error("the value is not a rollout")]
    Malformed(#[source] prost::DecodeError),
}

impl Rollout {
    /// The key and the value to store.
    pub fn encode(&self, keys: &Keyring) -> Result<(String, Bytes), RolloutError> {
        let key = format!("{ROLLOUTS}{}", self.name);
        let (number, content) = keys.seal(&key, &Zeroizing::new(self.encode_to_vec()))?;
        Ok((key, Sealed { number, content }.encode_to_vec().into()))
    }

    /// Reads what `encode` made.
    pub fn decode(key: &str, value: &[u8], keys: &Keyring) -> Result<Self, RolloutError> {
        let Sealed { number, content } = Sealed::decode(value).map_err(RolloutError::Malformed)?;
        let opened = keys.open(number, key, &content)?;
        Message::decode(opened.as_slice()).map_err(RolloutError::Malformed)
    }

    /// Whether its change is in force, or taken back.
    pub fn has_ended(&self) -> bool {
        !matches!(self.stage(), Stage::Measuring | Stage::Watching | Stage::Paused)
    }

    /// How far the change reaches among those who may have it before all others.
    pub fn wave(&self) -> Wave {
        Wave { up_to: self.up_to.map(Place) }
    }

    /// Whether waves are made of gateways with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.iter().all(|(name, value)| labels.get(name) == Some(value))
    }

    /// Whether this gateway has the change.
    pub fn has(&self, node: &str, labels: &BTreeMap<String, String>) -> bool {
        self.selects(labels) && self.wave().has(Place::of(node))
    }

    /// The APIs that the change reaches, `name:version`, as `objects` are with it; so many of them.
    pub fn reaches(&self, objects: &Objects) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut known: BTreeSet<ResourceKey> = BTreeSet::new();
        let touched = self.touched.iter().map(|touched| ResourceKey::from_wire(&touched.key));
        let mut ahead: VecDeque<ResourceKey> = touched.collect();
        while let Some(key) = ahead.pop_front() {
            if found.len() >= APIS || known.len() >= LOOKED_AT {
                break;
            }
            match key.kind() {
                Some(Kind::Api) if known.insert(key.clone()) => found.push(key.id().to_owned()),
                // Who calls is another matter, and there may be very many of them.
                None | Some(Kind::Api | Kind::Application | Kind::Subscription) => {}
                Some(_) if known.insert(key.clone()) => {
                    ahead.extend(objects.referrers(&key).take(LOOKED_AT));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// Whether it changes this resource.
    pub fn touches(&self, key: &str) -> bool {
        self.touched.iter().any(|touched| touched.key == key)
    }

    /// What `state` would be with the change; `Err`: it does not fit any more. What somebody else has
    /// changed since is not overwritten.
    pub fn admitted(&self, state: &State) -> Result<Admitted, Vec<Problem>> {
        let moved = self.touched.iter().filter(|touched| {
            let key = ResourceKey::from_wire(&touched.key);
            state.stamps.get(&key).map_or(0, |stamp| stamp.revision) != touched.revision
        });
        let problems: Vec<Problem> = moved
            .map(|touched| Problem {
                resource: touched.key.clone(),
                reason: "somebody else has changed it since the rollout began".to_owned(),
                suggestion: "read it again, and begin another rollout".to_owned(),
                ..Problem::default()
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        plan::admit(&state.objects, &self.upserts, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(up_to: Option<u64>, place: u64, expected: bool) {
        assert_eq!(Wave { up_to: up_to.map(Place) }.has(Place(place)), expected);
    }

    #[test]
    fn nobody_is_in_a_wave_that_has_not_begun() {
        check(None, 0, false);
    }

    #[test]
    fn a_wave_ends_with_its_last_place() {
        check(Some(7), 7, true);
        check(Some(7), 8, false);
        check(Wave::ALL.up_to.map(|place| place.0), u64::MAX, true);
    }

    #[test]
    fn the_place_of_a_name_is_the_same_for_ever() {
        // Another one would move gateways in and out of the waves of rollouts that are under way.
        assert_eq!(Place::of("gateway-1"), Place::of("gateway-1"));
        assert_eq!(Place::of("one").0 >> 48, 0x7692);
    }
}
