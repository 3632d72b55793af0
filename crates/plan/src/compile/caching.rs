//! Which answers are kept, and how are they compressed?

use std::sync::Arc;
use std::time::Duration;

use cache::{Rules, Share};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::compression::Coding;
use turnpike_proto::config::v1::{ApiSpec, Cache, Compression, cache as proto};

use super::api::unknown;
use super::backend::positive;
use super::named::Named;
use super::policies::named_policies;
use crate::problem::{At, Problems, shown};

const MOST_SPAN: Duration = Duration::from_hours(365 * 24);
const MOST_BODY: u64 = 64 * 1024 * 1024;
const MOST_VARIANTS: u32 = 64;
const MOST_HEADERS: usize = 16;
const MOST_PARAMETERS: usize = 64;
const MOST_TAG_FIELDS: usize = 8;
const MOST_TYPES: usize = 64;
const MOST_MIN_BYTES: u64 = 1024 * 1024;
const DEFAULT_MIN_BYTES: u64 = 1024;
const DEFAULT_TYPES: [&str; 6] = [
    "text/*",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "image/svg+xml",
];

/// How answers are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressionPlan {
    /// The codings on offer, the best liked first; at least one.
    pub codings: Vec<Coding>,
    /// What is known to be shorter stays as it is, in bytes.
    pub min_bytes: u64,
    /// Media types in lower case; `text/` stands for all below.
    pub types: Vec<Arc<str>>,
    /// Whether types that end in `+json` or `+xml` are compressed, too.
    pub suffixes: bool,
}

/// Tells the answers of one revision of an API from those of another: what was kept under other
/// rules, those of policies that it names included, or from another backend is not given again.
pub(crate) fn revision(spec: &ApiSpec, named: Named<'_>) -> u64 {
    let mut hash = Sha256::new_with_prefix(spec.encode_to_vec());
    let own = spec.operations.iter().filter_map(|operation| operation.policies.as_ref());
    for name in spec.policies.iter().chain(own).flat_map(named_policies) {
        hash.update(named.policy_bytes(name));
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The rules; `None` where nothing is kept.
pub(crate) fn compile_cache(
    cache: &Cache,
    revision: u64,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Arc<Rules>> {
    if cache.off {
        if *cache != (Cache { off: true, ..Cache::default() }) {
            let reason = "nothing else stands beside `off: true`";
            problems.add(at, reason, "leave out `off`, or everything else");
        }
        return None;
    }
    let usual = Rules::default();
    let span = |given: Option<&prost_types::Duration>, name, problems: &mut Problems| {
        let span = positive(given?, MOST_SPAN);
        if span.is_none() {
            let reason = "a span of the cache is more than 0 and at most 365 days";
            problems.add(&at.name(name), reason, "write for example `300s`");
        }
        span
    };
    let heuristic = cache.heuristic_percent.unwrap_or(usual.heuristic_percent);
    if heuristic > 100 {
        problems.add(&at.name("heuristicPercent"), "it is at most 100", "");
    }
    if cache.max_body_bytes > MOST_BODY {
        let reason = format!("a body that is kept has at most {MOST_BODY} bytes");
        problems.add(&at.name("maxBodyBytes"), reason, "");
    }
    if cache.max_variants > MOST_VARIANTS {
        let reason = format!("there are at most {MOST_VARIANTS} variants of a target");
        problems.add(&at.name("maxVariants"), reason, "");
    }
    let rules = Rules {
        revision,
        ttl: span(cache.ttl.as_ref(), "ttl", problems),
        heuristic_percent: heuristic,
        max_body_bytes: match cache.max_body_bytes {
            0 => usual.max_body_bytes,
            bytes => usize::try_from(bytes).unwrap_or(usual.max_body_bytes),
        },
        share: compile_share(cache.share, at, problems),
        key_headers: fields(&cache.key_headers, MOST_HEADERS, &at.name("keyHeaders"), problems),
        key_query: compile_query(cache, at, problems),
        tag_fields: match fields(
            &cache.tag_fields,
            MOST_TAG_FIELDS,
            &at.name("tagFields"),
            problems,
        ) {
            none if none.is_empty() => usual.tag_fields,
            named => named,
        },
        stale_while_revalidate: span(
            cache.stale_while_revalidate.as_ref(),
            "staleWhileRevalidate",
            problems,
        )
        .unwrap_or_default(),
        stale_if_error: span(cache.stale_if_error.as_ref(), "staleIfError", problems)
            .unwrap_or_default(),
        head: compile_methods(&cache.methods, &at.name("methods"), problems),
        keeps_cookies: cache.store_cookies,
        max_variants: match cache.max_variants {
            0 => usual.max_variants,
            number => number as usize,
        },
    };
    Some(Arc::new(rules))
}

fn compile_share(number: i32, at: &At<'_>, problems: &mut Problems) -> Share {
    match proto::Share::try_from(number) {
        Ok(proto::Share::Application) => Share::Application,
        Ok(proto::Share::User) => Share::User,
        Ok(proto::Share::Everyone) => Share::Everyone,
        Err(_) => {
            problems.add(&at.name("share"), unknown(number), "");
            Share::Application
        }
    }
}

fn fields<N: std::str::FromStr>(
    names: &[String],
    most: usize,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<N> {
    if names.len() > most {
        problems.add(at, format!("there are {}, at most {most}", names.len()), "");
        return Vec::new();
    }
    let mut known = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let Ok(name) = name.to_ascii_lowercase().parse() else {
            let reason = format!("`{}` is no name of a field", shown(name));
            problems.add(&at.index(index), reason, "write for example `Accept-Language`");
            continue;
        };
        known.push(name);
    }
    known
}

fn compile_query(cache: &Cache, at: &At<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let (names, at) = (&cache.key_query, at.name("keyQuery"));
    if cache.ignore_query && !names.is_empty() {
        problems.add(&at, "the query is not looked at", "leave out `ignoreQuery`, or these names");
    }
    if names.len() > MOST_PARAMETERS {
        let reason = format!("there are {}, at most {MOST_PARAMETERS}", names.len());
        problems.add(&at, reason, "");
    }
    for (index, name) in names.iter().enumerate() {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"&=#?".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            let reason = format!("`{}` is no name of a parameter", shown(name));
            problems.add(&at.index(index), reason, "write it as it stands in the query");
        }
    }
    (cache.ignore_query || !names.is_empty()).then(|| names.clone())
}

/// Whether HEAD is answered as well as GET.
fn compile_methods(methods: &[String], at: &At<'_>, problems: &mut Problems) -> bool {
    for (index, method) in methods.iter().enumerate() {
        if !["GET", "HEAD"].contains(&method.as_str()) {
            let reason = format!("`{}` is not answered from a cache", shown(method));
            problems.add(&at.index(index), reason, "GET and HEAD are");
        }
    }
    if !methods.is_empty() && !methods.iter().any(|method| method == "GET") {
        problems.add(at, "what is kept is brought by GET", "add `GET`");
    }
    methods.is_empty() || methods.iter().any(|method| method == "HEAD")
}

/// How answers are compressed.
pub(crate) fn compile_compression(
    compression: &Compression,
    at: &At<'_>,
    problems: &mut Problems,
) -> CompressionPlan {
    let here = at.name("codings");
    let mut codings = Vec::new();
    for (index, number) in compression.codings.iter().enumerate() {
        match Coding::try_from(*number) {
            Ok(coding) if codings.contains(&coding) => {
                problems.add(&here.index(index), "the coding stands twice", "keep one of them");
            }
            Ok(coding) => codings.push(coding),
            Err(_) => problems.add(&here.index(index), unknown(*number), ""),
        }
    }
    if codings.is_empty() {
        codings = vec![Coding::Br, Coding::Zstd, Coding::Gzip];
    }
    if compression.min_bytes > MOST_MIN_BYTES {
        let reason = format!("it is at most {MOST_MIN_BYTES}");
        problems.add(&at.name("minBytes"), reason, "");
    }
    let min_bytes = match compression.min_bytes {
        0 => DEFAULT_MIN_BYTES,
        bytes => bytes,
    };
    let suffixes = compression.types.is_empty();
    let types = compile_types(&compression.types, &at.name("types"), problems);
    CompressionPlan { codings, min_bytes, types, suffixes }
}

fn compile_types(types: &[String], at: &At<'_>, problems: &mut Problems) -> Vec<Arc<str>> {
    if types.len() > MOST_TYPES {
        problems.add(at, format!("there are {}, at most {MOST_TYPES}", types.len()), "");
        return Vec::new();
    }
    let usual = DEFAULT_TYPES.map(str::to_owned);
    let types = if types.is_empty() { &usual } else { types };
    let mut known = Vec::with_capacity(types.len());
    for (index, text) in types.iter().enumerate() {
        let lower = text.to_ascii_lowercase();
        let part = |part: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !part.is_empty() && part.bytes().all(fits)
        };
        match lower.split_once('/') {
            Some((group, "*")) if part(group) => known.push(format!("{group}/").into()),
            Some((group, kind)) if part(group) && part(kind) => known.push(lower.as_str().into()),
            _ => {
                let reason = format!("`{}` is no media type", shown(text));
                problems.add(&at.index(index), reason, "write for example `application/json`");
            }
        }
    }
    known
}

#[cfg(test)]
#[path = "caching_tests.rs"]
mod tests;
