//! Which API is served under a path?
//!
//! The longest context that the path starts with wins; the next segment is the version, and
//! without one that is known the default version answers. A version that is known but not served
//! is nobody's: its calls must not fall through to the default version's backend.

use std::sync::Arc;

use crate::compile::ApiPlan;
use crate::map::{Map, new_map};

/// The most segments of a context.
pub(crate) const MAX_SEGMENTS: usize = 8;

/// The APIs by context. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contexts {
    map: Map<Arc<str>, Arc<Context>>,
    /// How many contexts have one segment, two, and so on: nothing deeper is looked up.
    depths: [u32; MAX_SEGMENTS],
}

#[derive(Clone, Debug, Default)]
struct Context {
    versions: Vec<Arc<ApiPlan>>,
    default: Option<Arc<ApiPlan>>,
}

/// The path is another API's.
#[derive(Debug)]
pub(crate) struct Taken(pub(crate) Arc<ApiPlan>);

impl Default for Contexts {
    fn default() -> Self {
        Self { map: new_map(), depths: [0; MAX_SEGMENTS] }
    }
}

impl Contexts {
    /// The API that serves `path`, and what follows its context and version. `allowed` says
    /// whether an API is served here at all (its virtual hosts).
    pub(crate) fn find<'p, 'r>(
        &'p self,
        path: &'r str,
        allowed: impl Fn(&ApiPlan) -> bool,
    ) -> Option<(&'p Arc<ApiPlan>, &'r str)> {
        let deepest = self.depths.iter().rposition(|count| *count > 0)? + 1;
        let mut ends = [0_usize; MAX_SEGMENTS];
        let count = segment_ends(path, ends.get_mut(..deepest)?);
        for (depth, end) in ends.get(..count)?.iter().enumerate().rev() {
            if self.depths.get(depth).is_none_or(|count| *count == 0) {
                continue;
            }
            let (context, rest) = path.split_at_checked(*end)?;
            let Some(entry) = self.map.get(context) else { continue };
            if let Some((api, rest)) = entry.choose(rest)
                && allowed(api)
            {
                return api.is_served().then_some((api, rest));
            }
        }
        None
    }

    /// Puts an API in its place, unless another one has it.
    pub(crate) fn insert(&mut self, api: &Arc<ApiPlan>) -> Result<(), Taken> {
        let mut entry = self.map.get(&*api.context).map(|entry| (**entry).clone());
        let fresh = entry.is_none();
        let context = entry.get_or_insert_default();
        if let Some(other) = context.versions.iter().find(|other| other.version == api.version) {
            return Err(Taken(Arc::clone(other)));
        }
        if let Some(other) = context.default.as_ref().filter(|_| api.default_version) {
            return Err(Taken(Arc::clone(other)));
        }
        context.versions.push(Arc::clone(api));
        if api.default_version {
            context.default = Some(Arc::clone(api));
        }
        if let Some(entry) = entry {
            self.map.insert(Arc::clone(&api.context), Arc::new(entry));
        }
        if fresh && let Some(count) = self.depth_of(&api.context) {
            *count += 1;
        }
        Ok(())
    }

    /// Takes an API out of its place.
    pub(crate) fn remove(&mut self, api: &ApiPlan) {
        let Some(entry) = self.map.get(&*api.context) else { return };
        let mut entry = (**entry).clone();
        entry.versions.retain(|other| other.key != api.key);
        entry.default = entry.default.filter(|other| other.key != api.key);
        if entry.versions.is_empty() {
            self.map.remove(&*api.context);
            if let Some(count) = self.depth_of(&api.context) {
                *count = count.saturating_sub(1);
            }
        } else {
            self.map.insert(Arc::clone(&api.context), Arc::new(entry));
        }
    }

    fn depth_of(&mut self, context: &str) -> Option<&mut u32> {
        let segments = context.bytes().filter(|byte| *byte == b'/').count();
        self.depths.get_mut(segments.checked_sub(1)?)
    }
}

impl Context {
    fn choose<'c, 'r>(&'c self, rest: &'r str) -> Option<(&'c Arc<ApiPlan>, &'r str)> {
        if let Some(tail) = rest.strip_prefix('/') {
            let end = tail.find('/').unwrap_or(tail.len());
            let (segment, after) = tail.split_at_checked(end)?;
            if let Some(api) = self.versions.iter().find(|api| *api.version == *segment) {
                return Some((api, after));
            }
        }
        self.default.as_ref().map(|api| (api, rest))
    }
}

/// Where the first segments of a path end: `/a/b/c` with room for two gives 2, 4.
fn segment_ends(path: &str, ends: &mut [usize]) -> usize {
    let mut slashes =
        path.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
    let mut count = 0;
    for end in ends {
        let next = slashes.next();
        *end = next.unwrap_or(path.len());
        count += 1;
        if next.is_none() {
            break;
        }
    }
    count
}

/// What is wrong with a context, and what would be right.
pub(crate) fn check_context(context: &str) -> Result<(), (&'static str, String)> {
    let Some(body) = context.strip_prefix('/') else {
        return Err(("a context starts with `/`", format!("write `/{context}`")));
    };
    if body.is_empty() {
        return Err(("a context has at least one segment", "write for example `/orders`".into()));
    }
    if context.ends_with('/') {
        let suggestion = format!("write `{}`", context.trim_end_matches('/'));
        return Err(("a context has no `/` at the end", suggestion));
    }
    if context.len() > 512 || body.split('/').count() > MAX_SEGMENTS {
        return Err(("a context has at most 8 segments and 512 bytes", String::new()));
    }
    for segment in body.split('/') {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(("a context has no empty, `.` or `..` segment", "leave it out".into()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte);
        if !segment.bytes().all(plain) {
            let suggestion = "use letters, digits and `-._~!$&'()+,;=:@`".into();
            return Err(("a context has a character that cannot stand in it", suggestion));
        }
    }
    Ok(())
}
