//! Which answers are kept, and how much memory do they take?
//!
//! One store for all workers, in shards. A look-up holds a shard's lock for the time it takes to
//! copy one pointer; nothing is written while it is held but the answer's place in the order of
//! eviction. That order is `quick_cache`'s, which a scan through cold targets does not disturb. The
//! bound counts bodies, fields and keys, and holds for bodies on their way in as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::answer::{Draft, Kept};
use crate::key::Key;
use crate::marks::{Mark, Marks, Under};
use crate::storing::Question;

/// How large an answer is expected to be when the tables are laid out.
const USUAL_BYTES: u64 = 4 * 1024;
/// No shard is smaller, so that a large answer finds room in one.
const LEAST_SHARD_BYTES: u64 = 4 * 1024 * 1024;
const MOST_SHARDS: u64 = 64;
/// A part of the memory that bodies may take while they are on their way in.
const FILLING_SHARE: usize = 4;

/// All answers that are kept.
#[derive(Debug)]
pub struct Store {
    groups: Cache<Key, Arc<Group>, Weight, RandomState, Counting>,
    marks: Marks,
    evicted: Arc<AtomicU64>,
    filling: Arc<AtomicUsize>,
    most_filling: usize,
}

/// The answers under one key, the newest first.
#[derive(Debug)]
struct Group {
    variants: Vec<Arc<Kept>>,
    bytes: u64,
}

/// What is kept for a request.
#[derive(Debug)]
pub enum Found {
    /// This.
    Kept(Arc<Kept>),
    /// Answers to other requests for the same target.
    Others,
    /// Nothing.
    Nothing,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Key, Arc<Group>> for Weight {
    fn weight(&self, key: &Key, group: &Arc<Group>) -> u64 {
        group.bytes + key.0.len() as u64
    }
}

#[derive(Clone, Debug)]
struct Counting(Arc<AtomicU64>);

impl Lifecycle<Key, Arc<Group>> for Counting {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Arc<Group>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store {
    /// A store that takes up to `max_bytes`; 0 keeps nothing.
    pub fn new(max_bytes: usize) -> Self {
        let hasher = RandomState::new();
        let evicted = Arc::new(AtomicU64::new(0));
        let capacity = max_bytes as u64;
        let shards = (capacity / LEAST_SHARD_BYTES).clamp(1, MOST_SHARDS);
        let items = usize::try_from(capacity / USUAL_BYTES).unwrap_or(usize::MAX).max(16);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .build();
        let counting = Counting(Arc::clone(&evicted));
        let groups = match options {
            Ok(options) => Cache::with_options(options, Weight, hasher.clone(), counting),
            // Everything is set above, so this is not reached; the result is the same.
            Err(_) => Cache::with(items, capacity, Weight, hasher.clone(), counting),
        };
        Self {
            groups,
            marks: Marks::new(hasher),
            evicted,
            filling: Arc::default(),
            most_filling: max_bytes / FILLING_SHARE,
        }
    }

    /// What is kept under `key` for this request.
    pub fn find(&self, key: &Key, question: &Question<'_>) -> Found {
        let Some(group) = self.groups.get(key) else { return Found::Nothing };
        let mut alive = group.variants.iter().filter(|kept| self.holds(kept)).peekable();
        if alive.peek().is_none() {
            self.groups.remove(key);
            return Found::Nothing;
        }
        let fitting = alive.find(|kept| kept.variant().fits(question.headers));
        fitting.map_or(Found::Others, |kept| Found::Kept(Arc::clone(kept)))
    }

    /// Where an answer stands that is asked for now: what is made invalid from here on makes it
    /// invalid, too.
    pub fn now(&self) -> u64 {
        self.marks.now()
    }

    /// Keeps an answer that was begun at `begun` (see [`Store::now`]) and belongs to the target of
    /// an API. `None`: it was made invalid on its way.
    pub fn keep(
        &self,
        key: &Key,
        (api, target): (&str, &str),
        draft: Draft,
        body: Bytes,
        begun: u64,
        max_variants: usize,
    ) -> Option<Arc<Kept>> {
        let path = target.split('?').next().unwrap_or_default();
        let under =
            [Under::All, Under::Api(api), Under::Path(api, path), Under::Target(api, target)];
        let tagged = draft.tags().flat_map(|tag| [Under::Tag(api, tag), Under::AnyTag(tag)]);
        let mut marks: Vec<Mark> =
            under.into_iter().chain(tagged).map(|under| self.marks.mark(under)).collect();
        marks.shrink_to_fit();
        let kept = Arc::new(draft.finish(body, marks, begun));
        if !self.holds(&kept) {
            return None;
        }
        let before = self.groups.get(key);
        let before = before.iter().flat_map(|group| &group.variants);
        let others = before
            .filter(|other| other.variant() != kept.variant() && self.holds(other))
            .take(max_variants.saturating_sub(1));
        let variants: Vec<Arc<Kept>> =
            std::iter::once(&kept).chain(others).map(Arc::clone).collect();
        let bytes = variants.iter().map(|kept| kept.bytes() as u64).sum();
        self.groups.insert(key.clone(), Arc::new(Group { variants, bytes }));
        Some(kept)
    }

    /// Takes an answer back that turned out to be of no more use.
    pub fn forget(&self, key: &Key) {
        self.groups.remove(key);
    }

    /// Makes invalid what is under a mark, kept or still on its way.
    pub fn invalidate(&self, under: Under<'_>) {
        self.marks.invalidate(under);
    }

    /// Frees the memory of what was made invalid, and says how many targets that were.
    pub fn sweep(&self) -> usize {
        let before = self.groups.len();
        self.groups.retain(|_, group| group.variants.iter().any(|kept| self.holds(kept)));
        before.saturating_sub(self.groups.len())
    }

    /// Room for a body on its way in.
    pub fn filling(&self) -> Filling {
        let all = Arc::clone(&self.filling);
        Filling { body: Vec::new(), reserved: 0, all, most: self.most_filling }
    }

    /// The memory that is taken, in bytes.
    pub fn bytes(&self) -> u64 {
        self.groups.weight()
    }

    /// How many targets there are answers for.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many targets had to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn holds(&self, kept: &Kept) -> bool {
        self.marks.hold(&kept.marks, kept.begun)
    }
}

/// A body on its way in. Bodies on their way take a bounded part of the memory, all together.
#[derive(Debug)]
pub struct Filling {
    body: Vec<u8>,
    reserved: usize,
    all: Arc<AtomicUsize>,
    most: usize,
}

impl Filling {
    /// Takes the next part; false: there is no room, and the body is not kept.
    #[must_use]
    pub fn take(&mut self, part: &[u8]) -> bool {
        let before = self.all.fetch_add(part.len(), Ordering::Relaxed);
        self.reserved += part.len();
        if before + part.len() > self.most {
            return false;
        }
        self.body.extend_from_slice(part);
        true
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing has come yet.
    pub const fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The whole body, in memory of its own size.
    pub fn whole(mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.body).into_boxed_slice())
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.all.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}
