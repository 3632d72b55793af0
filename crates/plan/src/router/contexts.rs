//! Which API is served under a path?
//!
//! A table of served paths: `/orders/1.0.0` for a version, `/orders` for the default version; a
//! context may say itself where its version stands. The
//! longest one that the path starts with wins. A version that is known but not served is nobody's:
//! its calls must not fall through to the default version's backend. The default version of the
//! context `/` gets what nobody else serves; its served path is empty.

use std::sync::Arc;

use crate::compile::ApiPlan;
use crate::map::{Map, new_map};

/// The most segments of a context.
pub(crate) const MAX_SEGMENTS: usize = 8;
/// The most segments of a served path: a context and a version.
const MAX_DEPTH: usize = MAX_SEGMENTS + 1;

/// The APIs by served path. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contexts {
    served: Map<Arc<str>, Arc<ApiPlan>>,
    /// How many served paths have one segment, two, and so on: nothing else is looked up.
    depths: [u32; MAX_DEPTH],
}

/// The path is another API's.
#[derive(Debug)]
pub(crate) struct Taken(pub(crate) Arc<ApiPlan>);

impl Default for Contexts {
    fn default() -> Self {
        Self { served: new_map(), depths: [0; MAX_DEPTH] }
    }
}

impl Contexts {
    /// The API that serves `path`, and what follows its context and version. `allowed` says
    /// whether an API is served here at all (its virtual hosts), `served` whether it is at this time.
    pub(crate) fn find<'p, 'r>(
        &'p self,
        path: &'r str,
        allowed: impl Fn(&ApiPlan) -> bool,
        served: impl Fn(&ApiPlan) -> bool,
    ) -> Option<(&'p Arc<ApiPlan>, &'r str)> {
        if !path.starts_with('/') {
            return None;
        }
        let deepest = self.depths.iter().rposition(|count| *count > 0)? + 1;
        let mut ends = [0_usize; MAX_DEPTH];
        let count = segment_ends(path, ends.get_mut(..deepest)?);
        for (end, in_use) in ends.iter().zip(&self.depths).take(count).rev() {
            if *in_use == 0 {
                continue;
            }
            let (place, rest) = path.split_at_checked(*end)?;
            if let Some(api) = self.served.get(place).filter(|api| allowed(api)) {
                return served(api).then_some((api, rest));
            }
        }
        let root = self.served.get("").filter(|api| allowed(api))?;
        served(root).then_some((root, path))
    }

    /// Puts an API in its places, unless another one has one of them.
    pub(crate) fn insert(&mut self, api: &Arc<ApiPlan>) -> Result<(), Taken> {
        let paths = paths_of(api);
        let paths: Vec<Arc<str>> = paths.collect();
        if let Some(other) = paths.iter().find_map(|path| self.served.get(&**path)) {
            return Err(Taken(Arc::clone(other)));
        }
        for path in paths {
            if let Some(count) = self.depth_of(&path) {
                *count += 1;
            }
            self.served.insert(path, Arc::clone(api));
        }
        Ok(())
    }

    /// Takes an API out of its places.
    pub(crate) fn remove(&mut self, api: &ApiPlan) {
        for path in paths_of(api) {
            if self.served.get(&*path).is_none_or(|there| there.key != api.key) {
                continue;
            }
            self.served.remove(&*path);
            if let Some(count) = self.depth_of(&path) {
                *count = count.saturating_sub(1);
            }
        }
    }

    fn depth_of(&mut self, path: &str) -> Option<&mut u32> {
        let segments = path.bytes().filter(|byte| *byte == b'/').count();
        self.depths.get_mut(segments.checked_sub(1)?)
    }
}

/// The segment of a context that stands for the version.
const VERSION: &str = "/{version}";

fn paths_of(api: &ApiPlan) -> impl Iterator<Item = Arc<str>> + use<> {
    let (versioned, bare) = served_paths(&api.context, &api.version, api.default_version);
    std::iter::once(versioned).chain(bare).map(Arc::from)
}

/// Where a version is served, and where it is served besides as the default version.
pub(crate) fn served_paths(
    context: &str,
    version: &str,
    default_version: bool,
) -> (String, Option<String>) {
    if context.contains(VERSION) {
        let bare = default_version.then(|| context.replacen(VERSION, "", 1));
        return (context.replacen(VERSION, &format!("/{version}"), 1), bare);
    }
    let context = context.trim_end_matches('/');
    (format!("{context}/{version}"), default_version.then(|| context.to_owned()))
}

/// Where the first segments of a path end: `/a/b/c` with room for two gives 2, 4.
fn segment_ends(path: &str, ends: &mut [usize]) -> usize {
    let (mut count, mut from) = (0, 1);
    for end in ends {
        let slash = path.as_bytes().get(from..).unwrap_or_default().iter();
        let next = slash.copied().position(|byte| byte == b'/');
        *end = next.map_or(path.len(), |at| from + at);
        (count, from) = (count + 1, *end + 1);
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
        return Ok(());
    }
    if context.ends_with('/') {
        let suggestion = format!("write `{}`", context.trim_end_matches('/'));
        return Err(("a context has no `/` at the end", suggestion));
    }
    if context.len() > 512 || body.split('/').count() > MAX_SEGMENTS {
        return Err(("a context has at most 8 segments and 512 bytes", String::new()));
    }
    let versions = body.split('/').filter(|segment| *segment == "{version}").count();
    if versions > 1 {
        return Err(("`{version}` stands once in a context", "leave one of them out".into()));
    }
    if versions == body.split('/').count() {
        let suggestion = "write for example `/orders/{version}`".into();
        return Err(("a context has at least one segment besides its version", suggestion));
    }
    for segment in body.split('/').filter(|segment| *segment != "{version}") {
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
