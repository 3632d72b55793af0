//! How are fields left out of a map?

use http::{HeaderMap, HeaderName};

/// `headers` without those whose name (in lower case) is out.
pub fn without(mut headers: HeaderMap, is_out: impl Fn(&str) -> bool) -> HeaderMap {
    let is_out = |name: &&HeaderName| is_out(name.as_str());
    let out: Vec<HeaderName> = headers.keys().filter(is_out).cloned().collect();
    for name in &out {
        headers.remove(name);
    }
    headers
}
