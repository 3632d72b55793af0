//! What does the configuration of an operation say about caching?

use std::time::Duration;

use http::HeaderName;

/// Whose answers are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Each application has its own.
    Application,
    /// Each user of each application has their own.
    User,
    /// All callers share them.
    Everyone,
}

/// The rules of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Tells the rules of one revision of the configuration from those of another.
    pub revision: u64,
    /// How long an answer is fresh that says nothing about it; `None`: a heuristic says.
    pub ttl: Option<Duration>,
    /// The heuristic: so many hundredths of the time since `Last-Modified` (RFC 9111 §4.2.2).
    pub heuristic_percent: u32,
    /// The longest body that is kept, in bytes.
    pub max_body_bytes: usize,
    /// Whose answers are kept apart.
    pub share: Share,
    /// Request fields whose values are part of the key.
    pub key_headers: Vec<HeaderName>,
    /// Query parameters that are part of the key; `None`: the whole query is.
    pub key_query: Option<Vec<String>>,
    /// Answer fields that list tags.
    pub tag_fields: Vec<HeaderName>,
    /// How long a stale answer is given while a new one is fetched, where the answer says nothing.
    pub stale_while_revalidate: Duration,
    /// How long a stale answer is given because the backend fails, where the answer says nothing.
    pub stale_if_error: Duration,
    /// Whether HEAD is answered from what GET brought.
    pub head: bool,
    /// Whether answers that set cookies are kept.
    pub keeps_cookies: bool,
    /// How many answers of one target are kept side by side.
    pub max_variants: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            revision: 0,
            ttl: None,
            heuristic_percent: 10,
            max_body_bytes: 1024 * 1024,
            share: Share::Application,
            key_headers: Vec::new(),
            key_query: None,
            tag_fields: vec![
                HeaderName::from_static("cache-tag"),
                HeaderName::from_static("surrogate-key"),
            ],
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            head: true,
            keeps_cookies: false,
            max_variants: 16,
        }
    }
}
