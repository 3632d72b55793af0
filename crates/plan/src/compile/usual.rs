//! Which texts do most resources say?
//!
//! With thousands of APIs they are most of what lies in memory many times; here is one of each for all.
//! Nothing counts by them, and no call clones them.

use std::sync::{Arc, LazyLock};

const USUAL: [&str; 19] = [
    "",
    "*",
    "/*",
    "/",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "default",
    "resident",
    "Unlimited",
    "1.0.0",
    "1.0",
    "1",
    "v1",
    "2.0.0",
];

/// The text, which others may hold, too.
pub(crate) fn usual(text: &str) -> Arc<str> {
    static TEXTS: LazyLock<[Arc<str>; USUAL.len()]> = LazyLock::new(|| USUAL.map(Arc::from));
    let known = TEXTS.iter().find(|known| ***known == *text);
    known.map_or_else(|| text.into(), Arc::clone)
}

/// Names that an API says.
pub(crate) type Names = Arc<[Arc<str>]>;

/// The groups of an API that names none.
pub(crate) fn usual_groups() -> Names {
    static GROUPS: LazyLock<Names> = LazyLock::new(|| [usual("default")].into());
    Arc::clone(&GROUPS)
}

/// The key managers of an API that names none.
pub(crate) fn usual_key_managers() -> Names {
    static KEY_MANAGERS: LazyLock<Names> = LazyLock::new(|| [usual("resident")].into());
    Arc::clone(&KEY_MANAGERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether two of the same text are one in memory.
    #[track_caller]
    fn check(text: &str, one: bool) {
        let (first, second) = (usual(text), usual(text));
        assert_eq!((&*first, &*second), (text, text));
        assert_eq!(Arc::ptr_eq(&first, &second), one, "{text}");
    }

    #[test]
    fn what_most_say_is_there_once() {
        check("", true);
        check("GET", true);
        check("orders", false);
    }
}
