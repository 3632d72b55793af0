//! Who asks, as everybody behind the doors knows them?

use std::fmt;
use std::sync::Arc;

/// Somebody who was let in. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
}

impl Caller {
    /// The one whose certificate says so, `admin/laptop`.
    pub fn of_certificate(name: impl fmt::Display) -> Self {
        Self { name: name.to_string().into() }
    }

    /// Whoever shows the administrator's token, who is known by no other name.
    pub fn of_token() -> Self {
        Self { name: "token".into() }
    }

    /// How they are called in logs and in the history.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
